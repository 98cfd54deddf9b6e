"""One of several classes for a text or a pair."""

import numpy as np
from keras import ops
from scipy.special import softmax

from tfglue.kinds.kind import Kind, nine_digits
from tfglue.metrics import compute
from tfglue.models.heads import PooledHead


class Classify(Kind):
    """Cross-entropy over the task's labels; the most probable one is the answer."""

    def head(self, task, encoder):
        """One output for every label."""
        return PooledHead(len(task.labels), encoder.hidden_dim, encoder.dropout)

    def losses(self, labels, logits):
        """Cross-entropy in nats.

        Args:
            labels: int32 (batch,), class ids.
            logits: (batch, classes).
        """
        log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        labels = ops.cast(labels, "int32")[:, None]
        return -ops.take_along_axis(log_probabilities, labels, axis=-1)[:, 0]

    def values(self, task, logits):
        """Class ids."""
        return np.argmax(logits, axis=-1)

    def floor(self, task, labels):
        """The score of always answering the most frequent label."""
        majority = np.full_like(labels, np.bincount(labels).argmax())
        return compute(task.metrics[:1], labels, majority)[task.main_metric]

    def records(self, task, values, logits):
        """``label``, and ``probability_<label>`` of every label."""
        columns = [f"probability_{label}" for label in task.labels]
        probabilities = softmax(logits.astype(np.float64), axis=-1)
        return [
            {"label": task.labels[value]} | dict(zip(columns, nine_digits(row), strict=True))
            for value, row in zip(values, probabilities, strict=True)
        ]
