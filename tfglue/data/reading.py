"""A split's file as examples, whatever its format."""

from collections.abc import Callable
from pathlib import Path

from tfglue.data.examples import Examples
from tfglue.data.rows import read_examples
from tfglue.data.squad_json import read_questions
from tfglue.data.word_columns import read_sentences
from tfglue.tasks.tables import Table
from tfglue.tasks.task import AnyFile, ColumnFile, SplitFile, SquadFile, Task


def read_file(
    path: Path,
    file: AnyFile,
    task: Task,
    labelled: bool = True,
    on_problem: Callable[[str], None] | None = None,
) -> Examples:
    """Reads one file as its declaration says.

    Args:
        path: where the file is.
        file: what it looks like.
        task: gives the labels.
        labelled: whether labels are read, where the file has some.
        on_problem: called with ``"path:line: message"`` for each bad row, question or line, which
            is then left out; by default the first one raises.

    Raises:
        UserError: for a file that is missing, empty or not as declared, with file and line.
    """
    labelled = labelled and file.labelled
    if isinstance(file, SquadFile):
        return read_questions(path, task, labelled, on_problem)
    if isinstance(file, ColumnFile):
        return read_sentences(path, file, task, labelled, on_problem)
    return read_examples(table_of(path, file, on_problem), task, file.text,
                         file.label if labelled else None)


def table_of(
    path: Path, file: SplitFile, on_problem: Callable[[str], None] | None = None
) -> Table:
    """The file as a table. Raises UserError for a file that is missing, empty or no table."""
    return Table(
        path,
        header=file.header,
        width=file.columns,
        skip_broken_rows=file.skip_broken_rows,
        on_problem=on_problem,
    )
