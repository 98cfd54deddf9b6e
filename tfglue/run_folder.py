"""The run folder: the one artefact that training writes and everything else reads."""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from tfglue.comma_separated import csv_of_records
from tfglue.config import TrainConfig, trainer_of
from tfglue.errors import UserError, suggestion
from tfglue.files import (
    read_json,
    read_tensors,
    read_text,
    read_yaml,
    write_json,
    write_tensors,
    write_text,
)
from tfglue.form import check_form
from tfglue.manifest_check import checked_manifest
from tfglue.models.language_model_weights import LANGUAGE_MODEL_FILE

if TYPE_CHECKING:
    import keras

    from tfglue.models.transfer_model import TransferModel

FORMAT = "tfglue.run.v1"

PART_KINDS = ("adapters", "heads")
"""What a task has of its own beside the encoder; a run without adapters has heads alone."""

_OF_WEIGHTS = (*PART_KINDS, "epochs", "best")
"""Folders of weights beside the encoder's file."""

_METRICS = {str: {str: {str: float}}}  # Task -> split -> metric.
_DROPPED = "dropped"

BESIDE_RUNS = (
    "experiment.yaml", "restarts.json", "recommendation.json", "target", "steps", "seeds",
)
"""What chains and restarts keep beside a run: see `tfglue.experiment`."""


