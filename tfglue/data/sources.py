"""Where the rows of a task come from: the built-in sample, TFDS, a folder, or the user's files."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from tfglue import tasks
from tfglue.data.examples import Examples
from tfglue.data.held_out_source import HeldOutSource
from tfglue.data.reading import read_file
from tfglue.data.rows import read_examples
from tfglue.data.task_folder import PARENTS, find_folder, holds_files, is_own_folder
from tfglue.data.tfds_source import TfdsSource
from tfglue.errors import UserError, suggestion
from tfglue.tasks import glue
from tfglue.tasks.column_files import find_columns
from tfglue.tasks.files import find_label_column, find_text_columns
from tfglue.tasks.squad import QUESTION_METRICS
from tfglue.tasks.squad_document import SquadDocument
from tfglue.tasks.tables import Table
from tfglue.tasks.tags import with_found_tags
from tfglue.tasks.task import SquadFile, Task

SAMPLE_FOLDER = Path(tasks.__file__).parent / "sample"

_ENTRIES_SHOWN = 12


class Source(Protocol):
    """Splits of one task, each readable as `Examples`.

    Attributes:
        task: the task that the rows are read as.
        kind: ``sample``, ``tfds``, ``folder`` or ``files``.
        description: what a run prints and records about the source.
    """

    task: Task
    kind: str
    description: str

    def splits(self) -> tuple[str, ...]:
        """Names of the splits that are there, in the order of their declaration."""

    def read(self, split: str, labelled: bool = True) -> Examples:
        """Reads one split. `labelled=False` leaves labels aside, even where there are some."""


class FolderSource:
    """A task's files in the layout of its published download.

    Args:
        task: a task with declared files.
        folder: the folder that holds them.
        kind: ``folder``, or ``sample`` for the sentences shipped with the package.
        description: printed by runs; by default the folder.
    """

    def __init__(self, task: Task, folder: Path, kind: str = "folder", description: str = ""):
        self.task = task
        self.folder = Path(folder)
        self.kind = kind
        self.description = description or f"folder {folder}"

    def splits(self) -> tuple[str, ...]:
        """Splits whose file is there, in the order of their declaration."""
        return tuple(
            split for split, file in self.task.files.items() if (self.folder / file.name).is_file()
        )

    def read(
        self, split: str, labelled: bool = True, on_problem: Callable[[str], None] | None = None
    ) -> Examples:
        """Reads one split as `read_file` does. Raises UserError if the task has no such split."""
        if split not in self.task.files:
            raise _unknown_split(self.task, split, self.task.files)
        file = self.task.files[split]
        return read_file(self.folder / file.name, file, self.task, labelled, on_problem)


class FileSource:
    """The user's own files, one a split: TSV, CSV, JSON lines, columns, or SQuAD's JSON.

    Args:
        task: the task that the rows are read as.
        paths: split name -> file.
        text_columns: names of the text columns; by default found as `find_text_columns` does.
        label_column: name of the label column; by default found as `find_label_column` does.
            Test files may be without it.
    """

    kind = "files"

    def __init__(
        self,
        task: Task,
        paths: Mapping[str, Path | str],
        text_columns: tuple[str, ...] | None = None,
        label_column: str | None = None,
    ):
        self.task = task
        self.paths = {split: Path(path) for split, path in paths.items()}
        self.description = "files " + ", ".join(str(path) for path in self.paths.values())
        self._text_columns = text_columns
        self._label_column = label_column

    def splits(self) -> tuple[str, ...]:
        """The splits that files were given for."""
        return tuple(self.paths)

    def read(self, split: str, labelled: bool = True) -> Examples:
        """Reads one split. Raises UserError with file and line for what is not as expected."""
        if split not in self.paths:
            raise _unknown_split(self.task, split, self.paths)
        path = self.paths[split]
        optional = split.startswith("test")
        if self.task.kind in QUESTION_METRICS:
            file = SquadFile(path.name, labelled=not optional or SquadDocument(path).labelled)
            return read_file(path, file, self.task, labelled)
        if self.task.kind == "tag":
            file = find_columns(path, None if split in ("train", "dev") else self.task.labels)
            return read_file(path, file, self.task, labelled)
        table = Table(path)
        text = find_text_columns(table, self._text_columns, self.task)
        label = None
        if labelled:
            label = find_label_column(table, self._label_column, self.task, optional)
        return read_examples(table, self.task, text, label)


def open_source(task: Task, data: str | None = None) -> Source:
    """Opens the source that ``--data`` names for a task.

    Args:
        task: a declared task.
        data: ``sample``, ``tfds``, a folder (the task's own, or a root with known sub-folders), or
            ``task=DIR,task2=DIR2``, where each DIR may be any of the former. None takes
            ``$GLUE_DIR`` for a GLUE task if it is set, else ``sample``.

    A task that declares no dev file gets the held-out part of its training data as ``dev``. The
    source's `task` has the tags that were found, where the task declares none.

    Raises UserError for a name that is nothing of this, and for a folder without the task's files.
    """
    if not task.files:
        raise UserError(f"task '{task.name}' has no published files; pass them with --train_file")
    source = _open(task, data)
    if task.held_out and "dev" not in task.files:
        return HeldOutSource(source, task.held_out)
    return source


def _open(task: Task, data: str | None) -> Source:
    if data is None:
        glue_folder = os.environ.get("GLUE_DIR", "")
        if glue_folder and task.name in {glue_task.name for glue_task in glue.TASKS}:
            return _folder_source(task, glue_folder, "$GLUE_DIR")
        data = "sample"
    explicit = False
    if "=" in data and not Path(data).is_dir():
        data, explicit = _entry_of(task, data), True
    if data == "tfds":
        return TfdsSource(task)
    if data == "sample":
        folder = find_folder(task, SAMPLE_FOLDER)
        if folder is None:
            raise UserError(
                f"the built-in sample has nothing for task '{task.name}'; pass --data DIR with "
                f"{_file_names(task)}, or your own --train_file"
            )
        return FolderSource(task, folder, "sample", "sample (built-in sentences)")
    return _folder_source(task, data, "--data", explicit)


def _folder_source(task: Task, data: str, flag: str, explicit: bool = False) -> FolderSource:
    root = Path(data)
    if not root.is_dir():
        near = suggestion(data, ("sample", "tfds")) if flag == "--data" else ""
        raise UserError(f"{flag} {data}: no such folder{near} (sample, tfds, or a folder)")
    folder = find_folder(task, root)
    if folder is None and holds_files(task, root):
        # Files of this name alone prove little: RTE and WNLI share names, columns and labels.
        owner = next((other for other in _declared() if is_own_folder(other, root)), None)
        if owner and not explicit:
            raise UserError(
                f"{flag} {data}: this is the folder of task '{owner.name}', not of '{task.name}' "
                f"(to use it all the same: --data {task.name}={data})"
            )
        folder = root
    if folder is None:
        places = [f"{parent}/{name}".lstrip("/") for parent in PARENTS for name in task.folders]
        entries = sorted(entry.name for entry in root.iterdir())
        more = len(entries) - _ENTRIES_SHOWN
        raise UserError(
            f"{flag} {data}: no folder of task '{task.name}' (looked for {', '.join(places)} with "
            f"{_file_names(task)}; there is {', '.join(entries[:_ENTRIES_SHOWN]) or 'nothing'}"
            f"{f' and {more} more' if more > 0 else ''})"
        )
    note = " (from $GLUE_DIR)" if flag == "$GLUE_DIR" else ""
    task = with_found_tags(task, folder)
    return FolderSource(task, folder, description=f"folder {folder}{note}")


def _entry_of(task: Task, data: str) -> str:
    entries = {}
    for part in filter(None, (part.strip() for part in data.split(","))):
        name, equals, folder = part.partition("=")
        if not (equals and folder):
            raise UserError(f"--data {data}: '{part}' is not of the form task=DIR")
        entries[tasks.get(name).name] = folder
    if task.name not in entries:
        raise UserError(f"--data {data}: nothing for task '{task.name}'; add {task.name}=DIR")
    return entries[task.name]


def _declared() -> list[Task]:
    return [tasks.get(name) for name in tasks.names()]


def _file_names(task: Task) -> str:
    return ", ".join(sorted({file.name for file in task.files.values()}))


def _unknown_split(task: Task, split: str, known: Mapping) -> UserError:
    return UserError(
        f"task '{task.name}' has no split '{split}'{suggestion(split, known)} "
        f"(splits: {', '.join(known)})"
    )
