"""Whether a passage holds the answer to a question."""

from dataclasses import replace

import numpy as np
from sklearn.metrics import roc_curve

from tfglue.data.span_features import CLS_POSITION
from tfglue.errors import UserError
from tfglue.kinds.classify import Classify
from tfglue.kinds.span import NULL_THRESHOLD, QuestionKind
from tfglue.predictions.answerable import ANSWERABLE, UNANSWERABLE, AnswerablePredictions
from tfglue.setting_values import has_negatives, null_threshold


class Answerable(QuestionKind, Classify):
    """Two classes for every window, by the pooled output; see `AnswerablePredictions`."""

    def encode(self, task, examples, tokenizer, config, training=False):
        """Windows labelled by whether they show the whole answer."""
        if not has_negatives(task, config):
            raise UserError(f"task {task.name}: with --negatives false nothing is unanswerable")
        features = super().encode(task, examples, tokenizer, config, training)
        if features.labels is None:
            return features
        absent = features.labels[:, 0] == CLS_POSITION
        return replace(
            features, labels=np.where(absent, UNANSWERABLE, ANSWERABLE).astype(np.int32)
        )

    def predictions(self, task, examples, features, outputs, config, calibration):
        """How sure the model is that each question is answerable."""
        return AnswerablePredictions(
            task, examples, features, outputs, self.threshold(task, config, calibration)
        )

    def threshold(self, task, config, calibration):
        """On the log-odds of being unanswerable."""
        return calibration.get(NULL_THRESHOLD, null_threshold(config) or 0.0)

    def calibrate(self, predictions):
        """The threshold at which both classes are found best, each weighing the same.

        Where it is tuned, far fewer questions may be unanswerable than elsewhere.
        """
        unanswerable = ~predictions.examples.answerable
        if unanswerable.all() or not unanswerable.any():
            return {NULL_THRESHOLD: 0.0}
        wrong, right, borders = roc_curve(
            unanswerable, predictions.null_differences, drop_intermediate=False
        )
        best = int(np.argmax(right[1:] - wrong[1:])) + 1  # The first border is infinite.
        below = predictions.null_differences[predictions.null_differences < borders[best]]
        return {NULL_THRESHOLD: float((borders[best] + below.max(initial=borders[best] - 2)) / 2)}

    def floor(self, task, examples):
        """The share of unanswerable questions: the average precision of a guess."""
        return float(1 - examples.answerable.mean())
