"""What `run.yaml` says of a run: settings, data, encoder, versions, so that it can be repeated."""

import math
import os
import platform
import shlex
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import tensorflow as tf

from tfglue.data.batches import PLAN_VERSIONS
from tfglue.models.transfer_model import TransferModel
from tfglue.preparation import Prepared
from tfglue.tasks.serialization import task_to_dict

_PACKAGES = ("tfglue", "tensorflow", "keras", "tensorflow-text", "numpy")


def build_manifest(
    prepared: Prepared, model: TransferModel, total_updates: int, output: str
) -> dict[str, Any]:
    """Content of ``run.yaml`` of a run that has not been trained yet."""
    config, loaded, task = prepared.config, prepared.loaded, prepared.task
    return {
        "status": "training",
        "command": command(prepared.given, output),
        "tasks": {task.name: task_to_dict(task)},
        "config": config.to_dict(),
        "encoder": {
            "name": config.encoder,
            "source": loaded.source,
            "report": str(loaded.report),
            "digest": prepared.encoder_digest,
            "config": encoder_config(model.encoder),
        },
        "tokenizer": {
            "lower_case": prepared.tokenizer.lower_case,
            "digest": prepared.tokenizer.digest(),
        },
        "data": {task.name: prepared.data_facts()},
        "plan": PLAN_VERSIONS[config.batching],
        "total_updates": total_updates,
        "parameters": parameter_counts(model),
        "parents": [],
        "versions": versions(),
        "machine": machine(),
    }


def encoder_config(encoder) -> dict[str, Any]:
    """Arguments that make an encoder of the same shape."""
    config = encoder.get_config()
    return {k: v for k, v in config.items() if k not in ("name", "trainable", "dtype")}


def parameter_counts(model: TransferModel) -> dict[str, int]:
    """Parameters by part, in all, and how many of them are trained."""
    counts = {"embeddings": 0, "layers": 0, "pooler": 0, "heads": 0}
    trained = 0
    for name, weight in model.named_weights().items():
        owner, part = name.split(".")[:2]
        size = math.prod(weight.shape)
        counts["heads" if owner == "heads" else part] += size
        trained += size if weight.trainable else 0
    return {**counts, "total": sum(counts.values()), "trained": trained}


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


def command(given: Mapping[str, Any], output: str) -> str:
    """The command that repeats the run, with the flags that were given."""
    words = ["python", "-m", "tfglue.train"]
    for name, value in given.items():
        if name not in ("output", "resume", "overwrite") and value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, "--output", output])
