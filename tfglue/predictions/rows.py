"""Answers that are one class or one score for each example."""

from abc import abstractmethod
from dataclasses import replace
from functools import cached_property

import numpy as np
from scipy.special import softmax

from tfglue.metrics import compute
from tfglue.predictions.combination import check_mode, combined_classes
from tfglue.predictions.predictions import Outputs, Predictions, nine_digits, tab_separated


class RowPredictions(Predictions):
    """Answers for rows of text, as a table ``<split>.tsv``."""

    @property
    @abstractmethod
    def values(self) -> np.ndarray:
        """What metrics compare with labels, (rows,)."""

    @property
    def gold(self) -> np.ndarray:
        """What `values` would have to be, (examples,)."""
        return self.examples.labels

    def metrics(self):
        """The task's metrics of `values` against the labels."""
        return compute(self.task.metrics, self.gold, self.values)

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

    def combined(self, others, mode):
        """The classes' probabilities combined, row by row."""
        logits = combined_classes([one.outputs.logits for one in (self, *others)], mode)
        return replace(self, outputs=Outputs(logits, None))

    @property
    def answer_texts(self):
        """The labels of `values`."""
        return [self.task.labels[value] for value in self.values]

    @property
    def gold_texts(self):
        """The labels of `gold`."""
        return [self.task.labels[value] for value in self.gold]

    @property
    def right(self):
        """bool (examples,): whether the label is the gold one."""
        return self.values == self.gold

    def second_scores(self):
        """``accuracy`` of the most probable labels other than those given."""
        others = self.probabilities.copy()
        others[np.arange(len(others)), self.values] = -1.0
        return {"accuracy": (others.argmax(axis=-1) == self.gold).astype(float)}

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

    def combined(self, others, mode):
        """The mean of the scores answered, so of those that are clipped to the task's range."""
        check_mode(mode, self.task.kind)
        scores = np.mean([one.values for one in (self, *others)], axis=0)
        return replace(self, outputs=Outputs(scores[:, None], None))

    @property
    def answer_texts(self):
        """The scores as they are written."""
        return [str(score) for score in nine_digits(self.values)]

    @property
    def gold_texts(self):
        """The gold scores."""
        return [str(score) for score in self.gold]

    def records(self):
        """``id``, and ``label`` and ``score``, which are the same."""
        return [
            {"id": row_id, "label": score, "score": score}
            for row_id, score in zip(self.examples.ids, nine_digits(self.values), strict=True)
        ]
