"""What one finished run scored: a row of ``restarts.json`` and of every comparison."""

import os
import statistics
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.run_folder import RunFolder, task_config_of

MEAN_OF_TASKS = "mean_of_tasks"
"""The metric of `mean_row`."""


def scored_row(run: RunFolder, around: Path, task: str, metric: str) -> dict[str, Any]:
    """The row of a run.

    Args:
        run: a finished run.
        around: the folder of the experiment, which the row names the run from.
        task: one of the tasks that the run answers.
        metric: its main metric.

    Returns:
        ``seed``, ``run``, ``score`` (the main metric on dev), ``metrics`` by split, ``floor`` (what
        a model scores that has learned nothing), ``degenerate`` (no better than that), ``seconds``
        and ``updates``. None stands for what is not known, a score without dev rows above all; what
        a task took that was trained elsewhere and added is not, either.

    Raises:
        UserError: the run is not finished, or a file of it is missing or damaged.
    """
    manifest, metrics = run.finished_manifest(), run.metrics()
    if metrics["main"].get(task) != metric:
        raise UserError(
            f"{run.path / 'metrics.json'}: main: expected {task}: {metric}; restore the file"
        )
    splits = metrics[task]
    score = splits.get("dev", {}).get(metric)
    floor = manifest["result"].get("floor", {}).get(task)
    own = task not in manifest.get("added", {})
    return {
        "seed": task_config_of(manifest, task).seed,
        "run": os.path.relpath(run.path, around),
        "score": score,
        "metrics": splits,
        "floor": floor,
        "degenerate": None if None in (score, floor) else score <= floor,
        "seconds": run.timing().get("seconds") if own else None,
        "updates": manifest["result"].get("updates") if own else None,
    }


def trained_metrics(run: RunFolder) -> dict[str, str]:
    """Main metric of every task that a run was trained on; what was added later is left out.

    Raises:
        UserError: none of them is left.
    """
    added = run.manifest().get("added", {})
    main = {task: metric for task, metric in run.metrics()["main"].items() if task not in added}
    if not main:
        raise UserError(f"{run.path}: has added tasks alone, and none that it was trained on")
    return main


def mean_row(run: RunFolder, around: Path) -> dict[str, Any]:
    """The row of a run of several tasks, as one: `scored_row` with the mean of their main metrics.

    Tasks without dev rows are left out, and those that were added to the run later. ``metrics``
    holds the main metric of every task on dev.
    """
    main = trained_metrics(run)
    rows = {task: scored_row(run, around, task, metric) for task, metric in main.items()}
    scored = {task: row for task, row in rows.items() if row["score"] is not None}
    scores = {task: row["score"] for task, row in scored.items()}
    floors = [row["floor"] for row in scored.values()]
    score = statistics.fmean(scores.values()) if scores else None
    floor = statistics.fmean(floors) if floors and None not in floors else None
    return next(iter(rows.values())) | {
        "score": score,
        "metrics": {"dev": scores} if scores else {},
        "floor": floor,
        "degenerate": None if None in (score, floor) else score <= floor,
    }
