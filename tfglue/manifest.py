"""What `run.yaml` says of a run: settings, data, encoder, versions, so that it can be repeated."""

import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfglue.budget import Budget
from tfglue.config import OF_EACH_TASK, OF_ONE_COMMAND, TrainConfig, trainer_of
from tfglue.data.batch_plan import PLAN_VERSIONS, TOKENS_PLAN
from tfglue.errors import UserError
from tfglue.language_models import begin_language_model, language_model_digest
from tfglue.models.loaded_encoder import weights_digest
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel
from tfglue.preparation import Prepared
from tfglue.run_folder import RunFolder
from tfglue.tasks.serialization import task_to_dict

_PACKAGES = ("tfglue", "tensorflow", "keras", "tensorflow-text", "numpy")


def build_manifest(
    prepared: Prepared, model: TransferModel, total_updates: int, output: str
) -> dict[str, Any]:
    """Content of ``run.yaml`` of a run that has not been trained yet."""
    config, loaded = prepared.config, prepared.loaded
    return {
        "status": "training",
        "command": command(prepared.given, output),
        "tasks": _tasks(prepared),
        "config": config.to_dict(),
        "task_settings": _task_settings(prepared),
        "encoder": {
            "name": config.encoder,
            "source": loaded.source,
            "report": str(loaded.report),
            "digest": prepared.encoder_digest,
            "config": dict(prepared.encoder_config),
        },
        "tokenizer": {
            "lower_case": prepared.tokenizer.lower_case,
            "digest": prepared.tokenizer.digest(),
        },
        "data": _data(prepared),
        "teaching": dict(prepared.teaching),
        "language_model": language_model_digest(model),
        "plan": plan_version(config),
        "replicas": tf.distribute.get_strategy().num_replicas_in_sync,
        "total_updates": total_updates,
        "parameters": Budget.of(model).to_dict(),
        "parents": prepared.initial.lineage() if prepared.initial else [],
        "versions": versions(),
        "machine": machine(),
    }


# They name a place or a way to compute, and leave the result as it is; digests speak for places.
_NOT_OF_THE_RESULT = (
    "data", "train_file", "dev_file", "test_file", "encoder", "init", "recipe", "eval_batch_size",
    "checkpoint_seconds", "teachers", "text",
)


def find_equal_run(prepared: Prepared, folders: Sequence[Path]) -> Path | None:
    """The first folder with a finished run of the same settings, data, encoder and vocabulary."""
    wanted = identity_of(prepared) if folders else {}
    for folder in folders:
        try:
            found = identity(RunFolder(folder).finished_manifest())
        except (UserError, LookupError, AttributeError, TypeError):
            continue  # No run, not finished, or damaged: nothing to take.
        if found == wanted and (folder / "encoder.safetensors").is_file():
            return folder
    return None


def identity_of(prepared: Prepared) -> dict[str, Any]:
    """`identity` of the run that would be made of what was prepared."""
    return identity(
        {
            "config": prepared.config.to_dict(),
            "tasks": _tasks(prepared),
            "task_settings": _task_settings(prepared),
            "encoder": {
                "digest": prepared.encoder_digest, "config": dict(prepared.encoder_config),
            },
            "plan": plan_version(prepared.config),
            "tokenizer": {"digest": prepared.tokenizer.digest()},
            "data": _data(prepared),
            "teaching": dict(prepared.teaching),
            "language_model": _language_model(prepared),
        }
    )


def plan_version(config: TrainConfig) -> str:
    """Which generator of batches a run has."""
    return PLAN_VERSIONS[config.batching] if config.batch_tokens is None else TOKENS_PLAN


def _tasks(prepared: Prepared) -> dict[str, Any]:
    return {name: task_to_dict(one.task) for name, one in prepared.tasks.items()}


def _task_settings(prepared: Prepared) -> dict[str, Any]:
    """The settings that tasks have each for itself."""
    return {
        name: {setting: getattr(one.config, setting) for setting in OF_EACH_TASK}
        for name, one in prepared.tasks.items()
    }


def _language_model(prepared: Prepared) -> str:
    """Digest of what a language model beside the tasks would begin as; empty for none."""
    if not prepared.config.mlm_weight:
        return ""
    head = MaskedHead.of(prepared.loaded.encoder)
    begin_language_model(head, prepared.loaded, prepared.config.seed)
    return weights_digest(head.named_weights())


def _data(prepared: Prepared) -> dict[str, Any]:
    return {name: one.data_facts() for name, one in prepared.tasks.items()}


def identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result of a run, from its ``run.yaml``.

    Tasks that were added to it later have no share in it.
    """
    added = manifest.get("added", {})
    return {
        "merged": manifest.get("merged"),
        "config": {n: v for n, v in manifest["config"].items() if n not in _NOT_OF_THE_RESULT},
        "task_settings": {
            name: own for name, own in manifest["task_settings"].items() if name not in added
        },
        "labels": {
            name: task.get("labels")
            for name, task in manifest["tasks"].items() if name not in added
        },
        "encoder": manifest["encoder"]["digest"],
        "encoder_config": manifest["encoder"]["config"],
        "plan": manifest["plan"],
        "teaching": manifest.get("teaching", {}),
        "language_model": manifest.get("language_model", ""),
        "tokenizer": manifest["tokenizer"]["digest"],
        "data": {
            task: {split: facts["digest"] for split, facts in splits.items()}
            for task, splits in manifest["data"].items() if task not in added
        },
    }


def versions() -> dict[str, str]:
    """Versions that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The kind of machine; bit-equal repetition needs the same."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone knows which cpus are ours.
    return {
        "processor": platform.machine(),
        "cpus": len(affinity(0)) if affinity else os.cpu_count(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
    }


def command(given: Mapping[str, Any], output: str, module: str | None = None) -> str:
    """The command that repeats the run, with the flags that were given.

    Args:
        given: flag -> value, or a list of the values of a flag that is given several times.
        output: folder.
        module: of the command; None for that which makes a single run.
    """
    words = ["python", "-m", module or trainer_of(given)]
    for name, found in given.items():
        for value in found if isinstance(found, list) else [found]:
            if name not in OF_ONE_COMMAND and value is not None and value is not False:
                words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join([*words, "--output", output])
