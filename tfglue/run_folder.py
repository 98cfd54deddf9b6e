"""The run folder: the one artefact that training writes and everything else reads."""

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from tfglue.errors import UserError
from tfglue.files import atomic_file, read_json, read_yaml, write_json, write_text
from tfglue.models.transfer_model import TransferModel

FORMAT = "tfglue.run.v1"


class RunFolder:
    """Paths and formats inside a run folder.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.tokenizer = self.path / "tokenizer"
        self.checkpoint = self.path / "checkpoint"
        self.curves = self.path / "curves.png"
        self.card = self.path / "README.md"

    @property
    def exists(self) -> bool:
        """Whether something is there already; hidden leftovers of a killed process are nothing."""
        if not self.path.is_dir():
            return self.path.exists()
        return any(not entry.name.startswith(".") for entry in self.path.iterdir())

    def is_run(self) -> bool:
        """Whether the folder holds a run, finished or not."""
        return (self.path / "run.yaml").is_file()

    def clear(self) -> None:
        """Deletes what is in the folder, but for hidden files such as its lock."""
        for entry in self.path.iterdir():
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
                    entry.unlink()

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Writes ``run.yaml``."""
        text = yaml.safe_dump(
            {"format": FORMAT, **manifest}, sort_keys=False, allow_unicode=True, width=100
        )
        write_text(self.path / "run.yaml", text)

    def manifest(self) -> dict[str, Any]:
        """Reads ``run.yaml``. Raises UserError if the folder is not a run."""
        path = self.path / "run.yaml"
        if not path.is_file():
            raise UserError(
                f"{self.path}: not a run folder (it has no run.yaml); "
                "expected one made by python -m tfglue.train"
            )
        manifest = read_yaml(path)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            found = manifest.get("format") if isinstance(manifest, dict) else manifest
            raise UserError(f"{path}: expected format {FORMAT}, found {found}")
        for key in ("config", "tasks", "encoder", "tokenizer", "data"):
            if not isinstance(manifest.get(key), dict):
                raise UserError(f"{path}: '{key}' is missing or not a mapping; restore the file")
        return manifest

    def save_weights(self, model: TransferModel, folder: Path | None = None) -> None:
        """Writes ``encoder.safetensors`` and ``heads/<task>.safetensors``, here or in `folder`."""
        folder = folder or self.path
        _save_tensors(folder / "encoder.safetensors", model.encoder.named_weights())
        for task, head in model.heads.items():
            _save_tensors(folder / "heads" / f"{task}.safetensors", head.named_weights())

    def load_weights(self, model: TransferModel, folder: Path | None = None) -> None:
        """Reads what `save_weights` wrote. Raises UserError unless exactly the same tensors."""
        folder = folder or self.path
        _load_tensors(folder / "encoder.safetensors", model.encoder.named_weights())
        for task, head in model.heads.items():
            _load_tensors(folder / "heads" / f"{task}.safetensors", head.named_weights())

    def epoch(self, epoch: int) -> Path:
        """Folder of the weights kept after an epoch (0: before training)."""
        return self.path / "epochs" / str(epoch)

    def predictions(self, task: str, split: str) -> Path:
        """File of the predictions for a split."""
        return self.path / "predictions" / task / f"{split}.tsv"

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes ``history.csv``: a row every so many updates, metrics where there were any."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.path / "history.csv", text.getvalue())

    def write_metrics(self, metrics: Mapping[str, Any], main: Mapping[str, str]) -> None:
        """Writes ``metrics.json``: task -> split -> metric, and each task's main metric."""
        write_json(self.path / "metrics.json", {**metrics, "main": dict(main)})

    def metrics(self) -> dict[str, Any]:
        """Reads ``metrics.json``."""
        return read_json(self.path / "metrics.json")

    def write_timing(self, timing: Mapping[str, Any]) -> None:
        """Writes ``timing.json``: what differs between two runs of the same command."""
        write_json(self.path / "timing.json", timing)


def _save_tensors(path: Path, weights: Mapping[str, keras.Variable]) -> None:
    with atomic_file(path) as temporary:
        save_file({name: np.asarray(weight) for name, weight in weights.items()}, temporary)


def _load_tensors(path: Path, weights: Mapping[str, keras.Variable]) -> None:
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; the run is not whole") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as safetensors ({error})") from None
    missing = sorted(set(weights) - set(tensors))
    unknown = sorted(set(tensors) - set(weights))
    if missing or unknown:
        raise UserError(
            f"{path}: {len(missing)} tensors missing {missing[:3]}, "
            f"{len(unknown)} unknown {unknown[:3]}"
        )
    for name, weight in weights.items():
        if tensors[name].shape != tuple(weight.shape):
            raise UserError(
                f"{path}: tensor '{name}' has shape {tensors[name].shape}, "
                f"expected {tuple(weight.shape)}"
            )
        weight.assign(tensors[name])
