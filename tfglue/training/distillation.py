"""Learning from what teachers answered, beside the labels."""

from collections.abc import Collection

import tensorflow as tf

from tfglue.kinds.kind import SCORE
from tfglue.training.divergence import kl, squared_error
from tfglue.training.loss_term import LossTerm

SOFT_TARGETS = "soft_targets"
"""What teachers answered, in a batch: probabilities (batch, classes) or scores (batch, 1)."""

_SMALLEST = 1e-37  # What the logarithm of a probability that was rounded to 0 is taken of.


class Distillation(LossTerm):
    """The distance between a student's answers and its teachers' (Hinton et al. 2015, 2).

    Of classes it is weight * T^2 * KL(q || softmax(z / T)), where q is the teachers' mean
    probability p raised to 1 / T and made to add up to 1: of one teacher that is the softmax of its
    own logits over T. T^2 keeps the gradient's size whatever T is. The divergence differs from
    cross-entropy by what the student cannot change, and is 0 where both answer alike. Liu et al.
    2019 (MT-DNN with distillation) have T = 1 and weight 1. Of scores it is
    weight * (z - score)^2.

    Args:
        weight: what it is multiplied by.
        temperature: T.
        tasks: names of the tasks whose batches have `SOFT_TARGETS`.
    """

    name = "distillation"

    def __init__(self, weight: float, temperature: float, tasks: Collection[str]):
        self.weight = weight
        self.temperature = temperature
        self.tasks = frozenset(tasks)

    def applies(self, task):
        """Whether the task has teachers."""
        return task in self.tasks

    def __call__(self, forward):
        """The weighted distance of every row."""
        targets = forward.batch[SOFT_TARGETS]
        if forward.kind.answers == SCORE:
            return self.weight * squared_error(tf.cast(forward.logits, tf.float32), targets)
        logits = forward.kind.choice_logits(forward.batch, forward.logits)
        softened = tf.math.log(tf.maximum(targets, _SMALLEST)) / self.temperature
        return self.weight * self.temperature**2 * kl(softened, logits / self.temperature)
