"""Updates of all weights in one program of XLA."""

from collections.abc import Callable, Sequence
from functools import cache

import keras
import tensorflow as tf

from tfglue.training.optimizer import RuleOptimizer
from tfglue.training.update_rules import UpdateRule


class CompiledUpdate:
    """One update of some weights by an optimizer, for one device.

    XLA fuses the dozen element-wise passes of an update; the model itself gains nothing. What XLA
    compiles TensorFlow keeps as long as the process lives, so programs are made for a rule and for
    shapes, not for an optimizer: tasks and runs of one process that are alike share one. They take
    weights and slots as arguments and remember none.

    Args:
        optimizer: built on more weights or on these.
        weights: that are updated.
    """

    def __init__(self, optimizer: RuleOptimizer, weights: Sequence[keras.Variable]):
        self.optimizer = optimizer
        self.weights = list(weights)

    def __call__(self, gradients: Sequence[tf.Tensor], scale: tf.Tensor) -> None:
        """Updates every weight by its gradient times `scale`, and counts the update."""
        optimizer = self.optimizer
        decay = float(optimizer.weight_decay or 0)
        program = _program(
            optimizer.rule, tuple(decay * optimizer.decays(weight) for weight in self.weights)
        )
        program(
            [weight.value for weight in self.weights],
            [[slot.value for slot in optimizer.slots_of(weight)] for weight in self.weights],
            list(gradients), scale,
            tf.cast(optimizer.learning_rate, tf.float32),
            tf.cast(optimizer.iterations + 1, tf.float32),
        )
        optimizer.iterations.assign_add(1)


@cache
def _program(rule: UpdateRule, decays: tuple[float, ...]) -> Callable[..., None]:
    """An update by a rule of weights that decay so much, given them and all it takes."""

    def update(weights, slots, gradients, scale, rate, step):
        for weight, own, gradient, decay in zip(weights, slots, gradients, decays, strict=True):
            change, values = rule(scale * gradient, own, rate, step)
            for slot, value in zip(own, values, strict=True):
                slot.assign(value)
            if decay:
                change += decay * rate * weight
            weight.assign_sub(change)

    return tf.function(update, jit_compile=True, autograph=False)
