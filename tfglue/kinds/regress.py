"""A score for a text or a pair."""

import numpy as np
from keras import ops

from tfglue.kinds.kind import Kind, nine_digits
from tfglue.models.heads import PooledHead


class Regress(Kind):
    """Squared error on the scores' own scale (STS-B: 0 to 5); answers stay within the range."""

    def head(self, task, encoder):
        """One output, the score."""
        return PooledHead(1, encoder.hidden_dim, encoder.dropout)

    def losses(self, labels, logits):
        """Squared error.

        Args:
            labels: float32 (batch,).
            logits: (batch, 1).
        """
        return ops.square(ops.cast(logits, "float32")[:, 0] - ops.cast(labels, "float32"))

    def values(self, task, logits):
        """Scores, clipped to the task's range."""
        scores = logits[:, 0].astype(np.float64)
        return np.clip(scores, *task.score_range) if task.score_range else scores

    def floor(self, task, labels):
        """A correlation of 0.1, below which Phang et al. count a run as failed."""
        return 0.1

    def records(self, task, values, logits):
        """``label`` and ``score``, which are the same."""
        return [{"label": score, "score": score} for score in nine_digits(values)]
