"""The core of multi-head attention, between the projections around it."""

import math
from collections.abc import Callable

from keras import ops


def attend(
    query, key, value, attention_mask, num_heads: int, softmax_dtype: str, drop_out: Callable
):
    """Scaled dot-product attention in several heads (Vaswani et al. 2017, 3.2).

    Args:
        query: (batch, asking, dim), projected; one row for every token that asks.
        key, value: (batch, time, dim), projected.
        attention_mask: (batch, 1, 1, time), added to the scores: 0 for tokens that may be attended
            to, a large negative number for the others.
        num_heads: divides dim.
        softmax_dtype: what the softmax computes in; products are in the dtype of `query`.
        drop_out: applied to the probabilities.

    Returns:
        (batch, asking, dim), the heads side by side.
    """
    # Scaling queries instead of scores is the same product with fewer numbers to scale.
    query = query * (1 / math.sqrt(query.shape[-1] // num_heads))
    query = _split_heads(query, num_heads, (0, 2, 1, 3))
    key = _split_heads(key, num_heads, (0, 2, 3, 1))
    value = _split_heads(value, num_heads, (0, 2, 1, 3))
    scores = ops.matmul(query, key) + attention_mask
    probabilities = drop_out(ops.softmax(ops.cast(scores, softmax_dtype), axis=-1))
    return _merge_heads(ops.matmul(ops.cast(probabilities, query.dtype), value))


def _split_heads(x, num_heads: int, axes: tuple[int, ...]):
    """(batch, time, dim) to (batch, time, heads, head_dim), its axes then permuted."""
    batch, time, dim = ops.shape(x)
    return ops.transpose(ops.reshape(x, (batch, time, num_heads, dim // num_heads)), axes)


def _merge_heads(x):
    """(batch, heads, time, head_dim) to (batch, time, dim)."""
    batch, num_heads, time, head_dim = ops.shape(x)
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (batch, time, num_heads * head_dim))
