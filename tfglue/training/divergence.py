"""How far two answers of a model are apart, row by row."""

from collections.abc import Callable

from keras import ops

from tfglue.registry import Registry

DIVERGENCES: Registry[Callable] = Registry("divergence")
"""Of two distributions by their logits, float32 (rows, outcomes) each; nats, float32 (rows,)."""


def kl(logits, others):
    """KL(softmax of `logits` || softmax of `others`)."""
    first, second = ops.log_softmax(logits, axis=-1), ops.log_softmax(others, axis=-1)
    return ops.sum(ops.exp(first) * (first - second), axis=-1)


def symmetric_kl(logits, others):
    """KL(p || q) + KL(q || p) (Jiang et al. 2020, SMART, 2.1).

    Both sides have a gradient, as in the paper; MT-DNN's code holds the first distribution of each
    part fixed, which makes about half of it. Written as one sum none of whose parts is negative,
    which keeps digits where p is all but q.
    """
    first, second = ops.log_softmax(logits, axis=-1), ops.log_softmax(others, axis=-1)
    return ops.sum((ops.exp(first) - ops.exp(second)) * (first - second), axis=-1)


def jensen_shannon(logits, others):
    """(KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, log 2 at most.

    MT-DNN's code holds m fixed and leaves out the half, which makes half of the gradient.
    """
    first, second = ops.log_softmax(logits, axis=-1), ops.log_softmax(others, axis=-1)
    mean = ops.logaddexp(first, second) - ops.log(2.0)
    parts = ops.exp(first) * (first - mean) + ops.exp(second) * (second - mean)
    return ops.sum(parts, axis=-1) / 2


def squared_error(logits, others):
    """Squared difference of scores (rows, 1)."""
    return ops.square(logits - others)[:, 0]


DIVERGENCES.add("symmetric_kl", symmetric_kl)
DIVERGENCES.add("kl", kl)
DIVERGENCES.add("jensen_shannon", jensen_shannon)