class RunFolder:
    """Paths and formats inside a run folder.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.encoder = self.path / "encoder.safetensors"
        self.language_model = self.path / LANGUAGE_MODEL_FILE
        self.tokenizer = self.path / "tokenizer"
        self.checkpoint = self.path / "checkpoint"
        self.curves = self.path / "curves.png"
        self.card = self.path / "README.md"

    @classmethod
    def named(cls, name: str | Path) -> tuple["RunFolder", int | str | None]:
        """Folder and weights that ``RUN``, ``RUN@<epoch>`` or ``RUN@<task>`` names.

        Returns:
            The folder, and an epoch, a task (its best evaluation), or None for the final weights.
        """
        path, _, which = str(name).rpartition("@")
        if not path or not which or Path(name).exists():
            return cls(name), None
        if which.isascii() and which.isdigit():
            return cls(path), int(which)
        return (cls(path), which) if cls(path).is_run() else (cls(name), None)

    @property
    def exists(self) -> bool:
        """Whether something of a run is there already.

        Hidden leftovers of a killed process are nothing, and what an experiment keeps in the
        folder beside its last run is not the run's.
        """
        if not self.path.is_dir():
            return self.path.exists()
        return any(
            not entry.name.startswith(".") and entry.name not in BESIDE_RUNS
            for entry in self.path.iterdir()
        )

    def is_run(self) -> bool:
        """Whether the folder holds a run, finished or not."""
        return (self.path / "run.yaml").is_file()

    def is_finished(self) -> bool:
        """Whether the folder holds a run that was trained to its end."""
        return self.is_run() and self.manifest().get("status") == "complete"

    def clear(self) -> None:
        """Deletes what is in the folder, but for hidden files such as its lock."""
        # The manifest last: a folder without it is no run, and would not be overwritten again.
        for entry in sorted(self.path.iterdir(), key=lambda entry: entry.name == "run.yaml"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif not entry.name.startswith("."):
                entry.unlink()

    def remove_leftovers(self) -> None:
        """Deletes temporary files of a process that was killed while it wrote."""
        for pattern in (".*.tmp", ".*.old"):
            for entry in list(self.path.rglob(pattern)):
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink(missing_ok=True)  # Gone with the folder it lay in.

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Writes ``run.yaml``."""
        text = yaml.safe_dump(
            {"format": FORMAT, **manifest}, sort_keys=False, allow_unicode=True, width=100
        )
        write_text(self.path / "run.yaml", text)

    def manifest(self) -> dict[str, Any]:
        """Reads ``run.yaml``. Raises UserError if the folder is no run, or the file is damaged."""
        path = self.path / "run.yaml"
        if not path.is_file():
            raise UserError(
                f"{self.path}: not a run folder (it has no run.yaml); "
                "expected one made by python -m tfglue.train or tfglue.pretrain"
            )
        manifest = read_yaml(path)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else manifest
            raise UserError(f"{path}: expected format {FORMAT}, found {found}")
        return checked_manifest(manifest, path)

    def finished_manifest(self) -> dict[str, Any]:
        """Reads ``run.yaml`` of a finished run. Raises UserError if it is not finished."""
        restarts = self.path / "restarts.json"
        if restarts.is_file() and not self.is_run():
            runs = ", ".join(path.name for path in sorted((self.path / "seeds").glob("*")))
            raise UserError(
                f"{self.path}: a series of restarts; name one of its runs under "
                f"{self.path / 'seeds'} ({runs}); {restarts} says which is best"
            )
        manifest = self.manifest()
        if manifest.get("status") != "complete":
            trainer = trainer_of(manifest["config"])
            raise UserError(
                f"{self.path}: this run is not finished; go on with "
                f"python -m {trainer} --output {self.path} --resume"
            )
        return manifest

    def weights(self, which: int | str | None) -> Path:
        """Folder of the final weights (None), of an epoch's, or of the best ones of a task.

        Raises:
            UserError: the run did not keep these.
        """
        manifest = self.manifest()
        if manifest.get("weights") == _DROPPED:
            raise UserError(
                f"{self.path}: of this run results were kept, not weights; train it again with "
                f"{manifest['command']} --overwrite, or search and draw learning curves with "
                "--keep_weights all"
            )
        if which is None:
            return self.path
        folder = self.best(which) if isinstance(which, str) else self.epoch(which)
        # A kill while a task is removed leaves weights that are not the run's.
        tasks = manifest["tasks"]
        if not folder.is_dir() or (isinstance(which, str) and which not in tasks):
            best = (path for path in self.path.glob("best/*") if path.name in tasks)
            kept = sorted(path.name for path in (*self.path.glob("epochs/*"), *best))
            whose = f"task {which}" if isinstance(which, str) else f"epoch {which}"
            raise UserError(
                f"{self.path}@{which}: this run kept no weights of {whose}"
                f"{suggestion(str(which), kept)} "
                f"(it kept {', '.join(kept) or 'the final ones alone'}; see --save)"
            )
        return folder

    def save_weights(
        self, model: "TransferModel", folder: Path | None = None, task: str | None = None
    ) -> None:
        """Writes the encoder's weights, and each task's adapter and head.

        Args:
            model: whose weights.
            folder: where to; the run's own by default.
            task: whose adapter and head alone; all by default.
        """
        place = folder or self.path
        for path, part in _weight_files(model, place).items():
            if task is None or path.stem == task or path.parent == place:
                _save_tensors(path, part.named_weights())

    def load_weights(self, model: "TransferModel", folder: Path | None = None) -> None:
        """Reads what `save_weights` wrote. Raises UserError unless exactly the same tensors."""
        for path, part in _weight_files(model, folder or self.path).items():
            load_tensors(path, part.named_weights())

    @property
    def keeps_weights(self) -> bool:
        """Whether a run, finished or not, has weights of any kind."""
        names = (self.encoder.name, *_OF_WEIGHTS, self.checkpoint.name)
        return self.is_run() and any((self.path / name).exists() for name in names)

    def drop_weights(self) -> None:
        """Deletes the weights of a run that is over, which says so from then on; results stay."""
        self.write_manifest({**self.manifest(), "weights": _DROPPED})
        for name in (*_OF_WEIGHTS, self.checkpoint.name):
            shutil.rmtree(self.path / name, ignore_errors=True)
        self.encoder.unlink(missing_ok=True)
        self.language_model.unlink(missing_ok=True)

    def write_calibration(self, found: Mapping[str, Mapping[str, float]], folder: Path) -> None:
        """Writes what was tuned for weights that are kept beside them, in `folder`."""
        write_json(folder / "calibration.json", {name: dict(own) for name, own in found.items()})

    def calibration(self, which: int | str | None) -> dict[str, dict[str, float]]:
        """What was tuned for the final weights (None), an epoch's, or the best ones of a task.

        Raises:
            UserError: what was tuned for the final weights is not known for these.
        """
        manifest = self.finished_manifest()
        final = manifest["result"].get("calibration", {})
        if which is None:
            return final
        later = manifest.get("added", {})  # Tasks added later know the final weights alone.
        final = {
            task: own for task, own in final.items()
            if (task == which if isinstance(which, str) else task not in later)
        }
        path = self.weights(which) / "calibration.json"
        if not path.is_file():
            if any(final.values()):
                tuned = ", ".join(dict.fromkeys(name for own in final.values() for name in own))
                raise UserError(
                    f"{path}: no such file; {tuned} is known for the final weights alone, so use "
                    f"{self.path}, or train again with --save"
                )
            return {}
        content = read_json(path)
        form = {task: dict.fromkeys(own, float) for task, own in final.items()}
        check_form(content, form, str(path))
        return content

    def part_file(self, kind: str, task: str) -> Path:
        """File of a task's weights of a kind of `PART_KINDS`."""
        return self.path / kind / f"{task}.safetensors"

    def weight_files(self) -> list[Path]:
        """Files of all final weights: the encoder's, and those of every task."""
        tasks = self.manifest()["tasks"]
        parts = (self.part_file(kind, task) for task in tasks for kind in PART_KINDS)
        return [self.encoder, *(path for path in parts if path.exists())]

    def epoch(self, epoch: int) -> Path:
        """Folder of the weights kept after an epoch (0: before training)."""
        return self.path / "epochs" / str(epoch)

    def best(self, task: str) -> Path:
        """Folder of the weights at the best evaluation of one task of several."""
        return self.path / "best" / task

    def predictions(self, task: str, split: str) -> Path:
        """Place of the predictions for a split: a folder, or a file's name without its suffix."""
        return self.path / "predictions" / task / split

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes ``history.csv``: a row every so many updates, metrics where there were any."""
        write_text(self.path / "history.csv", csv_of_records(rows))

    def history(self) -> list[dict[str, str]]:
        """Rows of ``history.csv`` as texts, empty where there was nothing; none without a file."""
        path = self.path / "history.csv"
        return list(csv.DictReader(io.StringIO(read_text(path)))) if path.is_file() else []

    def write_metrics(self, metrics: Mapping[str, Any], main: Mapping[str, str]) -> None:
        """Writes ``metrics.json``: task -> split -> metric, and each task's main metric."""
        write_json(self.path / "metrics.json", {**metrics, "main": dict(main)})

    def metrics(self) -> dict[str, Any]:
        """Reads ``metrics.json``. Raises UserError if it is not what `write_metrics` writes."""
        path = self.path / "metrics.json"
        content = read_json(path)
        check_form(content, {"main": {str: str}}, str(path))
        check_form({n: v for n, v in content.items() if n != "main"}, _METRICS, str(path))
        if self.is_run():
            # A kill while a task is added or removed leaves scores that are not the run's.
            tasks = self.manifest()["tasks"]
            main = {n: metric for n, metric in content["main"].items() if n in tasks}
            content = {n: v for n, v in content.items() if n in tasks} | {"main": main}
        if not content["main"]:
            raise UserError(f"{path}: 'main' names no task; restore the file")
        for task, metric in content["main"].items():
            check_form(content, {task: {"dev?": {metric: float}}}, str(path))
        return content

    def lineage(self, which: int | str | None = None) -> list[dict[str, Any]]:
        """The runs that led to this one's weights, first to last, this one included.

        Args:
            which: weights, as in `weights`.
        """
        manifest, scores = self.manifest(), self.metrics()
        return [
            *manifest["parents"],
            {
                "run": str(self.path),
                "epoch": which if isinstance(which, int) else None,
                **({"best_of": which} if isinstance(which, str) else {}),
                "tasks": list(manifest["tasks"]),
                "tune_split": manifest["config"].get("tune_split"),
                "scores": {
                    task: {metric: scores[task]["dev"][metric]}
                    for task, metric in scores["main"].items()
                    if "dev" in scores.get(task, {}) and which is None
                },
            },
        ]

    def write_timing(self, timing: Mapping[str, Any]) -> None:
        """Writes ``timing.json``: what differs between two runs of the same command."""
        write_json(self.path / "timing.json", timing)

    def timing(self) -> dict[str, Any]:
        """Reads ``timing.json``, empty where there is none. Raises UserError for a damaged one."""
        path = self.path / "timing.json"
        if not path.exists():
            return {}
        content = read_json(path)
        check_form(content, {"seconds": float}, str(path))
        return content


