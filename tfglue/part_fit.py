"""Whether a task's part belongs to a run: its name, its encoder, its adapter, its weights."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import keras

from tfglue import tasks
from tfglue.adapters import EncoderShape, read_adapter
from tfglue.errors import UserError
from tfglue.files import digest_tensor_file
from tfglue.kinds import KINDS
from tfglue.models.head_config import read_head
from tfglue.run_folder import RunFolder, fill_weights
from tfglue.task_part import TaskPart
from tfglue.tasks.task import Task

_SHOWN_DIGITS = 12
# `--dropout` sets them for one training; what an encoder answers does not depend on them.
_OF_TRAINING = ("dropout", "attention_dropout")
# Kinds whose declared labels hold for everyone; tags may be the user's own list (--labels).
_FIXED_LABELS = ("classify", "answerable", "rank")


def check_fit(part: TaskPart, folder: RunFolder, manifest: Mapping[str, Any], where: str) -> None:
    """Raises UserError unless the run can answer by the part as it is.

    Args:
        part: what is to be added.
        folder: the run.
        manifest: its ``run.yaml``.
        where: what the part comes from, for messages.
    """
    check_free_name(part.task.name, folder, manifest)
    if part.task.kind not in KINDS:
        raise UserError(f"{where}: its task is of a kind '{part.task.kind}', which is not known")
    check_declared(part.task, where)
    _check_encoder(part, folder, manifest, where)
    if part.tokenizer != manifest["tokenizer"]["digest"]:
        raise UserError(
            f"{where}: was trained with another vocabulary than that of {folder.path}; "
            "answers would be of other tokens"
        )
    own = manifest["config"].get("adapter") or "none"
    if part.adapter != own:
        raise UserError(
            f"{where}: its adapter is {part.adapter}, those of {folder.path} are {own}; train it "
            f"with python -m tfglue.parts add --run {folder.path} --task {part.task.name}"
        )
    limit = manifest["encoder"]["config"]["max_sequence_length"]
    if (part.settings.get("max_length") or 0) > limit:
        raise UserError(f"{where}: max_length {part.settings['max_length']} is above {limit}")
    for kind, layer in _layers(part, EncoderShape(**_shape(manifest))).items():
        fill_weights(layer.named_weights(), part.weights(kind), f"{where}: {kind}")
    unknown = [key for key in part.tensors if not key.startswith(("adapters.", "heads."))]
    if unknown or (own == "none" and part.weights("adapters")):
        raise UserError(f"{where}: holds tensors of nothing that the task has; export it again")


def check_free_name(name: str, folder: RunFolder, manifest: Mapping[str, Any]) -> None:
    """Raises UserError if the run has a task of this name."""
    # Not all file systems know capitals from small letters.
    if name.lower() in map(str.lower, manifest["tasks"]):
        raise UserError(
            f"{folder.path}: has a task '{name}' already; give the new one another name with "
            f"--as NAME, or first python -m tfglue.parts remove --run {folder.path} --task {name}"
        )


def check_declared(task: Task, where: str, flag: str = "--as") -> None:
    """Raises UserError for a task of the user's own under the name of a built-in one.

    Args:
        task: what is to be added.
        where: what it comes from, for the message.
        flag: gives it another name.
    """
    declared = tasks.find(task.name)
    if declared is None:
        return
    same = declared.name == task.name and declared.kind == task.kind
    same = same and declared.text_fields == task.text_fields
    if same and task.kind in _FIXED_LABELS:
        same = declared.labels == task.labels
    if not same:
        raise UserError(
            f"{where}: its task '{task.name}' is not the built-in one of this name "
            f"({declared.kind}: {', '.join(declared.labels) or ', '.join(declared.text_fields)}); "
            f"give it another name with {flag} NAME"
        )


def _check_encoder(
    part: TaskPart, folder: RunFolder, manifest: Mapping[str, Any], where: str
) -> None:
    theirs, ours = part.encoder["config"], manifest["encoder"]["config"]
    for name in sorted({*theirs, *ours} - set(_OF_TRAINING)):
        if theirs.get(name) != ours.get(name):
            raise UserError(
                f"{where}: made for an encoder with {name} {theirs.get(name)}; that of "
                f"{folder.path} has {ours.get(name)}"
            )
    digest = digest_tensor_file(folder.encoder)
    if part.encoder["digest"] != digest:
        raise UserError(
            f"{where}: belongs to an encoder with other weights (digest "
            f"{part.encoder['digest'][:_SHOWN_DIGITS]}, that of {folder.path} has "
            f"{digest[:_SHOWN_DIGITS]}); train the task on this one: python -m tfglue.parts add "
            f"--run {folder.path} --task {part.task.name}"
        )


def _shape(manifest: Mapping[str, Any]) -> dict[str, Any]:
    config = manifest["encoder"]["config"]
    return {item.name: config[item.name] for item in fields(EncoderShape) if item.name in config}


def _layers(part: TaskPart, shape: EncoderShape) -> dict[str, keras.layers.Layer]:
    """What the part's tensors are weights of."""
    config, head = read_adapter(part.adapter), read_head(part.settings.get("head") or "linear")
    adapters = {} if config is None else {"adapters": config.build(shape)}
    return adapters | {"heads": KINDS.get(part.task.kind).head(part.task, shape, head)}
