"""The source of plain text files, which a language model learns from."""

from functools import cached_property
from pathlib import Path

from tfglue.data.held_out_source import HeldOutSource
from tfglue.data.text_sections import TextSections, read_sections
from tfglue.errors import UserError
from tfglue.tasks.language_model import language_model_task
from tfglue.tasks.task import Task


class TextSource:
    """Text files, a sentence a line, blank lines between documents.

    Args:
        task: the task that the text is read as.
        paths: the files.
        split: what all of the text is.

    Raises:
        UserError: a file is named twice.
    """

    kind = "files"

    def __init__(self, task: Task, paths: list[Path], split: str = "train"):
        for path in paths:
            if paths.count(path) > 1:
                raise UserError(f"{path}: is named twice; name every file once")
            if not path.exists():
                raise UserError(f"{path}: no such file; name files of plain text")
        self.task = task
        self.paths = paths
        self.split = split
        self.description = "text " + ", ".join(map(str, paths))

    def splits(self) -> tuple[str, ...]:
        """The one that there is."""
        return (self.split,)

    def read(self, split: str, labelled: bool = True) -> TextSections:
        """Reads the files.

        Raises UserError for another split, and for a file that is missing, a folder, not UTF-8, or
        without text.
        """
        if split != self.split:
            raise UserError(f"{self.description}: no split '{split}'; all of it is {self.split}")
        return self._sections

    @cached_property
    def _sections(self) -> TextSections:
        return read_sections(self.paths)


def open_text(
    text: str, next_sentence: bool, dev_fraction: float
) -> tuple[Task, TextSource | HeldOutSource]:
    """The task and the source that ``--text`` means.

    Args:
        text: paths, joined by commas.
        next_sentence: whether rows are pairs.
        dev_fraction: share of the sections that is held out as ``dev``; 0 for none.

    Raises:
        UserError: no file is named, or one twice.
    """
    paths = [Path(part.strip()) for part in text.split(",") if part.strip()]
    if not paths:
        raise UserError("--text: names no file")
    task = language_model_task(next_sentence)
    source = TextSource(task, paths)
    return task, HeldOutSource(source, dev_fraction) if dev_fraction else source
