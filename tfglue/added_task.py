"""A further task for a finished run: trained beside its frozen encoder, then added to it."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from tfglue.config import OF_EXPERIMENTS, OF_ONE_COMMAND, OF_TEXT
from tfglue.errors import UserError
from tfglue.experiment import train
from tfglue.output import free_output
from tfglue.part_fit import check_declared, check_free_name
from tfglue.run_folder import RunFolder
from tfglue.run_parts import RunParts
from tfglue.task_choice import Say, choose_tasks
from tfglue.task_part import TaskPart
from tfglue.training.loop import Interrupted


def train_task(folder: RunFolder, given: Mapping[str, Any], say: Say) -> None:
    """Trains tasks on a run's frozen encoder, in a run of their own, and adds them to the run.

    It is ``tfglue.train --init RUN --freeze encoder --adapter <that of the run>``.

    Args:
        folder: the finished run.
        given: settings of the training, by the names of `TrainConfig`.
        say: takes each line of what is going on.

    Raises:
        UserError: for settings that would change the encoder or the vocabulary, a name that the run
            has already or that is a built-in task's, and all that training says.
        Interrupted: after SIGINT or SIGTERM; the message says how to go on.
    """
    parts = RunParts(folder)
    settings = _settings(parts, given)
    names = []
    if not settings.get("resume"):
        for task, _ in choose_tasks(settings, lambda line: None):
            check_free_name(task.name, folder, parts.manifest)
            check_declared(task, f"--task {task.name}", "--task")
            names.append(task.name)
    with _named_output(settings, names) as settings:
        try:
            trained = train(settings, say=say)
        except Interrupted as interrupt:
            run, output = (shlex.quote(str(path)) for path in (folder.path, settings["output"]))
            raise Interrupted(
                f"{interrupt}; then python -m tfglue.parts add --run {run} --from {output}"
            ) from None
    for name in trained.tasks:
        add_trained(folder, trained.folder, name, None)
        say(f"added: {name} to {folder.path}, from {trained.folder.path}")


@contextmanager
def _named_output(settings: Mapping[str, Any], names: list[str]) -> Iterator[dict[str, Any]]:
    """The settings with an output of their own: who is interrupted has to be told its name."""
    if any(settings.get(name) for name in OF_ONE_COMMAND):
        yield dict(settings)  # It is named, or training says that it has to be.
        return
    path = free_output("-".join(names)).path
    try:
        yield {**settings, "output": str(path)}
    finally:
        with suppress(OSError):
            path.rmdir()  # Where nothing came of it; a folder that holds something stays.


def add_trained(
    folder: RunFolder, source: RunFolder, task: str | None, new_name: str | None
) -> TaskPart:
    """Adds a task that another run has trained beside the same encoder.

    Args:
        folder: the run it comes to.
        source: the run that has it.
        task: its name there; may be left out where there is one alone.
        new_name: its name here, if that is to be another.

    Raises:
        UserError: it does not fit; see `tfglue.part_fit.check_fit`.
    """
    part = TaskPart.of_run(source, task)
    predictions = source.path / "predictions" / part.task.name
    if new_name:
        part = part.called(new_name)
    RunParts(folder).attach(part, str(source.path), predictions)
    return part


def _settings(parts: RunParts, given: Mapping[str, Any]) -> dict[str, Any]:
    path = parts.folder.path
    fixed = {
        "init": str(path),
        "freeze": "encoder",
        "adapter": parts.manifest["config"].get("adapter") or "none",
    }
    lower_case = str(parts.manifest["tokenizer"]["lower_case"]).lower()
    kept = fixed | {"lower_case": lower_case}
    asked = {n: v for n, v in given.items() if (n, v) != ("lower_case", "auto")}
    for name in ("encoder", "init_parts", "keep_layers", *OF_TEXT, *OF_EXPERIMENTS, *kept):
        if asked.get(name, kept.get(name)) != kept.get(name):
            instead = f"it is {kept[name]}" if name in kept else "it has no place here"
            raise UserError(
                f"--{name}: a task that is added to {path} is trained beside its encoder as it "
                f"is; {instead}, leave the flag out"
            )
    if given.get("strategy") == "multi_worker":
        raise UserError(
            "--strategy multi_worker: train the task with python -m tfglue.train "
            f"--init {path} --freeze encoder --adapter {fixed['adapter']}, then add it with --from"
        )
    return {**given, **fixed}
