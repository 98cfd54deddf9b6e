"""Runs of `tfglue.pretrain` as encoders: they were fine-tuned on no task."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import read_tensors, read_yaml
from tfglue.form import check_form
from tfglue.models.encoder import BertEncoder
from tfglue.models.initialization import undrawn
from tfglue.models.language_model_weights import LANGUAGE_MODEL_FILE
from tfglue.models.loaded_encoder import LoadedEncoder, assign_weights
from tfglue.tasks.language_model import KIND

_MANIFEST = "run.yaml"
_FORM = {
    "status": str, "tasks": {str: {"kind": str}}, "encoder": {"config": {str: object}},
    "tokenizer": {"lower_case": bool},
}


def holds_pretrained_run(folder: Path) -> bool:
    """Whether a folder is a run that learned a language model and nothing else."""
    path = folder / _MANIFEST
    if not path.is_file():
        return False
    content = read_yaml(path)
    tasks = content.get("tasks") if isinstance(content, dict) else None
    return isinstance(tasks, dict) and bool(tasks) and all(
        isinstance(task, dict) and task.get("kind") == KIND for task in tasks.values()
    )


def read_pretrained_run(folder: Path, seed: int) -> LoadedEncoder:
    """Loads a run's encoder, and its language model beside it.

    Args:
        folder: for which `holds_pretrained_run` is true.
        seed: plays no part; all weights are there.

    Raises:
        UserError: the run is not finished, or damaged.
    """
    path = folder / _MANIFEST
    manifest = read_yaml(path)
    check_form(manifest, _FORM, str(path))
    if manifest["status"] != "complete":
        raise UserError(
            f"{folder}: this run is not finished; go on with python -m tfglue.pretrain --output "
            f"{folder} --resume"
        )
    try:
        with undrawn():
            encoder = BertEncoder(**manifest["encoder"]["config"])
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: encoder: config: {error}; restore the file") from None
    weights = folder / "encoder.safetensors"
    tensors, _ = read_tensors(weights)
    names = {name: name for name in encoder.named_weights()}
    missing = [name for name in names if name not in tensors]
    if missing:
        raise UserError(f"{weights}: {len(missing)} tensors missing {missing[:3]}; restore it")
    report = assign_weights(encoder, str(weights), names, tensors, tensors.__getitem__, seed)
    vocabulary = folder / "tokenizer" / "vocab.txt"
    read = partial(BertTokenizer.from_file, vocabulary)
    found = language_model_of_run(folder, manifest)
    return LoadedEncoder(encoder, report, f"run {folder}", read, found)


def language_model_of_run(weights: Path, manifest: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Weights of the language model that a run learned, by itself or beside its tasks; or nothing.

    Args:
        weights: folder of the run's weights, or of those of an epoch.
        manifest: content of ``run.yaml``.
    """
    alone = [name for name, task in manifest["tasks"].items() if task["kind"] == KIND]
    files = [weights / "heads" / f"{name}.safetensors" for name in alone]
    for path in (weights / LANGUAGE_MODEL_FILE, *files):
        if path.is_file():
            return read_tensors(path)[0]
    return {}
