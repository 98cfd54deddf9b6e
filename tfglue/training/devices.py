"""Where training computes: the `--strategy` setting."""

import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfglue.errors import UserError
from tfglue.registry import Registry

STRATEGIES: Registry[Callable[[], tf.distribute.Strategy]] = Registry("strategy")

_EXAMPLE = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'


def open_strategy(name: str) -> tf.distribute.Strategy:
    """The named strategy; model, optimizer and everything that computes are made in its scope.

    Batches are those of one device, and so are updates, up to rounding: replica i of n takes rows
    i, i + n, ... of each.

    Args:
        name: ``none``, one device; ``mirrored``, all GPUs of this machine, or all logical devices
            of its processor; ``multi_worker``, the workers that the environment variable TF_CONFIG
            lists; ``tpu``, the TPU that TPU_NAME names, or the one of this machine. The last has
            never run on a TPU: only its padding is tested.

    Raises:
        UserError: for an unknown name, a TF_CONFIG that is no cluster, or no TPU.
    """
    return STRATEGIES.get(name)()


def worker_index() -> int:
    """Which worker of TF_CONFIG's cluster this process is; worker 0 writes the run.

    Raises:
        UserError: TF_CONFIG is not set, or not a cluster of workers with this one among them.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config: dict[str, Any] = json.loads(text)
        workers, index = config["cluster"]["worker"], config["task"]["index"]
        if list(config["cluster"]) == ["worker"] and 0 <= index < len(workers):
            return index
    except (ValueError, KeyError, TypeError):
        pass
    found = f"not a cluster of workers ({text})" if text else "not set"
    raise UserError(
        f"--strategy multi_worker: the environment variable TF_CONFIG is {found}; set it on every "
        f"worker, such as {_EXAMPLE}"
    )


def needs_fixed_shapes(strategy: tf.distribute.Strategy) -> bool:
    """Whether every size of a batch costs a compilation."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def describe(strategy: tf.distribute.Strategy) -> str:
    """One line for people: how many replicas, on what."""
    name = type(strategy).__name__
    count = strategy.num_replicas_in_sync
    devices = ", ".join(strategy.extended.worker_devices)
    untested = "; untested on TPUs" if needs_fixed_shapes(strategy) else ""
    return f"{name}, {count} replica{'' if count == 1 else 's'} ({devices} here){untested}"


def _mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _multi_worker() -> tf.distribute.Strategy:
    worker_index()  # A mistake in TF_CONFIG is better explained here.
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"--strategy multi_worker: {str(error).splitlines()[0]}") from None


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu=os.environ.get("TPU_NAME", "")
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, OSError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--strategy tpu: no TPU found ({reason}); set TPU_NAME") from None
    return tf.distribute.TPUStrategy(resolver)


STRATEGIES.add("none", tf.distribute.get_strategy)
STRATEGIES.add("mirrored", _mirrored)
STRATEGIES.add("multi_worker", _multi_worker)
STRATEGIES.add("tpu", _tpu)
