"""What a matrix of transfer shows: how well each method predicted it, with pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfglue.aligned_table import aligned_table
from tfglue.comma_separated import csv_of_records
from tfglue.errors import UserError
from tfglue.files import write_json, write_text
from tfglue.transfer.components import is_activation
from tfglue.transfer.html_report import HtmlReport
from tfglue.transfer.library import Library
from tfglue.transfer.matrix_pictures import (
    plot_agreement,
    plot_heat_map,
    plot_violins,
    violin_rows,
)
from tfglue.transfer.matrix_scores import MatrixScores
from tfglue.transfer.method_evaluation import (
    MEASURES,
    Predictions,
    agreement,
    choices,
    evaluate_methods,
)
from tfglue.transfer.task_space import TaskSpace

FORMAT = "tfglue.transfer_report.v1"
SHOWN = "text + task"
"""Whose choice the violins mark."""


def write_report(
    folder: Path,
    scores: MatrixScores,
    predictions: Predictions,
    classes: Mapping[str, str],
    library: Library | None,
    facts: Mapping[str, Any],
) -> list[str]:
    """Writes tables, pictures with the CSV behind each, and ``report.html``.

    Args:
        folder: of the matrix.
        scores: what was true.
        predictions: method -> target -> source -> score.
        classes: task -> CR, QA or SL.
        library: embeddings, for maps of the tasks.
        facts: what the report says beside (settings, encoder, data).

    Returns:
        Lines for people: the table of methods.
    """
    if not scores.scores:
        raise UserError(
            "no target has a score from any source, since all of these trainings diverged; begin "
            "another matrix, with a lower learning rate in its --target_recipe"
        )
    methods = evaluate_methods(predictions, scores, classes)
    chosen = choices(predictions, scores)
    write_json(folder / "matrix.json", {
        "format": FORMAT, **facts, "scores": scores.table(), "methods": methods,
        "choices": [{n: _number(v) for n, v in row.items()} for row in chosen],
    })
    write_text(folder / "matrix.csv", csv_of_records(scores.table()))
    write_text(folder / "methods.csv", csv_of_records(methods))
    write_text(folder / "choices.csv", csv_of_records(chosen))
    report = HtmlReport("Transfer between tasks")
    report.paragraph(", ".join(f"{name} {value}" for name, value in facts["settings"].items()
                               if value is not None))
    if scores.diverged:
        report.paragraph(f"Trainings that diverged and do not count: {', '.join(scores.diverged)}")
    report.heading("How well each method predicted it")
    report.paragraph(
        "Means over targets, 95 % bootstrap intervals over targets in brackets. Rank of the best "
        "source: 1 is perfect. NDCG on gains scaled to 0 ... 1: 1 is perfect. Regret: share of the "
        "best score lost by trying one source, or three: 0 is perfect."
    )
    whole = [row for row in methods if row["scope"] == "all" and _is_main(row["method"])]
    report.table([_shown(row) for row in whole])
    in_class = [row for row in methods if row["scope"] == "in_class" and _is_main(row["method"])]
    if in_class:
        report.heading("The same among sources of the target's class")
        report.table([_shown(row) for row in in_class])
    _pictures(folder, report, scores, predictions, chosen, classes)
    for method in library.methods if library else ():
        space = TaskSpace.of(library, method)
        _picture(folder, report, f"tasks_{method}", f"Tasks by {method} embeddings", space.rows(),
                 lambda path, space=space: space.plot(path, ""))
    report.heading("Scores")
    report.table(scores.table())
    report.write(folder / "report.html")
    lines = [f"diverged, and does not count: {name}" for name in scores.diverged]
    if not whole:
        return [*lines, "no target has scores from two sources, so no method can be judged"]
    cells = [list(_shown(whole[0]))] + [list(_shown(row).values()) for row in whole]
    return [*lines, *aligned_table([[str(cell) for cell in row] for row in cells], [0])]


def _pictures(folder, report, scores, predictions, chosen, classes) -> None:
    shown = SHOWN if SHOWN in predictions else next(iter(predictions))
    rows = violin_rows(scores, chosen, classes, shown)
    _picture(folder, report, "violins", "Every target with every source", rows,
             lambda path: plot_violins(rows, path, shown))
    path = folder / "heat_map.png"
    heat = plot_heat_map(scores, classes, path)
    _picture(folder, report, "heat_map", "What every source changed", heat, None)
    main = {name: own for name, own in predictions.items() if _is_main(name)}
    alike = plot_agreement(*agreement(main), folder / "agreement.png")
    _picture(folder, report, "agreement", "Agreement of methods", alike, None)


def _picture(folder: Path, report: HtmlReport, name: str, title: str, rows, draw) -> None:
    path = folder / f"{name}.png"
    if draw is not None:
        draw(path)
    write_text(path.with_suffix(".csv"), csv_of_records(rows))
    report.heading(title)
    report.picture(path, title)


def _is_main(method: str) -> bool:
    """Whether it is a method, and no single component of one."""
    return not is_activation(method.removesuffix(", centred"))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    cells: dict[str, Any] = {"method": row["method"], "targets": row["targets"]}
    for name in MEASURES:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        digits = 2 if name == "average_rank" else 3
        if row[name] is None:
            cells[name] = "-"
        elif low is None:
            cells[name] = f"{row[name]:.{digits}f}"
        else:
            cells[name] = f"{row[name]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
    return cells


def _number(value: Any) -> Any:
    """The value, with None for what JSON has no number for."""
    return None if isinstance(value, float) and value != value else value

