"""From the rows of a table to examples, by a task's declaration."""

from collections.abc import Sequence

import numpy as np

from tfglue.data.examples import TextExamples
from tfglue.data.labels import LabelParser
from tfglue.errors import UserError
from tfglue.tasks.tables import Table, holds_tab_or_break
from tfglue.tasks.task import Column, Task

ID_COLUMNS = ("index", "id", "idx")


def read_examples(
    table: Table, task: Task, text: Sequence[Column], label: Column | None
) -> TextExamples:
    """Reads a table's rows as examples of a task.

    Args:
        table: the file; each bad row goes to its `problem`.
        task: gives the labels, those to ignore, or the range of the scores.
        text: one column for every text field of the task.
        label: the label's column; None reads the rows without labels.

    Returns:
        Examples whose ids are the column ``index``, ``id`` or ``idx``, or else the 0-based number
        of the row in the file. `skipped` counts broken rows and ignored labels.

    Raises UserError for a missing column, and for a file in which no row is left.
    """
    wanted = [*text] if label is None else [*text, label]
    named = [name for name in ID_COLUMNS if name in (table.columns or ()) and name not in wanted]
    columns = wanted + named[:1]
    parse = LabelParser(task)
    ids: list[str] = []
    texts: list[list[str]] = [[] for _ in text]
    labels: list[float] = []
    ignored = 0
    for number, (line, values) in enumerate(table.rows(columns)):
        parts = values[: len(texts)]
        if not "".join(parts).strip():
            table.problem(line, "the text is blank")
            continue
        row_id = values[-1] if named else str(number)
        if named and holds_tab_or_break(row_id):
            table.problem(line, f"id {row_id!r} holds a tab or line break")
            continue
        if label is not None:
            written = values[len(texts)]
            if written in task.ignored_labels:
                ignored += 1
                continue
            value, problem = parse(written)
            if problem:
                table.problem(line, problem)
                continue
            labels.append(value)
        ids.append(row_id)
        for column, part in zip(texts, parts, strict=True):
            column.append(part)
    if not ids:
        raise UserError(f"{table.path}: no row is left to use")
    return TextExamples(
        ids=ids,
        texts=tuple(texts),
        labels=None if label is None else np.asarray(labels, task.label_dtype),
        origin=str(table.path),
        skipped=table.skipped + ignored,
    )
