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


def global_norm(gradients: Sequence[tf.Tensor]) -> tf.Tensor:
    """Euclidean norm of all gradients (dense ones) taken together."""
    return tf.sqrt(2 * tf.add_n([tf.nn.l2_loss(gradient) for gradient in gradients]))


def clipping_scale(norm: tf.Tensor, limit: float) -> tf.Tensor:
    """What gradients of this global norm are multiplied by: min(1, limit / norm); 0 is no limit."""
    return tf.ones([]) if limit == 0 else limit / tf.maximum(norm, limit)
