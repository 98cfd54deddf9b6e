"""What learning curves leave behind: a table in four forms, a picture and a card."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.aligned_table import aligned_table
from tfglue.comma_separated import csv_of_records, csv_text
from tfglue.files import write_json, write_text
from tfglue.low_data.curve_plan import CurvePlan
from tfglue.low_data.curve_plot import plot_learning_curve
from tfglue.low_data.curve_points import SCORES, curve_points, shown_table
from tfglue.low_data.planned_runs import PlannedCurve
from tfglue.manifest import command
from tfglue.resolution import settings_in_use

FORMAT = "tfglue.learning_curve_report.v1"
_OF_CELLS = ("encoder", "init", "init_parts", "train_examples", "train_fraction", "seed")


def write_report(
    folder: Path, plan: CurvePlan, planned: PlannedCurve, rows: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Writes ``scores.csv``, ``learning_curve.csv``, ``.json`` and ``.png``, and ``README.md``.

    Args:
        folder: of the learning curves.
        plan: what was asked for.
        planned: what every training was to be.
        rows: of the trainings that are finished, at least one with a score.

    Returns:
        The table, as lines for people.
    """
    points, notes = curve_points(rows), _notes(plan, planned, rows)
    task = planned.task
    facts = {
        "format": FORMAT, "task": task.name, "metric": task.main_metric,
        "dev_rows": planned.dev_rows,
        "command": command(plan.settings, str(folder), "tfglue.learning_curve"),
        "starts": {
            start.name: {
                "place": start.place, "encoder": planned.runs[start.name, size].identity["encoder"]
            }
            for start in plan.starts for size in plan.sizes.values[:1]
        },
        "points": points, "runs": [{n: row[n] for n in SCORES} for row in rows], "notes": notes,
    }
    write_text(
        folder / "scores.csv", csv_text(SCORES, ([_blank(row[n]) for n in SCORES] for row in rows))
    )
    write_text(folder / "learning_curve.csv", csv_of_records(
        [{name: _blank(value) for name, value in point.items()} for point in points]
    ))
    write_json(folder / "learning_curve.json", facts)
    title = f"{task.name}: {task.main_metric} on {planned.dev_rows:,} dev rows"
    plot_learning_curve(points, title, len(plan.seeds), folder / "learning_curve.png")
    write_text(folder / "README.md", _card(folder, plan, planned, facts))
    table = shown_table(points)
    return [title, *aligned_table(table, []), *(f"note: {note}" for note in notes)]


def _notes(
    plan: CurvePlan, planned: PlannedCurve, rows: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What a reader of the numbers has to know."""
    notes = []
    if len(rows) < len(plan.cells):
        notes.append(
            f"{len(rows)} of {len(plan.cells)} trainings are finished; means are over those"
        )
    if planned.config.save != "last":
        notes.append(
            "the score of a run is its best evaluation, chosen on the rows that are scored; "
            "--save last takes the end"
        )
    sizes = {row["size"]: set() for row in rows}
    for row in rows:
        if row["score"] is not None:
            sizes[row["size"]].add(row["updates"])
    if any(len(updates) > 1 for updates in sizes.values()):
        notes.append("runs of one size made different numbers of updates; scores.csv has them")
    for start in plan.starts:
        own = [row for row in rows if row["start"] == start.name]
        diverged = sum(row["score"] is None for row in own)
        if diverged:
            notes.append(
                f"{_runs(diverged)} from {start.name} diverged; means are over the others"
            )
        flat = sum(bool(row["degenerate"]) for row in own)
        if flat:
            notes.append(
                f"{_runs(flat)} from {start.name} with no more than what learned nothing scores"
            )
    if len(plan.seeds) > 1:
        notes.append(
            "all seeds train on the same rows, so their spread is that of head, order and dropout; "
            "other rows would add to it, most of all where there are few"
        )
    if len(plan.seeds) == 1:
        notes.append("one seed: nothing says how far chance goes; add --seeds")
    return notes


def _card(
    folder: Path, plan: CurvePlan, planned: PlannedCurve, facts: Mapping[str, Any]
) -> str:
    header, *body = shown_table(facts["points"])
    reached = {(point["start"], point["size"]) for point in facts["points"]}
    shared = [
        point["size"] for point in facts["points"]
        if all((name, point["size"]) in reached for name in facts["starts"])
    ]
    compared = " ".join(
        f"{name}={shlex.quote(str(folder / 'starts' / name / size))}"
        for size in shared[-1:] for name in facts["starts"]
    )
    lines = [
        f"# {facts['task']}: learning curves of {', '.join(facts['starts'])}",
        "",
        f"{facts['metric']} on {facts['dev_rows']:,} dev rows against the number of rows trained "
        f"on; mean and standard deviation over {len(plan.seeds)} "
        f"seed{'s' * (len(plan.seeds) > 1)}. Smaller parts of the training rows lie in larger "
        "ones, and are the same for all starts and seeds.",
        "",
        f"| {' | '.join(header)} |",
        f"|{'---|' * len(header)}",
        *(f"| {' | '.join(cells)} |" for cells in body),
        "",
        "![learning curves](learning_curve.png)",
        "",
        *(f"- {note}" for note in facts["notes"]),
        "",
        "## Starts",
        "",
        *(
            f"- {name}: `{start['place']}`, encoder digest `{start['encoder'][:16]}`"
            for name, start in facts["starts"].items()
        ),
        "",
        "## Files",
        "",
        "- `learning_curve.csv`: the points of the picture; `learning_curve.json`: these, every "
        "run, and what was asked for",
        "- `scores.csv`: a row a training",
        "- `starts/<start>/<size>/seeds/<seed>`: the runs, "
        + ("weights included" if plan.config.keep_weights == "all" else "without their weights"),
        "",
        "## Commands",
        "",
        "```sh",
        facts["command"],
        f"python -m tfglue.learning_curve --output {shlex.quote(os.fspath(folder))} --resume",
        *([f"python -m tfglue.compare {compared}"] if compared else []),
        "```",
        "",
        "## Settings of every training",
        "",
        "| setting | value |",
        "|---|---|",
        *(
            f"| {name} | {value} |"
            for name, value in settings_in_use(planned.config, [planned.task]).items()
            if name not in _OF_CELLS
        ),
        "",
    ]
    return "\n".join(lines)


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count > 1)}"


def _blank(value: Any) -> Any:
    return "" if value is None else value
