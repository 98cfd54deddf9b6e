"""Clipping by the true global norm."""

from collections.abc import Sequence

import tensorflow as tf


def dense_gradient(gradient: tf.Tensor | tf.IndexedSlices, like: tf.Variable) -> tf.Tensor:
    """The gradient as one float32 tensor, rows that come twice summed.

    `tf.linalg.global_norm` takes the norm of an embedding's row slices as they are, which is wrong
    as soon as a token occurs twice.
    """
    if gradient is None:
        return tf.zeros(like.shape)
    if isinstance(gradient, tf.IndexedSlices):
        gradient = tf.math.unsorted_segment_sum(
            tf.cast(gradient.values, tf.float32), gradient.indices, like.shape[0]
        )
    return tf.cast(gradient, tf.float32)


def clip_by_global_norm(gradients: Sequence[tf.Tensor], limit: float) -> list[tf.Tensor]:
    """Scales all gradients by min(1, limit / norm) of all of them together; 0 means no clipping."""
    if limit == 0:
        return list(gradients)
    norm = tf.sqrt(tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in gradients]))
    scale = limit / tf.maximum(norm, limit)
    return [gradient * scale for gradient in gradients]
