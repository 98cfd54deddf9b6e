"""Answers that are one class or one score for each example."""

from abc import abstractmethod
from functools import cached_property

import numpy as np
from scipy.special import softmax

from tfglue.metrics import compute
from tfglue.predictions.predictions import Predictions, nine_digits, tab_separated


class RowPredictions(Predictions):
    """Answers for rows of text, as a table ``<split>.tsv``."""

    @property
    @abstractmethod
    def values(self) -> np.ndarray:
        """What metrics compare with labels, (rows,)."""

    def metrics(self):
        """The task's metrics of `values` against the labels."""
        return compute(self.task.metrics, self.examples.labels, self.values)

    def text(self):
        """The records as tab-separated text with a header."""
        return tab_separated(self.records())

    def files(self):
        """``<split>.tsv``."""
        return {".tsv": self.text()}


class ClassPredictions(RowPredictions):
    """The most probable of several classes."""

    @cached_property
    def probabilities(self) -> np.ndarray:
        """float64 (rows, classes)."""
        return softmax(self.outputs.logits.astype(np.float64), axis=-1)

    @cached_property
    def values(self):
        """Class ids."""
        return np.argmax(self.outputs.logits, axis=-1)

    def records(self):
        """``id``, ``label``, and ``probability_<label>`` of every label."""
        columns = [f"probability_{label}" for label in self.task.labels]
        return [
            {"id": row_id, "label": self.task.labels[value]}
            | dict(zip(columns, nine_digits(row), strict=True))
            for row_id, value, row in zip(
                self.examples.ids, self.values, self.probabilities, strict=True
            )
        ]


class ScorePredictions(RowPredictions):
    """One score, within the task's range."""

    @cached_property
    def values(self):
        """Scores, clipped to the task's range."""
        scores = self.outputs.logits[:, 0].astype(np.float64)
        return np.clip(scores, *self.task.score_range) if self.task.score_range else scores

    def records(self):
        """``id``, and ``label`` and ``score``, which are the same."""
        return [
            {"id": row_id, "label": score, "score": score}
            for row_id, score in zip(self.examples.ids, nine_digits(self.values), strict=True)
        ]
