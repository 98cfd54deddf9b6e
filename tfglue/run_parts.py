"""Tasks that come to a finished run and leave it, while the others stay as they are."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tfglue import tasks
from tfglue.budget import Budget
from tfglue.config import OF_EACH_TASK, TrainConfig
from tfglue.errors import UserError
from tfglue.files import atomic_folder, write_tensors, write_text
from tfglue.folder_lock import locked
from tfglue.model_card import model_card
from tfglue.part_fit import check_fit
from tfglue.run_folder import PART_KINDS, RunFolder
from tfglue.task_part import OF_RESULT, TaskPart, named_task
from tfglue.tasks.serialization import task_to_dict

_BY_TASK = ("tasks", "task_settings", "data", "added")


class RunParts:
    """The parts of a finished run.

    ``run.yaml`` decides which tasks a run has. It is written after the files of a task that comes
    and before those of one that leaves are deleted, so a kill at any moment leaves a run with the
    task or without it; the next change deletes what a kill left behind.

    Args:
        folder: the run.

    Raises:
        UserError: it is no finished run.
    """

    def __init__(self, folder: RunFolder):
        self.folder = folder
        self._read()

    def attach(self, part: TaskPart, source: str, predictions: Path | None = None) -> None:
        """Adds a task.

        Args:
            part: its adapter, head and facts.
            source: what they come from, for ``run.yaml`` and messages.
            predictions: folder of the task's predictions by these weights, copied where given.

        Raises:
            UserError: the part is not of this run's encoder, adapter or vocabulary, or its name is
                taken; nothing is changed then.
        """
        name = part.task.name
        with self._changing():
            check_fit(part, self.folder, self.manifest, source)
            self._remove_what_is_left()
            for kind in PART_KINDS:
                if weights := part.weights(kind):
                    write_tensors(self.folder.part_file(kind, name), weights)
            if predictions is not None and predictions.is_dir():
                with atomic_folder(self.folder.path / "predictions" / name) as temporary:
                    shutil.copytree(predictions, temporary, dirs_exist_ok=True)
            metrics = self.folder.metrics()
            metrics["main"][name] = part.task.main_metric
            metrics[name] = dict(part.metrics)
            self._write_metrics(metrics)
            self.manifest = self._with(part, source)
            self.folder.write_manifest(self.manifest)
            self._write_card(metrics)

    def remove(self, name: str) -> None:
        """Removes a task and all files of it.

        Raises:
            UserError: the run has no such task, or no other.
        """
        with self._changing():
            name = named_task(self.folder, self.manifest, name)
            if len(self.manifest["tasks"]) == 1:
                raise UserError(
                    f"{self.folder.path}: '{name}' is its only task, and a run has one at least; "
                    "delete the folder instead"
                )
            self.manifest = self._without(name)
            # They are of all tasks at once, and `evaluate` makes them anew.
            for weights in (self.folder, *self._kept("epochs")):
                (weights.path / "evaluation.json").unlink(missing_ok=True)
            self.folder.write_manifest(self.manifest)
            self._remove_what_is_left()
            self._write_card(self.folder.metrics())

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """The run locked, and read anew: until then other processes may have changed it."""
        with locked(self.folder.path):
            self._read()
            yield

    def _read(self) -> None:
        self.manifest = self.folder.finished_manifest()
        self.budget = Budget.stored(self.manifest, self.folder.path / "run.yaml")

    def _with(self, part: TaskPart, source: str) -> dict[str, Any]:
        """``run.yaml`` with the task."""
        name, manifest = part.task.name, {**self.manifest}
        own = self._own_settings(part)
        added = {"source": source, "lineage": part.lineage}
        for key, value in zip(
            _BY_TASK, (task_to_dict(part.task), own, dict(part.data), added), strict=True
        ):
            manifest[key] = {**manifest.get(key, {}), name: value}
        manifest["result"] = {**manifest["result"]}
        for key in OF_RESULT:
            if key in part.result:
                manifest["result"][key] = {
                    **manifest["result"].get(key, {}), name: part.result[key]
                }
        sizes = {
            f"{kind}.{name}": sum(value.size for value in weights.values())
            for kind in PART_KINDS if (weights := part.weights(kind))
        }
        self.budget = self.budget.with_parts(sizes)
        return manifest | {"parameters": self.budget.to_dict()}

    def _without(self, name: str) -> dict[str, Any]:
        """``run.yaml`` without the task."""
        manifest = {**self.manifest}
        for key in _BY_TASK:
            manifest[key] = _drop(manifest.get(key, {}), name)
        manifest["result"] = {
            key: _drop(value, name) if key in OF_RESULT else value
            for key, value in manifest["result"].items()
        }
        self.budget = self.budget.without_task(name)
        return manifest | {"parameters": self.budget.to_dict()}

    def _own_settings(self, part: TaskPart) -> dict[str, Any]:
        """Settings of the task that are not the run's."""
        ours = self.manifest["config"]
        return {
            key: part.settings[key]
            for key in TrainConfig().to_dict()
            if key in part.settings and (key in OF_EACH_TASK or part.settings[key] != ours.get(key))
        }

    def _write_card(self, metrics: Mapping[str, Any]) -> None:
        path = str(self.folder.path)
        write_text(self.folder.card, model_card(self.manifest, metrics, path))

    def _write_metrics(self, metrics: Mapping[str, Any]) -> None:
        scores = {name: value for name, value in metrics.items() if name != "main"}
        self.folder.write_metrics(scores, metrics["main"])

    def _remove_what_is_left(self) -> None:
        """Deletes files and scores of tasks that are not the run's."""
        folder, own = self.folder, self.manifest["tasks"]
        folder.remove_leftovers()
        for best in self._kept("best"):
            if best.path.name not in own:
                shutil.rmtree(best.path)
        answered = {*own, *(n for n in tasks.names() if tasks.get(n).predicted_by in own)}
        for weights in (folder, *self._kept("epochs"), *self._kept("best")):
            for kind in PART_KINDS:
                for path in sorted((weights.path / kind).glob("*.safetensors")):
                    if path.stem not in own:
                        path.unlink()
            for path in sorted((weights.path / "predictions").glob("*")):
                if path.name not in answered:
                    shutil.rmtree(path)
        for path in sorted(folder.path.glob("train_rows.*.txt")):
            if path.name.split(".")[1] not in own:
                path.unlink()
        self._write_metrics(folder.metrics())

    def _kept(self, which: str) -> list[RunFolder]:
        """Weights that ``--save`` kept: of ``epochs``, or the ``best`` of tasks."""
        return [RunFolder(path) for path in sorted((self.folder.path / which).glob("*"))]


def _drop(by_task: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {task: value for task, value in by_task.items() if task != name}
