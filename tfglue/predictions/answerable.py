"""Whether a passage answers a question: windows say so one by one, questions by all of theirs."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

from tfglue.data.questions import Questions
from tfglue.data.span_features import SpanFeatures
from tfglue.metrics.classification import accuracy, average_precision
from tfglue.predictions.rows import ClassPredictions

ANSWERABLE, UNANSWERABLE = 0, 1


@dataclass(frozen=True)
class AnswerablePredictions(ClassPredictions):
    """A question is answerable as far as the window is that looks most like it.

    BERTVision calls a question unanswerable as soon as one window is, which makes long passages
    unanswerable; here all windows have to be.

    Args:
        examples: `Questions`.
        features: `SpanFeatures`.
        outputs: logits (rows, 2).
        threshold: how far the log-odds must speak for unanswerable; 0 takes the likelier class.
    """

    examples: Questions
    features: SpanFeatures
    threshold: float = 0.0

    @cached_property
    def null_differences(self):
        """Log-odds of being unanswerable, by the window most like an answer, (questions,)."""
        logits = self.outputs.logits.astype(np.float64)
        of_windows = logits[:, UNANSWERABLE] - logits[:, ANSWERABLE]
        return np.minimum.reduceat(of_windows, self.features.question_splits[:-1])

    @cached_property
    def probabilities(self):
        """float64 (questions, 2): of being answerable, and of being unanswerable."""
        return np.stack([expit(-self.null_differences), expit(self.null_differences)], axis=1)

    @cached_property
    def values(self):
        """Class ids, (questions,)."""
        return np.where(self.null_differences > self.threshold, UNANSWERABLE, ANSWERABLE)

    def combined(self, others, mode):
        """The classes' probabilities combined, window by window; the mean of the thresholds."""
        threshold = float(np.mean([one.threshold for one in (self, *others)]))
        return replace(super().combined(others, mode), threshold=threshold)

    @property
    def gold(self):
        """Class ids, (questions,)."""
        return np.where(self.examples.answerable, ANSWERABLE, UNANSWERABLE)

    def metrics(self):
        """``average_precision`` of finding what is unanswerable, and ``accuracy``."""
        return {
            "average_precision": average_precision(self.gold, self.probabilities[:, UNANSWERABLE]),
            "accuracy": accuracy(self.gold, self.values),
        }
