"""What an experiment scored on dev: one run, or restarts of it with other seeds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ScoredExperiment:
    """The finished runs of one experiment on one task.

    Args:
        name: how tables and plots call it.
        path: the folder of the run or of the restarts.
        task: the task's name.
        metric: its main metric, which `score` holds.
        rows: one per run, as `scored_row` makes them; all have a score.
        expected: how many runs the experiment is to have; more than `rows` if it is not finished.
        through: the intermediate tasks before this one, first to last.
        dev: number (``rows``) and ``digest`` of the dev examples; empty where no run tells.
    """

    name: str
    path: Path
    task: str
    metric: str
    rows: tuple[dict[str, Any], ...]
    expected: int
    through: tuple[str, ...] = ()
    dev: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scores(self) -> list[float]:
        """The main metric on dev of every run."""
        return [row["score"] for row in self.rows]

    @property
    def seeds(self) -> list[int]:
        """The seed of every run."""
        return [row["seed"] for row in self.rows]

    @property
    def best(self) -> dict[str, Any]:
        """The run with the highest score, the first of equals."""
        return max(self.rows, key=lambda row: row["score"])

    def mean_of(self, name: str) -> float | None:
        """Mean over the runs of ``updates`` or ``seconds``; None where a run does not tell."""
        values = [row[name] for row in self.rows]
        return None if None in values else statistics.fmean(values)

    def summary(self) -> dict[str, Any]:
        """Mean, sample standard deviation and so on of the scores: see `summary`."""
        return summary(self.rows)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The ``summary`` of ``restarts.json``, over the rows that have a score.

    The standard deviation is that of a sample (n - 1), None for one run. Degenerate runs are those
    that are no better than having learned nothing (Phang et al. 2018); their share is
    None where a run does not tell.
    """
    scored = [row for row in rows if row["score"] is not None]
    if not scored:
        return {"count": 0}
    scores = [row["score"] for row in scored]
    best = max(scored, key=lambda row: row["score"])
    degenerate = [row["degenerate"] for row in scored]
    return {
        "count": len(scores),
        "mean": statistics.fmean(scores),
        "std": statistics.stdev(scores) if len(scores) > 1 else None,
        "median": statistics.median(scores),
        "best": best["score"],
        "best_seed": best["seed"],
        "worst": min(scores),
        "degenerate_share": None if None in degenerate else statistics.fmean(degenerate),
    }
