"""Predictions of a run, read back from its folder. Loads no TensorFlow."""

from collections.abc import Sequence
from pathlib import Path

from tfglue.errors import UserError, suggestion
from tfglue.files import read_text
from tfglue.tasks.tables import parse_number
from tfglue.tasks.task import Task

_ROUNDING = 1e-8  # Probabilities are written with nine significant digits.


def read_answers(path: Path, task: Task, ids: Sequence[str]) -> list[str]:
    """The ``label`` column of a file that `KeptPredictions.write` wrote, every line checked.

    Args:
        path: the file.
        task: the task as the run answers it; its labels are in the order of the columns.
        ids: the rows that must be answered, in their order.

    Returns:
        One label a row, or one score as it is written.

    Raises:
        UserError: with file and line, for anything that a whole file would not hold: other columns
            or ids, too few or too many rows, unknown labels, labels that are not the most probable,
            numbers that are none.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    numbers = [f"probability_{label}" for label in task.labels] or ["score"]
    header = ["id", "label", *numbers]
    if lines[0].split("\t") != header:
        raise UserError(f"{path}:1: expected the columns {', '.join(header)}")
    labels = {label: position for position, label in enumerate(task.labels)}
    answers = []
    for number, (line, row_id) in enumerate(zip(lines[1:], ids, strict=False), start=2):
        fields = line.split("\t")
        problem = _problem(fields, header, labels, row_id)
        if problem:
            raise UserError(f"{path}:{number}: {problem}")
        answers.append(fields[1])
    if len(lines) - 1 != len(ids):
        number = min(len(lines) - 1, len(ids)) + 1
        raise UserError(f"{path}:{number}: {len(lines) - 1:,} rows, expected {len(ids):,}")
    return answers


def _problem(
    fields: Sequence[str], header: Sequence[str], labels: dict[str, int], row_id: str
) -> str:
    if len(fields) != len(header):
        return f"expected {len(header)} columns, found {len(fields)}"
    if fields[0] != row_id:
        return f"expected id '{row_id}', found '{fields[0]}'"
    values = [parse_number(text) for text in fields[2:]]
    if None in values:
        return f"'{fields[2 + values.index(None)]}' is not a finite number"
    label = fields[1]
    if not labels:
        return "" if label == fields[2] else f"label {label} is not the score {fields[2]}"
    if label not in labels:
        return f"unknown label '{label}'{suggestion(label, labels)} ({', '.join(labels)})"
    if min(values) < 0 or abs(sum(values) - 1) > _ROUNDING * len(values):
        return "the probabilities do not add up to 1"
    if values[labels[label]] < max(values) - _ROUNDING:
        return f"label '{label}' is not the most probable one"
    return ""
