"""A score for a text or a pair."""

from keras import ops

from tfglue.kinds.kind import SCORE, Kind
from tfglue.predictions.rows import ScorePredictions


class Regress(Kind):
    """Squared error on the scores' own scale (STS-B: 0 to 5); answers stay within the range."""

    answers = SCORE

    def num_outputs(self, task):
        """One, the score."""
        return 1

    def losses(self, batch, logits):
        """Squared error.

        Args:
            batch: labels are scores, float32 (batch,).
            logits: (batch, 1).
        """
        return ops.square(ops.cast(logits, "float32")[:, 0] - ops.cast(batch["labels"], "float32"))

    def predictions(self, task, examples, features, outputs, config, calibration):
        """A score for each row."""
        return ScorePredictions(task, examples, features, outputs)

    def floor(self, task, examples):
        """A correlation of 0.1, below which Phang et al. count a run as failed."""
        return 0.1
