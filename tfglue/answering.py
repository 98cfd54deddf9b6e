"""Which task and which rows `evaluate` and `predict` mean."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.setting_values import text_fields
from tfglue.tasks.language_model import KIND as LANGUAGE_MODEL
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    from tfglue.data.examples import Examples
    from tfglue.data.sources import Source
    from tfglue.predictions.predictions import Predictions


class Configured(Protocol):
    """What knows its tasks.

    Attributes:
        tasks: task name -> declaration, labels in the order of their ids.
        configs: task name -> settings.
    """

    tasks: Mapping[str, Task]
    configs: Mapping[str, TrainConfig]


class Answering(Configured, Protocol):
    """What answers: a `tfglue.run.Run`, or a `tfglue.serving.exported.Export` of one."""

    def task(self, name: str | None = None) -> Task:
        """The named task, or the only one. Raises UserError if it is not answered."""

    def answer(self, task: Task, examples: "Examples") -> "Predictions":
        """Predictions for rows of a split."""


def answered_task(run: Answering, name: str | None) -> Task:
    """The task to answer: the run's only one, a named one of it, or one its head answers (ax).

    Raises:
        UserError: if the run does not answer the named task.
    """
    if name is None or name in run.tasks:
        return run.task(name)
    task = tasks.get(name)
    if task.name not in run.tasks and task.predicted_by in run.tasks:
        return replace(task, labels=run.tasks[task.predicted_by].labels)
    return run.task(task.name)


def new_file(name: str | None, overwrite: bool) -> Path | None:
    """The file that ``--output`` names, or None.

    Raises:
        UserError: it is there already and is not to be replaced.
    """
    if name is None:
        return None
    path = Path(name)
    if path.is_dir():
        raise UserError(f"--output: {path} is a folder; name a file")
    if path.exists() and not overwrite:
        raise UserError(f"--output: {path} exists; add --overwrite or name another file")
    return path


def source_for(run: Configured, task: Task, data: str | None, file: str | None) -> "Source":
    """The source of rows: a file of the user's, what ``--data`` names, or the run's own data.

    The labels and their order, and whether questions may have no answer, are the run's, whatever a
    declaration says today.

    Raises:
        UserError: if both are given, or the source has not the task.
    """
    from tfglue.data.sources import FileSource, open_source
    from tfglue.data.text_source import TextSource, open_text

    if data and file:
        raise UserError("--data and --input exclude each other; give one")
    head = task.name if task.name in run.tasks else task.predicted_by
    config = run.configs[head]
    if task.kind == LANGUAGE_MODEL:
        if data:
            raise UserError(f"--data: {task.name} reads plain text; name a file with --input")
        if file:
            return TextSource(task, [Path(file)], "input")
        return open_text(config.text, config.next_sentence, config.dev_fraction)[1]
    fields = text_fields(config.text_fields)
    if file:
        return FileSource(task, {"input": file}, fields, config.label_field)
    own = {"train": config.train_file, "dev": config.dev_file, "test": config.test_file}
    if data is None and own["train"]:
        paths = {split: path for split, path in own.items() if path}
        return FileSource(task, paths, fields, config.label_field)
    if task.name not in tasks.names():
        raise UserError(f"--data: task '{task.name}' is your own; give its rows with --input")
    declared = replace(
        tasks.get(task.name), negatives=task.negatives, paired_lines=task.paired_lines
    )
    if task.labels:
        declared = replace(declared, labels=task.labels, file_labels=task.file_labels)
    return open_source(declared, data if data is not None else config.data)
