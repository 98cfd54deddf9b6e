"""Sums of gradients over the forward passes of one update."""

from collections.abc import Sequence

import tensorflow as tf


class GradientAccumulator:
    """Float32 sums, one for every trained weight; kept outside the optimizer.

    Made in the scope of a strategy, every replica has sums of its own.

    Keras's own ``gradient_accumulation_steps`` averages means, which weighs a short last batch
    wrongly, and carries half a window into the next epoch.
    """

    def __init__(self, weights: Sequence[tf.Variable]):
        self._sums = {
            weight.ref(): tf.Variable(
                tf.zeros(weight.shape),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
            for weight in weights
        }

    def add(self, weights: Sequence[tf.Variable], gradients: Sequence[tf.Tensor]) -> None:
        """Adds the gradients of `weights`."""
        for weight, gradient in zip(weights, gradients, strict=True):
            self._sums[weight.ref()].assign_add(gradient)

    def take(self, weights: Sequence[tf.Variable]) -> list[tf.Tensor]:
        """Returns the sums of `weights` and sets them to zero."""
        sums = [self._sums[weight.ref()] for weight in weights]
        values = [tf.identity(total) for total in sums]
        with tf.control_dependencies(values):
            for total in sums:
                total.assign(tf.zeros_like(total))
        return values
