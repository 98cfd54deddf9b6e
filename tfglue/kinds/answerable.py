"""Whether a passage holds the answer to a question."""

from dataclasses import replace

import numpy as np

from tfglue.data.span_features import CLS_POSITION
from tfglue.errors import UserError
from tfglue.kinds.classify import Classify
from tfglue.kinds.span import QuestionKind, has_negatives
from tfglue.predictions.answerable import ANSWERABLE, UNANSWERABLE, AnswerablePredictions


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
        return AnswerablePredictions(task, examples, features, outputs)

    def floor(self, task, examples):
        """The share of unanswerable questions: the average precision of a guess."""
        return float(1 - examples.answerable.mean())
