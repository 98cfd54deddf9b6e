"""The overall GLUE score of dev results (Wang et al. 2018)."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.scored_experiment import ScoredExperiment

_TWO = {
    "mrpc": (("dev", "accuracy"), ("dev", "f1")),
    "qqp": (("dev", "accuracy"), ("dev", "f1")),
    "stsb": (("dev", "pearson"), ("dev", "spearman")),
    "mnli": (("dev", "accuracy"), ("dev_mismatched", "accuracy")),
}
"""Tasks with two scores, which are averaged first."""


class GlueScore:
    """Mean over tasks of each task's dev score, over all nine and over eight without wnli.

    The score of restarts is their mean; beside it stands that of the best restart by the main
    metric on dev, which is what one would submit.

    Args:
        experiments: one for every task of GLUE that there is; other tasks are left out.

    Raises:
        UserError: two are of one task, or none is of a task of GLUE.
    """

    def __init__(self, experiments: Sequence[ScoredExperiment]):
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        chosen: dict[str, ScoredExperiment] = {}
        for experiment in experiments:
            task = experiment.task
            if task not in tasks.GROUPS["glue9"]:
                self.notes.append(f"{experiment.name}: {task} is no task of GLUE; left out")
            elif task in chosen:
                raise UserError(
                    f"--glue: {chosen[task].name} and {experiment.name} are both of {task}; give "
                    "one experiment a task"
                )
            else:
                chosen[task] = experiment
        if not chosen:
            raise UserError(f"--glue: none is of a task of GLUE ({', '.join(_names('glue9'))})")
        for task in _names("glue9"):
            if task in chosen:
                self._add(chosen[task])

    def _add(self, experiment: ScoredExperiment) -> None:
        task = experiment.task
        scores = [_score(task, row["metrics"]) for row in experiment.rows]
        self.rows.append(
            {
                "task": task,
                "experiment": experiment.name,
                "runs": len(scores),
                "mean": statistics.fmean(scores),
                "best": _score(task, experiment.best["metrics"]),
            }
        )
        for split, metric in _absent(task, experiment.best["metrics"]):
            self.notes.append(f"{task}: no {metric} on {split}; its other score stands alone")
        whole, own = tasks.get(task).files["dev"].rows, experiment.dev.get("rows")
        if own is not None and own != whole:
            self.notes.append(f"{task}: scored on {own} dev rows, GLUE has {whole}")

    def overall(self, group: str) -> dict[str, Any]:
        """Mean over the tasks of a group (``glue9``, ``glue8``) that there are, and the missing."""
        present = [row for row in self.rows if row["task"] in tasks.GROUPS[group]]
        known = {row["task"] for row in present}
        return {
            "tasks": len(present),
            "of": len(tasks.GROUPS[group]),
            "missing": [name for name in _names(group) if name not in known],
            "mean": statistics.fmean(row["mean"] for row in present) if present else None,
            "best": statistics.fmean(row["best"] for row in present) if present else None,
        }

    def lines(self) -> list[str]:
        """The score of every task and the means over them, as fractions and in percent."""
        names = max(len(row["experiment"]) for row in self.rows)
        lines = ["GLUE on dev: mean over the runs, and the best run"]
        lines += [
            f"  {row['task']:<4}  {row['experiment']:<{names}}  {row['mean']:.4f}  "
            f"{row['best']:.4f}"
            for row in self.rows
        ]
        for group, title in (("glue9", "all"), ("glue8", "all but wnli")):
            found = self.overall(group)
            if not found["tasks"]:
                continue
            missing = f"; missing: {', '.join(found['missing'])}" if found["missing"] else ""
            lines.append(
                f"{title}, over {found['tasks']} of {found['of']} tasks: {_shown(found['mean'])}, "
                f"best runs {_shown(found['best'])}{missing}"
            )
        return lines + [f"note: {note}" for note in self.notes]

    def to_dict(self) -> dict[str, Any]:
        """The scores of tasks, the means over them and what is to be known of them."""
        groups = {group: self.overall(group) for group in ("glue9", "glue8")}
        return {"scores": self.rows, **groups, "notes": self.notes}


def _names(group: str) -> list[str]:
    """Tasks of a group in the order of their declaration."""
    return [name for name in tasks.names() if name in tasks.GROUPS[group]]


def _parts(task: str) -> tuple[tuple[str, str], ...]:
    return _TWO.get(task, (("dev", tasks.get(task).main_metric),))


def _absent(task: str, splits: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [part for part in _parts(task) if part[1] not in splits.get(part[0], {})]


def _score(task: str, splits: Mapping[str, Any]) -> float:
    absent = _absent(task, splits)
    found = [splits[part[0]][part[1]] for part in _parts(task) if part not in absent]
    if not found:
        wanted = ", ".join(f"{metric} on {split}" for split, metric in absent)
        raise UserError(f"--glue: a run of {task} has no {wanted} in its metrics.json")
    return statistics.fmean(found)


def _shown(score: float) -> str:
    return f"{score:.4f} ({100 * score:.1f})"
