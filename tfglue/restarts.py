"""One training with several seeds: every run, their spread, and how many went nowhere."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfglue.experiment_reading import RESTARTS_FORMAT
from tfglue.files import write_json
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.scored_experiment import summary
from tfglue.scored_row import MEAN_OF_TASKS, mean_row, scored_row, trained_metrics
from tfglue.task_choice import Say
from tfglue.trainer import train_run

RESTARTS = "restarts.json"
"""Beside the runs: what each of them scored."""


def train_restarts(
    given: Mapping[str, Any],
    count: int,
    folder: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback],
    say: Say,
) -> Run:
    """Trains with seeds seed, seed + 1, ... into ``seeds/<seed>``; finished runs are kept.

    Writes ``restarts.json`` after each. Low-data subsets do not depend on the seed, so all runs
    train on the same rows.

    Args:
        given: settings of one run.
        count: how many.
        folder: where the series goes.
        callbacks: Keras callbacks.
        say: takes each line of what is going on.

    Returns:
        The best run by the main metric on dev (of several tasks, the mean of theirs), the earliest
        of equals; without dev rows the first.
    """
    first = given.get("seed", 0)
    seeds = range(first, first + count)
    for number, seed in enumerate(seeds, start=1):
        output = folder.path / "seeds" / str(seed)
        say(f"seed {seed}, run {number} of {count}")
        resume = RunFolder(output).is_run()
        train_run(
            {**given, "seed": seed, "output": str(output), "resume": resume},
            callbacks=callbacks,
            say=say,
        )
        report = restarts_report(folder, seeds)
        write_json(folder.path / RESTARTS, report)
    say(summary_line(report))
    best = report["summary"].get("best_seed", first)
    return Run.open(folder.path / "seeds" / str(best))


def restarts_report(folder: RunFolder, seeds: Sequence[int]) -> dict[str, Any]:
    """What ``restarts.json`` holds: every finished run, also one after a run not finished."""
    runs = [RunFolder(folder.path / "seeds" / str(seed)) for seed in seeds]
    finished = [run for run in runs if run.is_finished()]
    tasks, metrics = zip(*trained_metrics(finished[0]).items(), strict=True)
    if len(tasks) == 1:
        metric = metrics[0]
        rows = [scored_row(run, folder.path, tasks[0], metric) for run in finished]
    else:
        metric = MEAN_OF_TASKS
        rows = [mean_row(run, folder.path) for run in finished]
    return {
        "format": RESTARTS_FORMAT, "task": ",".join(tasks), "metric": metric, "seeds": rows,
        "summary": summary(rows),
    }


def summary_line(report: Mapping[str, Any]) -> str:
    """The summary of ``restarts.json`` in one line."""
    found = report["summary"]
    if not found["count"]:
        return f"{report['task']}: no dev rows to compare the seeds on"
    spread = "" if found["std"] is None else f" ± {found['std']:.4f}"
    share = found["degenerate_share"]
    degenerate = "" if share is None else f", degenerate {share:.0%}"
    return (
        f"{report['task']} {report['metric']} over {found['count']} seeds: "
        f"{found['mean']:.4f}{spread}, best {found['best']:.4f} (seed {found['best_seed']}), "
        f"worst {found['worst']:.4f}{degenerate}"
    )
