"""What is known of a finished run before its weights are read. Loads no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.kept_predictions import KeptPredictions
from tfglue.run_folder import RunFolder, task_config_of
from tfglue.tasks.serialization import task_from_dict
from tfglue.tasks.task import Task


@dataclass(frozen=True)
class FinishedRun:
    """A finished run, or the weights of one epoch or one task of it.

    Args:
        name: as given, ``RUN``, ``RUN@<epoch>`` or ``RUN@<task>``.
        folder: its folder.
        which: epoch or task after the ``@``, None for the final weights.
        manifest: content of ``run.yaml``.
        weights: the folder of the weights named; predictions lie beside them.
        tasks: the tasks that these weights answer, labels in the run's own order.
    """

    name: str
    folder: RunFolder
    which: int | str | None
    manifest: Mapping[str, Any]
    weights: Path
    tasks: Mapping[str, Task]

    @classmethod
    def named(cls, name: str | Path) -> "FinishedRun":
        """Reads ``run.yaml``. Raises UserError for what is no finished run, or is damaged."""
        folder, which = RunFolder.named(name)
        manifest = folder.finished_manifest()
        weights = folder.weights(which)
        tasks = {task: task_from_dict(declared) for task, declared in manifest["tasks"].items()}
        if isinstance(which, str):
            tasks = {which: tasks[which]}
        elif which is not None:  # Tasks added later have no part of an earlier encoder.
            tasks = {n: task for n, task in tasks.items() if n not in manifest.get("added", {})}
        return cls(str(name), folder, which, manifest, weights, tasks)

    @cached_property
    def kept(self) -> KeptPredictions:
        """The predictions beside the weights."""
        return KeptPredictions(self.weights)

    def task(self, name: str | None = None) -> Task:
        """The named task, or the only one. Raises UserError if this run does not answer it."""
        return named_task(self.tasks, name, self.folder.path, "a run")

    @cached_property
    def configs(self) -> dict[str, TrainConfig]:
        """Task name -> the settings that it was trained with."""
        return {name: task_config_of(self.manifest, name) for name in self.tasks}


def named_task(tasks: Mapping[str, Task], name: str | None, place: object, noun: str) -> Task:
    """The task of a name, or the only one.

    Args:
        tasks: all that are answered, by name.
        name: the one that is meant; None for the only one.
        place: the folder, for messages.
        noun: what the folder holds, such as "a run".

    Raises:
        UserError: there is no such task, or there are several and none is named.
    """
    if name is None:
        if len(tasks) > 1:
            raise UserError(f"{place}: answers {', '.join(tasks)}; name one with --task")
        return next(iter(tasks.values()))
    if name not in tasks:
        raise UserError(f"{place}: {noun} of {', '.join(tasks)}, not of '{name}'")
    return tasks[name]
