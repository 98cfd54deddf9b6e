"""Tables of predictions as targets: probabilities or scores by example id. No TensorFlow."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfglue.errors import UserError, suggestion
from tfglue.files import read_text
from tfglue.tasks.tables import parse_number
from tfglue.tasks.task import Task

_PROBABILITY = "probability_"
_ROUNDING, _FEW_DIGITS = 1e-6, 5e-3
"""How far from 1 probabilities may add up: as ours do, and in tables of others with few digits."""


def read_soft_targets(path: Path, task: Task, ids: Sequence[str]) -> np.ndarray:
    """Probabilities or scores of examples, from a table that ``predict`` wrote, or one like it.

    Rows may stand in any order, and may be of further examples; so may columns.

    Args:
        path: tab-separated with a header: ``id``, and ``probability_<label>`` for every label of
            the task, or ``score``.
        task: as the student has it.
        ids: of the examples.

    Returns:
        float64 (examples, labels), in the order of the task's labels, or (examples, 1).

    Raises:
        UserError: with file and line, for other classes, ids that are missing, blank or there
            twice, and numbers that are no probabilities.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    header = lines[0].split("\t")
    wanted = [_PROBABILITY + label for label in task.labels] or ["score"]
    _check_header(path, header, wanted, task)
    columns, id_column = [header.index(name) for name in wanted], header.index("id")
    found: dict[str, list[float]] = {}
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        if len(fields) != len(header):
            raise UserError(
                f"{path}:{number}: expected {len(header)} columns, found {len(fields)}"
            )
        row_id = fields[id_column]
        if row_id in found:
            raise UserError(f"{path}:{number}: id '{row_id}' comes twice; one row for each")
        values = [parse_number(fields[column]) for column in columns]
        if None in values:
            wrong = fields[columns[values.index(None)]]
            raise UserError(f"{path}:{number}: '{wrong}' is not a finite number")
        if task.labels:
            total = sum(values)
            if min(values) < 0 or abs(total - 1) > _FEW_DIGITS:
                raise UserError(f"{path}:{number}: the probabilities do not add up to 1")
            # What a run answered stays as it was written, to the last digit.
            if abs(total - 1) > _ROUNDING:
                values = [value / total for value in values]
        found[row_id] = values
    _check_ids(path, found, ids)
    return np.array([found[row_id] for row_id in ids], np.float64)


def _check_header(path: Path, header: list[str], wanted: list[str], task: Task) -> None:
    if "id" not in header:
        raise UserError(
            f"{path}:1: no column id; expected a table that python -m tfglue.predict --split train "
            "wrote"
        )
    missing = [name for name in wanted if name not in header]
    if missing:
        what = "a score" if not task.labels else f"every class of it ({', '.join(task.labels)})"
        raise UserError(
            f"{path}:1: no column {missing[0]}, and a teacher of {task.name} must give "
            f"{what}{suggestion(missing[0], set(header) - set(wanted))}"
        )
    others = [name for name in header if name.startswith(_PROBABILITY) and name not in wanted]
    if others:
        raise UserError(
            f"{path}:1: {others[0]} is of a class that {task.name} does not have "
            f"({', '.join(task.labels) or 'it has scores'}); the teacher is of another label set"
        )


def _check_ids(path: Path, found: dict[str, list[float]], ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise UserError(
            f"{path}: training examples share ids, so predictions cannot be joined to them by id; "
            "name the teacher's run instead of a table"
        )
    missing = [row_id for row_id in ids if row_id not in found]
    if missing:
        raise UserError(
            f"{path}: no prediction for {len(missing):,} of {len(ids):,} training examples, id "
            f"'{missing[0]}' the first; predict the split that the student trains on"
        )
