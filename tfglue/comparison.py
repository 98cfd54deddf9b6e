"""Experiments side by side: their scores, and how sure a difference between them is."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.aligned_table import aligned_table
from tfglue.files import csv_text
from tfglue.scored_experiment import ScoredExperiment

FORMAT = "tfglue.comparison.v1"

SMALL = 10
"""Runs a side, under which the notes warn of what a t-test can see."""


class Comparison:
    """Experiments in the order given; those of one task and metric are set against each other.

    Args:
        experiments: at least one.
    """

    def __init__(self, experiments: Sequence[ScoredExperiment]):
        self.experiments = tuple(experiments)
        self.groups: dict[tuple[str, str], list[ScoredExperiment]] = {}
        for experiment in experiments:
            self.groups.setdefault((experiment.task, experiment.metric), []).append(experiment)
        self.differences = [
            _difference(experiment, members[0])
            for members in self.groups.values()
            for experiment in members[1:]
        ]

    def rows(self) -> list[dict[str, Any]]:
        """One row an experiment, grouped by task: what ``comparison.csv`` holds.

        ``std`` is the sample standard deviation; ``updates`` and ``seconds`` are means over the
        runs, of the last step of a chain alone. None where it is not known.
        """
        rows = []
        for members in self.groups.values():
            for experiment in members:
                found = experiment.summary()
                rows.append(
                    {
                        "experiment": experiment.name,
                        "task": experiment.task,
                        "metric": experiment.metric,
                        "through": " > ".join(experiment.through) or None,
                        "runs": found.pop("count"),
                        **{name: value for name, value in found.items() if name != "best_seed"},
                        "updates": experiment.mean_of("updates"),
                        "seconds": experiment.mean_of("seconds"),
                    }
                )
        return rows

    def lines(self) -> list[str]:
        """The table of every task, the differences to its first experiment, and notes."""
        lines = []
        for task, metric in self.groups:
            rows = [row for row in self.rows() if (row["task"], row["metric"]) == (task, metric)]
            lines += [f"{task}: {metric} on dev", *_table(rows)]
            found = [d for d in self.differences if (d["task"], d["metric"]) == (task, metric)]
            if found:
                lines += ["", f"{task}: differences to {found[0]['baseline']}"]
                lines += _table([_difference_cells(difference) for difference in found])
            lines.append("")
        return lines + [f"note: {note}" for note in self.notes()]

    def notes(self) -> list[str]:
        """What a reader of the numbers has to know."""
        notes = [
            f"{e.name}: {len(e.rows)} of {e.expected} runs are finished; the others are not counted"
            for e in self.experiments
            if len(e.rows) < e.expected
        ]
        for (task, _), members in self.groups.items():
            digests = {e.dev["digest"]: e.name for e in reversed(members) if "digest" in e.dev}
            if len(digests) > 1:
                notes.append(
                    f"{task}: {' and '.join(reversed(digests.values()))} were scored on different "
                    "dev rows; their scores are not comparable"
                )
        if any(e.through and e.mean_of("seconds") is not None for e in self.experiments):
            notes.append("updates and seconds are of the last step alone, not of the chain before")
        tested = [d for d in self.differences if d["p"] is not None]
        if any(min(d["runs"]) < SMALL for d in tested):
            notes.append(
                f"small n: under {SMALL} runs a side only large differences show, and a high p is "
                "no sign of equality"
            )
        if any(d["test"] == "paired" for d in tested):
            notes.append("std of a paired difference is that of the seeds' differences")
        if len(tested) > 1:
            notes.append(f"each p stands alone; none is corrected for the {len(tested)} tests made")
        if tested and any(e.summary()["degenerate_share"] for e in self.experiments):
            notes.append("degenerate runs make scores far from normal, which t-tests presume")
        return notes

    def csv(self) -> str:
        """`rows` as comma-separated values with a header."""
        return csv_text(self.rows())

    def to_dict(self) -> dict[str, Any]:
        """What ``comparison.json`` holds: the table with every run, differences and notes."""
        by_name = {(e.name, e.task): e for e in self.experiments}
        experiments = []
        for row in self.rows():
            experiment = by_name[row["experiment"], row["task"]]
            seeds = [dict(own) for own in experiment.rows]
            experiments.append({**row, "path": str(experiment.path), "seeds": seeds})
        return {
            "format": FORMAT,
            "experiments": experiments,
            "differences": self.differences,
            "notes": self.notes(),
        }


def _difference(experiment: ScoredExperiment, baseline: ScoredExperiment) -> dict[str, Any]:
    """Mean difference of two experiments of one task, tested where there is something to test.

    Equal seeds are paired: of two runs with one seed, head, order of rows and low-data subset are
    drawn alike. Otherwise it is Welch's test, which lets the variances differ.
    """
    ours, theirs = experiment.scores, baseline.scores
    found = {
        "task": experiment.task,
        "metric": experiment.metric,
        "experiment": experiment.name,
        "baseline": baseline.name,
        "runs": [len(ours), len(theirs)],
        "mean": statistics.fmean(ours) - statistics.fmean(theirs),
        "test": None,
        "std": None,
        "interval_95": None,
        "p": None,
    }
    paired = len(set(experiment.seeds)) == len(ours) and (
        sorted(experiment.seeds) == sorted(baseline.seeds)
    )
    if min(found["runs"]) < 2:
        return found
    # Here, so that asking for help does not load it.
    from scipy import stats

    if paired:
        others = dict(zip(baseline.seeds, theirs, strict=True))
        theirs = [others[seed] for seed in experiment.seeds]
        found["test"] = "paired"
        differences = [a - b for a, b in zip(ours, theirs, strict=True)]
        found["std"] = statistics.stdev(differences)
        if found["std"] < 1e-12:  # No spread but that of rounding.
            return found
        result = stats.ttest_rel(ours, theirs)
    else:
        found["test"] = "welch"
        if len(set(ours)) == len(set(theirs)) == 1:
            return found
        result = stats.ttest_ind(ours, theirs, equal_var=False)
    interval = result.confidence_interval(0.95)
    found["interval_95"] = [float(interval.low), float(interval.high)]
    found["p"] = float(result.pvalue)
    return found


def _difference_cells(difference: Mapping[str, Any]) -> dict[str, str | None]:
    """A difference as the table shows it."""
    ours, theirs = difference["runs"]
    test, p = difference["test"], difference["p"]
    words = {
        None: "none: a side has one run",
        "paired": f"paired t-test, {ours} shared seeds",
        "welch": f"Welch's t-test, {ours} and {theirs} runs",
    }[test]
    low, high = difference["interval_95"] or (None, None)
    return {
        "experiment": difference["experiment"],
        "mean": f"{difference['mean']:+.4f}",
        "std": None if difference["std"] is None else f"{difference['std']:.4f}",
        "95 % interval": None if p is None else f"{low:+.4f} to {high:+.4f}",
        "p": None if p is None else f"{p:.3f}" if p >= 0.001 else "< 0.001",
        "test": words if p is not None or test is None else "none: no spread",
    }


_TEXT = ("experiment", "through", "test")


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Aligned columns; those that are empty in all rows are left out."""
    columns = [
        name
        for name in rows[0]
        if name not in ("task", "metric") and any(row[name] is not None for row in rows)
    ]
    cells = [[_head(name) for name in columns]]
    cells += [[_cell(name, row[name]) for name in columns] for row in rows]
    return aligned_table(cells, [n for n, name in enumerate(columns) if name in _TEXT])


def _head(name: str) -> str:
    return "degenerate" if name == "degenerate_share" else name


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "" if name == "through" else "-"
    if name == "degenerate_share":
        return f"{value:.0%}"
    if name in ("updates", "seconds"):
        return f"{value:,.0f}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
