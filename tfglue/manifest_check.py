"""What ``run.yaml`` must hold to be read; damage is said before anything is made of it."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.flags import checked
from tfglue.form import check_form
from tfglue.tasks.serialization import task_from_dict

_SIZES = (
    "vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim",
    "max_sequence_length", "num_segments",
)
LINEAGE = [
    {
        "run": str, "epoch": (int, None), "best_of?": str, "tasks": [str],
        "tune_split?": (float, None),
        "scores": {str: {str: float}},
    }
]
"""Form of `RunFolder.lineage`."""

# What readers take for granted; more is written, and what came later is missing in older runs.
_FORM = {
    "status": str,
    "tasks": {str: {str: object}},
    "config": {
        "max_length": int,
        "seed": int,
        **dict.fromkeys(
            ("data", "train_file", "dev_file", "test_file", "text_fields", "label_field"),
            (str, None),
        ),
    },
    "encoder": {
        "name": str,
        "digest": str,
        "config": {
            **dict.fromkeys(_SIZES, int),
            "dropout?": float,
            "attention_dropout?": float,
            "layer_norm_epsilon?": float,
            "activation?": str,
            "initializer_range?": float,
        },
    },
    "tokenizer": {"digest": str, "lower_case": bool},
    "task_settings?": {str: {str: object}},
    "added?": {str: {"source": str, "lineage": LINEAGE}},
    "data": {str: {str: {"origin": str, "rows": int, "digest": str}}},
    "parents": LINEAGE,
}
_FORM_OF_FINISHED = {
    # Of a task that was trained elsewhere and merged here the updates are not known.
    "result": {"updates?": int, "floor?": {str: float}, "calibration?": {str: {str: float}}}
}


def checked_manifest(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The content of ``run.yaml``, its settings in their right types.

    Args:
        content: as read, of a known format.
        path: the file, for messages.

    Raises:
        UserError: naming the file and what is missing in it or is nothing that training writes.
    """
    check_form(content, _FORM, str(path))
    if content["status"] == "complete":
        check_form(content, _FORM_OF_FINISHED, str(path))
    for name in _SIZES:
        size = content["encoder"]["config"][name]
        if size < 1:
            raise UserError(
                f"{path}: encoder: config: {name}: expected at least 1, not {size}; restore the "
                "file"
            )
    _check_tasks(content["tasks"], path)
    # Another version may know settings that this one does not.
    known = {item.name for item in fields(TrainConfig)}
    own = {name: value for name, value in content["config"].items() if name in known}
    config = content["config"] | checked(own, TrainConfig, where=f"{path}: config")
    of_tasks = {
        name: checked(
            {key: value for key, value in settings.items() if key in known}, TrainConfig,
            where=f"{path}: task_settings: {name}",
        )
        for name, settings in content.get("task_settings", {}).items()
    }
    return {**content, "config": config, "task_settings": of_tasks}


def _check_tasks(tasks: Mapping[str, Any], path: Path) -> None:
    if not tasks:
        raise UserError(f"{path}: 'tasks' names no task; restore the file")
    for name, task in tasks.items():
        try:
            called = task_from_dict(task).name
        except UserError as error:
            raise UserError(f"{path}: tasks: {name}: {error}; restore the file") from None
        if called != name:
            raise UserError(f"{path}: tasks: {name}: is called '{called}'; restore the file")
