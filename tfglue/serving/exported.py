"""An opened export: answers of a SavedModel alone."""

import re
from collections.abc import Sequence
from itertools import repeat
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  Registers operations that the graph has.

from tfglue.config import TrainConfig
from tfglue.data.examples import Examples
from tfglue.data.subset import whole_units
from tfglue.errors import UserError
from tfglue.finished_run import named_task
from tfglue.predictions.predictions import Predictions
from tfglue.serving.export_folder import check_files, find_export
from tfglue.serving.facts import ExportFacts
from tfglue.serving.served_task import Arrays
from tfglue.serving.served_tasks import served_task
from tfglue.tasks.task import Task

_BATCH = 32

_REFUSAL = re.compile(r"assertion failed: \[(.*?)\]", re.DOTALL)


class Export:
    """One version of an export, ready to answer.

    Args:
        folder: of the version.
        facts: what it says of itself.
    """

    def __init__(self, folder: Path, facts: ExportFacts):
        self.folder = folder
        self.facts = facts
        self.tasks: dict[str, Task] = {n: served.task for n, served in facts.tasks.items()}
        self.configs: dict[str, TrainConfig] = {n: s.config for n, s in facts.tasks.items()}
        self._loaded = tf.saved_model.load(str(folder))

    @classmethod
    def open(cls, name: str | Path) -> "Export":
        """Opens a version, or the newest one of a folder of versions.

        Raises:
            UserError: it is no export, or a file of it is not the one that was written.
        """
        folder = find_export(name)
        if folder is None:
            raise UserError(f"{name}: no export; write one with python -m tfglue.export")
        check_files(folder)
        return cls(folder, ExportFacts.read(folder))

    def task(self, name: str | None = None) -> Task:
        """The named task, or the only one. Raises UserError if it is not answered here."""
        return named_task(self.tasks, name, self.folder, "an export")

    def answer(self, task: Task, examples: Examples) -> Predictions:
        """Predictions for examples; `task` may be one that another task's head answers.

        Raises:
            UserError: the graph refuses them, such as a question that leaves no room.
        """
        head = self.task(task.name if task.name in self.tasks else task.predicted_by).name
        own = self.facts.tasks[head]
        served = served_task(task, own.config, own.calibration)
        signature = self._loaded.signatures[self._of_text(head)]
        answers = []
        parts = list(whole_units(examples.units, repeat(_BATCH))) or [np.arange(0)]
        for rows in parts:
            asked = served.request(examples.take(rows))
            inputs = {n: tf.constant(v, tf.string) for n, v in asked.items()}
            try:
                outputs = signature(**inputs)
            except tf.errors.InvalidArgumentError as error:
                found = _REFUSAL.search(error.message)
                raise UserError(
                    f"{examples.origin}: {found[1] if found else error.message}"
                ) from None
            answers.append({name: value.numpy() for name, value in outputs.items()})
        places = np.argsort(np.concatenate(parts))
        found = {name: values[places] for name, values in joined(answers).items()}
        return served.predictions(examples, found)

    def _of_text(self, task: str) -> str:
        """The signature on text of a task."""
        return next(
            name for name, own in self.facts.signatures.items()
            if own["form"] == "strings" and own["task"] == task
        )


def joined(answers: Sequence[Arrays]) -> Arrays:
    """Outputs of several requests as one; what differs in width is filled up."""
    found = {}
    for name in answers[0]:
        parts = [answer[name] for answer in answers]
        if parts[0].ndim == 2:
            width = max(part.shape[1] for part in parts)
            blank = b"" if parts[0].dtype == object else 0
            parts = [
                np.pad(part, [(0, 0), (0, width - part.shape[1])], constant_values=blank)
                for part in parts
            ]
        found[name] = np.concatenate(parts)
    return found
