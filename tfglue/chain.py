"""Intermediate tasks, each trained from the one before or taken from a run that did so already."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from tfglue import tasks
from tfglue.config import (
    AUTO,
    OF_DISTILLATION,
    OF_EXPERIMENTS,
    OF_SEVERAL_TASKS,
    settings_of_other_kinds,
)
from tfglue.run_folder import RunFolder
from tfglue.task_choice import Say
from tfglue.tasks.task import Task
from tfglue.trainer import train_run
from tfglue.training_recipe import read_recipe

# These speak of the target; intermediate tasks follow their recipe.
_OF_THE_TARGET = (
    *OF_EXPERIMENTS, *OF_SEVERAL_TASKS, "adapter", "epochs", "learning_rate", "train_examples",
    "train_fraction", "max_steps",
    "evaluate_every", "patience", "save", "train_file", "dev_file", "test_file", "text_fields",
    "label_field", "kind", "labels", "init_parts", "keep_layers", "teachers", *OF_DISTILLATION,
    "smart",
)


def train_steps(
    given: Mapping[str, Any],
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    say: Say,
) -> str:
    """Trains the intermediate tasks that are not trained yet.

    Every step is an ordinary run, under ``steps/<k>-<task>``. An equal finished run (same settings,
    data, encoder and vocabulary, by digest) under ``steps`` or beside the experiment is taken
    instead.

    Args:
        given: settings of the experiment.
        folder: where the experiment goes.
        callbacks: Keras callbacks.
        say: takes each line of what is going on.

    Returns:
        The run that the target begins from.
    """
    shared = {name: value for name, value in given.items() if name not in _OF_THE_TARGET}
    if given.get("max_steps") == 0:
        shared["max_steps"] = 0  # The cost of all is asked for.
    names = [task.name for task in intermediate_tasks(given)]
    for number, name in enumerate(names, start=1):
        output = folder.path / "steps" / f"{number}-{name}"
        say(f"step {number} of {len(names) + 1}: {name}")
        others = settings_of_other_kinds(tasks.get(name).kind)
        settings = {n: value for n, value in shared.items() if n not in others}
        settings |= {"task": name, "output": str(output)}
        if given.get("intermediate_recipe"):
            settings |= read_recipe(given["intermediate_recipe"]).of(name)
        around = folder.path.absolute().parent
        beside = sorted([*around.glob("*"), *around.glob("*/steps/*")])
        run = train_run(
            settings | {"resume": RunFolder(output).is_run()},
            callbacks=callbacks,
            say=say,
            equal_runs=[*sorted(output.parent.glob("*")), *beside],
        )
        shared["init"] = str(_shown(run.folder.path))
        shared.pop("encoder", None)
    say(f"step {len(names) + 1} of {len(names) + 1}: {given.get('task', 'your own')}")
    return shared["init"]


def intermediate_tasks(given: Mapping[str, Any]) -> list[Task]:
    """The tasks that ``intermediate`` names, in order. Raises UserError for one unknown."""
    if given.get("intermediate") == AUTO:
        return []  # Not chosen yet.
    names = (given.get("intermediate") or "").split(",")
    return [tasks.get(name.strip()) for name in names if name.strip()]


def _shown(path: Path) -> Path:
    """The path as short as it can be said from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
