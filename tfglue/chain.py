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
    OF_MASKING,
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
    *OF_EXPERIMENTS, *OF_SEVERAL_TASKS, "adapter", "head", "epochs", "learning_rate",
    "train_examples", "train_fraction", "max_steps",
    "evaluate_every", "patience", "save", "train_file", "dev_file", "test_file", "text_fields",
    "label_field", "kind", "labels", "init_parts", "keep_layers", "teachers", *OF_DISTILLATION,
    "smart", "mlm_weight", *OF_MASKING,
)


def step_settings(given: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Settings of an intermediate task, but for what it begins with and where it goes.

    Args:
        given: settings of the experiment.
        task: the intermediate task.
    """
    others = settings_of_other_kinds(task.kind).union(_OF_THE_TARGET)
    settings = {name: value for name, value in given.items() if name not in others}
    if given.get("max_steps") == 0:
        settings["max_steps"] = 0  # The cost of all is asked for.
    settings["task"] = task.name
    if given.get("intermediate_recipe"):
        settings |= read_recipe(given["intermediate_recipe"]).of(task.name)
    return settings


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
    steps, before = intermediate_tasks(given), None
    for number, task in enumerate(steps, start=1):
        output = folder.path / "steps" / f"{number}-{task.name}"
        say(f"step {number} of {len(steps) + 1}: {task.name}")
        settings = step_settings(given, task) | {"output": str(output)}
        if before:
            settings.pop("encoder", None)
            settings["init"] = before
        around = folder.path.absolute().parent
        beside = sorted([*around.glob("*"), *around.glob("*/steps/*")])
        run = train_run(
            settings | {"resume": RunFolder(output).is_run()},
            callbacks=callbacks,
            say=say,
            equal_runs=[*sorted(output.parent.glob("*")), *beside],
        )
        before = str(_shown(run.folder.path))
    say(f"step {len(steps) + 1} of {len(steps) + 1}: {given.get('task', 'your own')}")
    return before


def intermediate_tasks(given: Mapping[str, Any]) -> list[Task]:
    """The tasks that ``intermediate`` names, in order. Raises UserError for one unknown."""
    if given.get("intermediate") == AUTO:
        return []  # Not chosen yet.
    names = (given.get("intermediate") or "").split(",")
    return [tasks.get(name.strip()) for name in names if name.strip()]


def _shown(path: Path) -> Path:
    """The path as short as it can be said from here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
