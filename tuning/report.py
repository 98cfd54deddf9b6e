"""What a search ends with: table, plots, the best run, and its one score on dev."""

import shutil
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.comma_separated import csv_text
from tfglue.errors import UserError
from tfglue.evaluate import EVALUATION, evaluation
from tfglue.experiment import written_out
from tfglue.files import atomic_folder, read_json, write_json, write_text
from tfglue.form import check_form
from tfglue.manifest import command
from tfglue.run import Run
from tfglue.run_folder import RunFolder
from tfglue.task_choice import Say
from tfglue.training.checkpoint import CheckpointFolder
from tuning.importance import importance
from tuning.plan import SearchPlan
from tuning.plots import plot_importance, plot_parallel, plot_progress
from tuning.report_text import report_card, report_lines
from tuning.search_folder import SearchFolder, best_record
from tuning.searchable import trial_settings
from tuning.trial_record import PAUSED, TrialRecord

FORMAT = "tfglue.search_report.v1"

_FORM = {
    "best": {"trial": int}, "dev": {str: {str: {str: object}}}, "settings_scored_on_dev": [int],
}
_OF_THE_SEARCH = ("tune_split", "train_fraction", "train_examples", "dev_examples")
_SOME_ROWS = ("train_fraction", "train_examples", "dev_examples")


def write_report(
    plan: SearchPlan, folder: SearchFolder, elapsed: Mapping[str, float], say: Say
) -> dict[str, Any]:
    """Writes table, plots, the best run and ``report.json``, and says what is in them.

    Args:
        plan: the search.
        folder: where it went.
        elapsed: trial, as the oracle calls it -> seconds of searching until it was over.
        say: takes each line.

    Returns:
        Content of ``report.json``.

    Raises:
        UserError: no trial has finished.
    """
    records = folder.records()
    seconds = {int(name): value for name, value in elapsed.items()}
    write_text(folder.table, _table(plan, records, seconds))
    best = best_record(records, plan)
    if best is None:
        raise UserError(
            f"{folder.path}: no trial has finished; {folder.table} and {folder.trials} say why"
        )
    before = _before(folder)
    runs = folder.runs(best)
    chosen = _best_run(best, plan, runs)
    if not (before.get("best", {}).get("trial") == best.trial and folder.best.is_dir()):
        with atomic_folder(folder.best) as temporary:
            shutil.copytree(chosen.path, temporary, dirs_exist_ok=True)
    dev = _dev(plan, best, runs, before)
    _drop_paused(plan, folder, records)
    complete = [record for record in records if record.complete]
    found = importance(complete, plan.space)
    report = {
        "format": FORMAT,
        "task": plan.task,
        "model": plan.config.model,
        "tuner": plan.config.tuner,
        "metric": plan.metric,
        "trials": len(records),
        "by_status": _counts(records),
        "epochs": sum(record.epochs for record in records),
        "seconds": max(seconds.values(), default=0.0),
        "seconds_of_trials": sum(record.seconds for record in records),
        "spread": _spread([record.score for record in complete]),
        "best": {
            "trial": best.trial,
            "values": dict(best.values),
            "tune": {"score": best.score, **_spread(list(best.scores))},
            "run": str(folder.best),
            "command": best_command(plan, best, chosen),
            "command_on_all_rows": best_command(plan, best, chosen, all_rows=True),
        },
        "dev": dev,
        "settings_scored_on_dev": sorted({best.trial, *before.get("settings_scored_on_dev", [])}),
        "importance": None if found is None else {
            "explained": found.explained, "permuted": dict(found.permuted),
            "rank_correlation": dict(found.rank_correlation),
        },
    }
    write_json(folder.report, report)
    pictures = folder.path
    plot_parallel(complete, plan.space, best, plan.metric, pictures / "parallel_coordinates.png")
    scored = [record for record in records if record.score is not None]
    plot_progress(scored, seconds, plan.higher_is_better, plan.metric, pictures / "progress.png")
    if found is not None:
        plot_importance(found, len(complete), plan.metric, pictures / "importance.png")
    write_text(folder.card, report_card(plan, folder, report, complete))
    for line in report_lines(plan, folder, report, complete):
        say(line)
    return report


