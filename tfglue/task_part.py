"""What one task has in a run beside the shared encoder, as something to carry elsewhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.files import (
    digest_tensor_file,
    digest_tensors,
    parse_json,
    read_tensors,
    write_tensors,
)
from tfglue.flags import checked
from tfglue.form import check_form
from tfglue.manifest_check import LINEAGE
from tfglue.run_folder import PART_KINDS, RunFolder
from tfglue.tasks.files import check_task_name
from tfglue.tasks.serialization import task_from_dict, task_to_dict
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np

FORMAT = "tfglue.part.v1"

# What a run's `result` says of each task.
OF_RESULT = ("floor", "best_by_task", "calibration")
# They mean nothing on another machine.
_PLACES = (
    "encoder", "train_file", "dev_file", "test_file", "labels", "init", "recipe", "teachers",
)
# What begins so names the same everywhere, though there are slashes in it.
_PUBLIC = ("tfds ", "hf://")
_FORM = {
    "task": object,
    "adapter": str,
    "settings": {str: object},
    "encoder": {"name": str, "digest": str, "config": {str: object}},
    "tokenizer": str,
    "data": {str: {"origin": str, "rows": int, "digest": str}},
    "metrics": {str: {str: float}},
    "result": {"floor?": float, "best_by_task?": {str: float}, "calibration?": {str: float}},
    "lineage": LINEAGE,
    "tensors": str,
}


@dataclass(frozen=True)
class TaskPart:
    """One task's adapter and head, with all that it takes to answer by them.

    Args:
        task: the declaration, labels in the order of their ids.
        adapter: as `read_adapter` reads it; ``none`` for none.
        settings: those it was trained with, by the names of `TrainConfig`.
        encoder: ``name``, ``digest`` of the weights that it belongs to, ``config``.
        tokenizer: digest of the vocabulary.
        data: split -> what ``run.yaml`` says of its rows.
        metrics: split -> metric -> value.
        result: of `OF_RESULT`, what is known.
        lineage: runs that led to it, see `RunFolder.lineage`.
        tensors: ``adapters.<name>`` and ``heads.<name>`` -> weight.
    """

    task: Task
    adapter: str
    settings: Mapping[str, Any]
    encoder: Mapping[str, Any]
    tokenizer: str
    data: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    result: Mapping[str, Any]
    lineage: list[dict[str, Any]]
    tensors: Mapping[str, "np.ndarray"]

    @classmethod
    def of_run(cls, folder: RunFolder, name: str | None = None) -> "TaskPart":
        """The part of a task of a finished run; `name` may be left out where there is one alone.

        Raises:
            UserError: it has no such task, is not finished, or is damaged.
        """
        manifest = folder.finished_manifest()
        name = named_task(folder, manifest, name)
        config = manifest["config"]
        tensors = {}
        adapter = config.get("adapter") or "none"
        for kind in PART_KINDS if adapter != "none" else ("heads",):
            weights, _ = read_tensors(folder.part_file(kind, name))
            tensors |= {f"{kind}.{key}": value for key, value in weights.items()}
        return cls(
            task=task_from_dict(manifest["tasks"][name]),
            adapter=adapter,
            settings=config | manifest["task_settings"].get(name, {}),
            encoder={
                "name": manifest["encoder"]["name"],
                "digest": digest_tensor_file(folder.encoder),
                "config": manifest["encoder"]["config"],
            },
            tokenizer=manifest["tokenizer"]["digest"],
            data=manifest["data"].get(name, {}),
            metrics=folder.metrics().get(name, {}),
            result={
                key: manifest["result"][key][name]
                for key in OF_RESULT if name in manifest["result"].get(key, {})
            },
            lineage=part_lineage(folder, manifest, name),
            tensors=tensors,
        )

    @classmethod
    def read(cls, path: Path) -> "TaskPart":
        """Reads a file that `write` wrote. Raises UserError that names it for anything else."""
        tensors, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise UserError(
                f"{path}: expected a file of python -m tfglue.parts export (format {FORMAT}), "
                f"found {metadata.get('format', 'other tensors')}"
            )
        content = parse_json(metadata.get("part", ""), str(path))
        check_form(content, _FORM, str(path))
        if digest_tensors(sorted(tensors.items())) != content.pop("tensors"):
            raise UserError(f"{path}: its weights are damaged; fetch or export it again")
        try:
            task = task_from_dict(content["task"])
        except UserError as error:
            raise UserError(f"{path}: {error}; fetch or export it again") from None
        check_task_name(task.name, f"{path}: task '{task.name}'")
        known = {item.name for item in fields(TrainConfig)}
        # Another version may know settings that this one does not.
        own = {key: value for key, value in content["settings"].items() if key in known}
        settings = checked(own, TrainConfig, where=f"{path}: settings")
        return cls(**content | {"task": task, "settings": settings, "tensors": tensors})

    def write(self, path: Path) -> None:
        """Writes one safetensors file; all but the weights is in its metadata, as JSON.

        The file is for others: of the places of runs, rows and encoder it has the last name alone.

        Raises:
            CannotWrite: the file system refuses.
        """
        settings = {
            key: None if key in _PLACES else value for key, value in self.settings.items()
        }
        if settings.get("data") not in ("sample", "tfds"):
            settings["data"] = None
        content = {
            "task": task_to_dict(self.task),
            "adapter": self.adapter,
            "settings": settings,
            "encoder": {**self.encoder, "name": _last_name(self.encoder["name"])},
            "tokenizer": self.tokenizer,
            "data": {
                split: {**facts, "origin": _last_name(facts["origin"])}
                for split, facts in self.data.items()
            },
            "metrics": self.metrics,
            "result": self.result,
            "lineage": [{**step, "run": _last_name(step["run"])} for step in self.lineage],
            "tensors": digest_tensors(sorted(self.tensors.items())),
        }
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        write_tensors(path, self.tensors, {"format": FORMAT, "part": text})

    def called(self, name: str) -> "TaskPart":
        """The same under another name. Raises UserError for a name that no task can have."""
        check_task_name(name, f"--as {name}")
        return replace(self, task=replace(self.task, name=name))

    def weights(self, kind: str) -> dict[str, "np.ndarray"]:
        """Tensors of the adapter or of the head, by the names they have in a run's file."""
        return {
            key.removeprefix(f"{kind}."): value
            for key, value in self.tensors.items() if key.startswith(f"{kind}.")
        }


def part_lineage(
    folder: RunFolder, manifest: Mapping[str, Any], name: str
) -> list[dict[str, Any]]:
    """The runs that led to a task's part: this one last, or the one that it was added from."""
    added = manifest.get("added", {}).get(name)
    return added["lineage"] if added else folder.lineage()


def _last_name(place: str) -> str:
    return place if place.startswith(_PUBLIC) else Path(place).name or place


def named_task(folder: RunFolder, manifest: Mapping[str, Any], name: str | None) -> str:
    """A task of a run; None for its only one. Raises UserError with the nearest name."""
    known = manifest["tasks"]
    declared = tasks.find(name or "")
    if name not in known and declared and declared.name in known:
        name = declared.name
    if name is None and len(known) == 1:
        return next(iter(known))
    if name is None:
        raise UserError(f"--task is needed: {folder.path} has {', '.join(known)}")
    if name not in known:
        raise UserError(
            f"--task: {folder.path} has no task '{name}'{suggestion(name, known)} "
            f"(it has {', '.join(known)})"
        )
    return name
