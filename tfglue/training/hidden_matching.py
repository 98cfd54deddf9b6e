"""Learning a teacher's hidden states, beside its answers."""

from collections.abc import Collection

import tensorflow as tf

from tfglue.training.loss_term import LossTerm

TEACHER_STATES = "teacher_states"
"""In a batch: the teacher's states of ``[CLS]``, float32 (batch, student's layers, hidden_dim)."""


def matched_layers(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Which of the teacher's layers, from 1, each of the student's is matched with.

    Evenly spread, the last with the last: layers 1 and 2 of two with 3 and 6 of six.
    """
    return tuple(
        max(1, layer * teacher_layers // student_layers)
        for layer in range(1, student_layers + 1)
    )


class HiddenMatching(LossTerm):
    """Distance between the first token's hidden states (Sun et al. 2019, equation 7).

    Weight times the mean over layers of ||s / ||s|| - t / ||t|| ||^2, s and t being the states of a
    student's layer and of the teacher's that it is matched with. They leave the last layer out,
    since the answers teach it; here it is in.

    Args:
        weight: what it is multiplied by.
        tasks: names of the tasks whose batches have `TEACHER_STATES`.
    """

    name = "hidden"
    reads_states = True

    def __init__(self, weight: float, tasks: Collection[str]):
        self.weight = weight
        self.tasks = frozenset(tasks)

    def applies(self, task):
        """Whether the task has a teacher."""
        return task in self.tasks

    def __call__(self, forward):
        """The weighted distance of every row."""
        own = tf.math.l2_normalize(tf.cast(forward.states[:, 1:], tf.float32), axis=-1)
        others = tf.math.l2_normalize(forward.batch[TEACHER_STATES], axis=-1)
        distances = tf.reduce_sum(tf.math.squared_difference(own, others), axis=-1)
        return self.weight * tf.reduce_mean(distances, axis=-1)
