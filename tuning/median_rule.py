"""The median stopping rule: runs that the others leave behind are ended."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.training.evaluation_callback import EvaluationCallback

Curve = Sequence[tuple[float, float]]
"""(epoch, score) of each evaluation of a run, in their order."""

PEERS = 5
"""Trials that must have been scored by the same epoch before a run is ended; ours."""


class MedianRule(EvaluationCallback):
    """Ends a run that is hopeless (Golovin et al. 2017, Google Vizier, 3.2.2).

    At an evaluation after s epochs a run ends if its best score so far is strictly worse than the
    median, over the other trials that are over, of the mean of their scores up to s. Runs that were
    ended count with what they had; so the bar does not rise by ending runs. Steps are epochs, since
    trials may differ in the size of their batches.

    Args:
        column: the score in the history.
        higher_is_better: the direction of the score.
        peers: of every other trial the curves of its runs.
    """

    def __init__(self, column: str, higher_is_better: bool, peers: Sequence[Sequence[Curve]]):
        super().__init__()
        self.column = column
        self.higher_is_better = higher_is_better
        self.peers = peers

    def on_evaluation(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Ends training if the run is hopeless."""
        if self.hopeless(curve_of(history, self.column)):
            self.model.stop_training = True

    def hopeless(self, curve: Curve) -> bool:
        """Whether a run is to end after the last evaluation of its curve."""
        now = curve[-1][0]
        averages = []
        for peer in self.peers:
            scores = [score for run in peer for epoch, score in run if epoch <= now]
            if scores:
                averages.append(statistics.fmean(scores))
        if len(averages) < PEERS:
            return False
        scores = [score for _, score in curve]
        if self.higher_is_better:
            return max(scores) < statistics.median(averages)
        return min(scores) > statistics.median(averages)


def curve_of(history: Sequence[Mapping[str, Any]], column: str) -> Curve:
    """The curve of a history, in memory or as ``history.csv`` holds it."""
    return [
        (float(row["epoch"]), float(row[column])) for row in history
        if row.get(column) not in (None, "")
    ]