def task_config_of(manifest: Mapping[str, Any], task: str) -> TrainConfig:
    """The settings that a task of a run was trained with: the run's, but for its own."""
    config = TrainConfig.from_stored(manifest["config"])
    return replace(config, **manifest["task_settings"].get(task, {}))


def _weight_files(model: "TransferModel", folder: Path) -> dict[Path, Any]:
    """Which file holds the weights of which part."""
    place = RunFolder(folder)
    files: dict[Path, Any] = {place.encoder: model.encoder}
    for kind, parts in zip(PART_KINDS, (model.adapters, model.heads), strict=True):
        files |= {place.part_file(kind, task): part for task, part in parts.items()}
    if model.language_model is not None:
        files[place.language_model] = model.language_model
    return files


def _save_tensors(path: Path, weights: Mapping[str, "keras.Variable"]) -> None:
    write_tensors(path, {name: np.asarray(weight) for name, weight in weights.items()})


def load_tensors(path: Path, weights: Mapping[str, "keras.Variable"]) -> None:
    """Fills weights from a safetensors file. Raises UserError unless it holds exactly these."""
    if not path.exists():
        raise UserError(f"{path}: no such file; the run is not whole")
    fill_weights(weights, read_tensors(path)[0], str(path))


def fill_weights(
    weights: Mapping[str, "keras.Variable"], tensors: Mapping[str, np.ndarray], where: str
) -> None:
    """Fills weights from tensors. Raises UserError unless they are exactly these."""
    missing = sorted(set(weights) - set(tensors))
    unknown = sorted(set(tensors) - set(weights))
    if missing or unknown:
        raise UserError(
            f"{where}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}"
        )
    for name, weight in weights.items():
        if tensors[name].shape != tuple(weight.shape):
            raise UserError(
                f"{where}: tensor '{name}' has shape {tensors[name].shape}, "
                f"expected {tuple(weight.shape)}"
            )
        if str(tensors[name].dtype) != weight.dtype:
            raise UserError(
                f"{where}: tensor '{name}' is {tensors[name].dtype}, expected {weight.dtype}"
            )
        weight.assign(tensors[name])
