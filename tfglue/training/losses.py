"""Losses by task kind, one value per example, in float32."""

from collections.abc import Callable

from keras import ops

from tfglue.registry import Registry

LOSSES: Registry[Callable] = Registry("loss")


def cross_entropy(labels, logits):
    """Cross-entropy of class ids.

    Args:
        labels: int32 (batch,).
        logits: (batch, classes).

    Returns:
        float32 (batch,), in nats.
    """
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    chosen = ops.take_along_axis(log_probabilities, ops.cast(labels, "int32")[:, None], axis=-1)
    return -chosen[:, 0]


def squared_error(labels, logits):
    """Squared error of scores on their own scale (STS-B: 0 to 5).

    Args:
        labels: float32 (batch,).
        logits: (batch, 1).

    Returns:
        float32 (batch,).
    """
    return ops.square(ops.cast(logits, "float32")[:, 0] - ops.cast(labels, "float32"))


LOSSES.add("classify", cross_entropy)
LOSSES.add("regress", squared_error)
