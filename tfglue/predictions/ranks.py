"""Answers that pick one candidate of each query."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tfglue.data.ranked_examples import RIGHT, RankedExamples
from tfglue.metrics.classification import accuracy
from tfglue.predictions.combination import combined_positions
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.rows import ClassPredictions

_WRONG = 1


@dataclass(frozen=True)
class RankPredictions(ClassPredictions):
    """The best candidate of each query, said pair by pair.

    A pair's probability of being right is the softmax over the candidates of its query; a pair
    without rivals is right for certain, and counts in no metric.

    Args:
        examples: `RankedExamples`.
        outputs: scores (rows, 1).
    """

    examples: RankedExamples

    @cached_property
    def right_probabilities(self) -> np.ndarray:
        """float64 (pairs,): those of one query add up to 1."""
        order, splits = self._in_groups
        scores = self.outputs.logits[order, 0].astype(np.float64)
        sizes = np.diff(splits)
        shares = np.exp(scores - np.repeat(np.maximum.reduceat(scores, splits[:-1]), sizes))
        shares /= np.repeat(np.add.reduceat(shares, splits[:-1]), sizes)
        found = np.empty_like(shares)
        found[order] = shares
        return found

    @cached_property
    def probabilities(self):
        """float64 (pairs, 2): of being the right candidate, and of being another."""
        return np.stack([self.right_probabilities, 1 - self.right_probabilities], axis=1)

    @cached_property
    def values(self):
        """Class ids (pairs,): one pair of every query is right, the first of equal ones."""
        values = np.full(len(self.examples), _WRONG)
        values[best_of_groups(self.right_probabilities, *self._in_groups)] = RIGHT
        return values

    @cached_property
    def _in_groups(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs ordered by group, and the borders of the groups."""
        groups = self.examples.group_of_example
        order = np.argsort(groups, kind="stable")
        return order, np.concatenate([[0], np.cumsum(np.bincount(groups))])

    def combined(self, others, mode):
        """The softmaxes over candidates combined, query by query."""
        order, splits = self._in_groups
        models = [one.outputs.logits[order] for one in (self, *others)]
        logits = np.empty((len(order), 1))
        logits[order] = combined_positions(models, splits, mode)
        return replace(self, outputs=Outputs(logits, None))

    def metrics(self):
        """Of the pairs in groups with one right candidate beside wrong ones.

        ``accuracy`` of pairs, ``group_accuracy``, the share of groups whose best candidate is the
        right one, and ``coverage``, the share of all pairs that are in such groups.

        Raises:
            UserError: there is no such group.
        """
        self.examples.check_scored()
        chosen = self.examples.complete
        right = chosen & (self.gold == RIGHT)
        return {
            "accuracy": accuracy(self.gold[chosen], self.values[chosen]),
            "group_accuracy": float(np.mean(self.values[right] == RIGHT)),
            "coverage": float(chosen.mean()),
        }


def best_of_groups(values: np.ndarray, order: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Of every group the first of its largest values.

    Args:
        values: (pairs,).
        order: pairs by group.
        splits: borders of the groups in that order.
    """
    ordered = values[order]
    largest = np.repeat(np.maximum.reduceat(ordered, splits[:-1]), np.diff(splits))
    places = np.where(ordered == largest, np.arange(len(ordered)), len(ordered))
    return order[np.minimum.reduceat(places, splits[:-1])]