def _before(folder: SearchFolder) -> dict[str, Any]:
    """The report of an earlier session, empty if there was none."""
    if not folder.report.is_file():
        return {}
    content = read_json(folder.report)
    check_form(content, _FORM, str(folder.report))
    return content


def _table(
    plan: SearchPlan, records: Sequence[TrialRecord], elapsed: Mapping[int, float]
) -> str:
    """``trials.csv``."""
    columns = ("trial", "status", plan.metric, "std", *plan.space, "epochs", "seconds", "elapsed",
               "run")
    rows = []
    for record in records:
        std = statistics.stdev(record.scores) if len(record.scores) > 1 else ""
        rows.append([
            record.trial, record.status, "" if record.score is None else record.score, std,
            *(record.values[name] for name in plan.space), f"{record.epochs:g}",
            f"{record.seconds:.1f}", f"{elapsed.get(record.trial, 0.0):.1f}",
            " ".join(record.runs),
        ])
    return csv_text(columns, rows)


def _best_run(best: TrialRecord, plan: SearchPlan, runs: Sequence[RunFolder]) -> RunFolder:
    """Of the runs of the best trial the best, the first of equals."""
    chosen = 0
    for number, score in enumerate(best.scores):
        if plan.better(score, best.scores[chosen]):
            chosen = number
    return runs[chosen]


def _dev(
    plan: SearchPlan, best: TrialRecord, runs: Sequence[RunFolder], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Metrics of the best trial's runs on every dev split; what is known is not computed again."""
    if not plan.scored_on_dev_once:
        return {}
    if before.get("best", {}).get("trial") == best.trial and before.get("dev"):
        return before["dev"]
    splits: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        opened = Run.open(run.path)
        found = evaluation(opened, say=lambda line: None)
        write_json(run.path / EVALUATION, found)
        for split, metrics in found[plan.task].items():
            for metric, value in metrics.items():
                splits.setdefault(split, {}).setdefault(metric, []).append(value)
    return {
        split: {metric: _spread(values) for metric, values in metrics.items()}
        for split, metrics in splits.items()
    }


def _drop_paused(plan: SearchPlan, folder: SearchFolder, records: Sequence[TrialRecord]) -> None:
    """Deletes what runs that Hyperband left behind would go on from."""
    if plan.config.keep_weights == "all":
        return
    for record in records:
        for run in folder.runs(record) if record.status == PAUSED else ():
            CheckpointFolder(run.checkpoint).remove()


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "count": len(values),
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "least": min(values),
        "most": max(values),
    }


def _counts(records: Sequence[TrialRecord]) -> dict[str, int]:
    statuses = [record.status for record in records]
    return {status: statuses.count(status) for status in dict.fromkeys(statuses)}


def best_command(
    plan: SearchPlan, best: TrialRecord, run: RunFolder, all_rows: bool = False
) -> str:
    """How to train with the best settings, into a folder of its own.

    Args:
        plan: the search.
        best: the best trial.
        run: of its runs the best.
        all_rows: with no rows held out; else the same run again.
    """
    settings, config = written_out(trial_settings(plan.base, best.values)), run.manifest()["config"]
    settings |= {name: config[name] for name in ("epochs", "seed")}
    if not all_rows:
        return command(settings, f"saved_models/{plan.task}-best")
    left_out = [*_OF_THE_SEARCH]
    if any(name in settings for name in _SOME_ROWS):
        left_out.append("activations")  # The store holds no other rows; its encoder is in --init.
    kept = {name: value for name, value in settings.items() if name not in left_out}
    return command(kept, f"saved_models/{plan.task}-tuned")
