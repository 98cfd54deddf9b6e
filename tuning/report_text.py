"""What a search came to, for people: the lines it ends with, and its README."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfglue.aligned_table import aligned_table
from tuning.importance import LEAST
from tuning.plan import SearchPlan
from tuning.progress import shown
from tuning.search_folder import SearchFolder
from tuning.trial_record import FINISHED, TrialRecord

_SHOWN = 10


def report_lines(
    plan: SearchPlan, folder: SearchFolder, report: Mapping[str, Any],
    complete: Sequence[TrialRecord],
) -> list[str]:
    """What a search prints at its end.

    Args:
        plan: the search.
        folder: where it went.
        report: content of ``report.json``.
        complete: trials whose runs are finished.
    """
    ranked = sorted(complete, key=lambda one: one.score, reverse=plan.higher_is_better)
    rows = [("trial", plan.metric, "epochs", "s", "settings")]
    for record in ranked[:_SHOWN]:
        mark = "" if record.status == FINISHED else f" ({record.status})"
        rows.append((
            str(record.trial), f"{record.score:.4f}", f"{record.epochs:g}",
            f"{record.seconds:.1f}", f"{shown(record.values)}{mark}",
        ))
    lines = ["", *aligned_table(rows, text=(4,))]
    if len(ranked) > _SHOWN:
        lines.append(f"... and {len(ranked) - _SHOWN} more: {folder.table}")
    counts = ", ".join(f"{count} {status}" for status, count in report["by_status"].items())
    lines += [
        "",
        f"{report['trials']} trials ({counts}), {report['epochs']:g} epochs, "
        f"{report['seconds']:.0f} s",
        *_result(plan, report),
        f"best run: {folder.best}",
        f"its command: {report['best']['command']}",
        f"on all rows: {report['best']['command_on_all_rows']}",
        f"report: {folder.card}",
    ]
    if report["importance"] is None:
        lines.append(f"importance: not told from fewer than {LEAST} finished trials that differ")
    return lines


def _result(plan: SearchPlan, report: Mapping[str, Any]) -> list[str]:
    """Both scores of the best trial."""
    best, share = report["best"], plan.base.get("tune_split")
    rows = f"{100 * share:g} % of train, held out (searched on)" if share else "dev (searched on)"
    lines = [
        f"best: trial {best['trial']}, {shown(best['values'])}",
        f"  {plan.metric} on {rows}: {_text(best['tune'])}",
    ]
    for split, metrics in report["dev"].items():
        if plan.metric in metrics:
            found = _text(metrics[plan.metric])
            lines.append(f"  {plan.metric} on {split} (computed once): {found}")
    looks = len(report["settings_scored_on_dev"])
    if report["dev"] and looks > 1:
        lines.append(f"  dev has been computed for {looks} settings in the sessions of this search")
    return lines


def _text(found: Mapping[str, Any]) -> str:
    spread = "" if found["std"] is None else f" ± {found['std']:.4f} over {found['count']} seeds"
    return f"{found['mean']:.4f}{spread}"


def report_card(
    plan: SearchPlan, folder: SearchFolder, report: Mapping[str, Any],
    complete: Sequence[TrialRecord],
) -> str:
    """``README.md`` of the folder of a search; arguments as in `report_lines`."""
    spread = report["spread"]
    std = "" if spread["std"] is None else f" ± {spread['std']:.4f}"
    lines = [
        f"# Search: {plan.config.model} on {plan.task}",
        "",
        f"{plan.config.tuner}, {report['trials']} trials, {report['epochs']:g} epochs, "
        f"{report['seconds']:.0f} s. {plan.metric} of the {len(complete)} finished ones: "
        f"{spread['mean']:.4f}{std}, from {spread['least']:.4f} to {spread['most']:.4f}.",
        "",
        *(line.strip() + "  " for line in _result(plan, report)),
        "",
        "The best run is in [best](best); all trials are in [trials.csv](trials.csv).",
        "",
        "```sh",
        report["best"]["command"],
        "# with no rows held out",
        report["best"]["command_on_all_rows"],
        *([f"# go on, with more trials\n{folder.go_on} --trials N"]
          if plan.config.tuner in ("random", "bayesian") else []),
        "```",
        "",
        "| parameter | searched | best |",
        "|---|---|---|",
        *(f"| {name} | `{dimension}` | {report['best']['values'][name]} |"
          for name, dimension in plan.space.items()),
        "",
        "![trials](parallel_coordinates.png)",
        "",
        "![progress](progress.png)",
        "",
    ]
    if report["importance"] is not None:
        lines += ["![importance](importance.png)", ""]
    return "\n".join(lines)
