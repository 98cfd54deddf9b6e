"""From the rows of a table to examples, by a task's declaration."""

from collections.abc import Sequence

import numpy as np

from tfglue.data.examples import TextExamples
from tfglue.data.labels import LabelParser
from tfglue.data.ranked_examples import RIGHT, grouped
from tfglue.errors import UserError
from tfglue.tasks.tables import Table, holds_tab_or_break
from tfglue.tasks.task import Column, Task

_QUERY_SHOWN = 60

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
        of the row in the file. `skipped` counts broken rows and ignored labels. Of kind rank they
        are `RankedExamples`, see `as_declared`.

    Raises UserError for a missing column, and for a file in which no row is left.
    """
    wanted = [*text] if label is None else [*text, label]
    named = [name for name in ID_COLUMNS if name in (table.columns or ()) and name not in wanted]
    columns = wanted + named[:1]
    parse = LabelParser(task)
    ids: list[str] = []
    texts: list[list[str]] = [[] for _ in text]
    labels: list[float] = []
    lines: list[int] = []
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
        lines.append(line)
        for column, part in zip(texts, parts, strict=True):
            column.append(part)
    if not ids:
        raise UserError(f"{table.path}: no row is left to use")
    found = TextExamples(
        ids=ids,
        texts=tuple(texts),
        labels=None if label is None else np.asarray(labels, task.label_dtype),
        origin=str(table.path),
        skipped=table.skipped + ignored,
    )
    return as_declared(found, task, [f"{table.path}:{line}" for line in lines])


def as_declared(examples: TextExamples, task: Task, places: Sequence[str]) -> TextExamples:
    """The examples, those of kind rank in groups of one query.

    Args:
        examples: rows of texts.
        task: says what they are.
        places: where each stands, for messages.

    Raises:
        UserError: the task wants one right candidate of every query, and one has none or several.
    """
    if task.kind != "rank":
        return examples
    for place, query in zip(places, examples.texts[0], strict=True):
        if not query.strip():
            raise UserError(f"{place}: the query is blank; every candidate needs one")
    found = grouped(examples, task.paired_lines)
    if not found.labelled or task.partial_groups:
        return found
    wrong = found.right_counts != 1
    if wrong.any():
        row = int(np.argmax(wrong[found.group_of_example]))
        count = int(found.right_counts[found.group_of_example[row]])
        query = found.texts[0][row]
        shown = query if len(query) <= _QUERY_SHOWN else query[:_QUERY_SHOWN] + "..."
        raise UserError(
            f"{places[row]}: query '{shown}' has {count or 'no'} right candidate"
            f"{'s' * (count > 1)} (label {task.labels[RIGHT]}); every query needs exactly one "
            f"({int(wrong.sum())} of {len(wrong)} have not)"
        )
    return found
