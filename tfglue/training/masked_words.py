"""Masked language modelling on a task's own rows, beside the task."""

from collections.abc import Mapping

import tensorflow as tf

from tfglue.kinds.masked import masked_counts
from tfglue.training.loss_term import LossTerm
from tfglue.training.replicas import replica_seed

_SITE = 0x4D_4C  # Folded into the seed, so that its dropout is not that of the task's pass.


class MaskedWords(LossTerm):
    """The cross-entropy of masked tokens (Devlin et al. 2019, 3.1), in a pass of its own.

    The task's head sees the rows as they are, in training as in evaluation: the masked ones go
    through the model a second time, the task's adapter included, and end in `MaskedHead`. A row's
    loss is the mean over its masked tokens. What an update's sum is divided by counts the task's
    losses, of which tagged sentences have several a row; `losses_per_row` makes up for that, so
    that `weight` says the same for every kind.

    Args:
        weight: what it is multiplied by.
        losses_per_row: names of the tasks that have the term -> the task's own losses, per row on
            average.
    """

    name = "mlm"
    own_passes = "masked words"

    def __init__(self, weight: float, losses_per_row: Mapping[str, float]):
        self.weight = weight
        self.losses_per_row = dict(losses_per_row)

    def applies(self, task):
        """Whether the task was named."""
        return task in self.losses_per_row

    def __call__(self, forward):
        """The weighted mean over the masked tokens of every row."""
        own = tf.random.experimental.stateless_fold_in(forward.seed, _SITE)
        losses = forward.masked(replica_seed(own))[:, 0]
        scale = self.weight * self.losses_per_row[forward.task]
        return scale * losses / tf.maximum(masked_counts(forward.batch), 1.0)
