"""The tags of a task that declares none: found in its files, or listed in one of their own."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tfglue.errors import UserError
from tfglue.tasks.sentence_file import SentenceFile
from tfglue.tasks.task import ColumnFile, Task
from tfglue.tasks.text_lines import read_lines

OUTSIDE = "O"
ENTITY_METRICS = ("entity_f1", "precision", "recall")

# More than any tag set has (CCGbank's is the largest, with some 1,300); a column of words has more.
LARGEST_TAG_COUNT = 5000

_ENTITY_TAG = re.compile(r"O|[BIES]-.+")


def find_tags(
    files: Mapping[Path, ColumnFile], on_problem: Callable[[str], None] | None = None
) -> tuple[str, ...]:
    """All tags of labelled files, ``O`` first where it occurs, the others by name.

    Args:
        files: paths, and what each file looks like.
        on_problem: as in `SentenceFile`.

    Raises UserError for a file that cannot be read, and for tags that are too many or too few.
    """
    counts = Counter()
    for path, file in files.items():
        counts += count_tags(path, file, on_problem)
    return sorted_tags(counts, ", ".join(map(str, files)))


def with_found_tags(
    task: Task, folder: Path, on_problem: Callable[[str], None] | None = None
) -> Task:
    """The task with the tags of its labelled files in a folder, where it declares none.

    Raises UserError as `find_tags` does.
    """
    if task.kind != "tag" or task.labels:
        return task
    files = {folder / file.name: file for file in task.files.values() if file.labelled}
    present = {path: file for path, file in files.items() if path.is_file()}
    return replace(task, labels=find_tags(present, on_problem))


def count_tags(
    path: Path, file: ColumnFile, on_problem: Callable[[str], None] | None = None
) -> Counter[str]:
    """How often each tag occurs in a file. Raises UserError for a file that cannot be read."""
    counts = Counter()
    for sentence in SentenceFile(path, file, on_problem=on_problem):
        counts.update(sentence.tags)
    return counts


def sorted_tags(tags: Iterable[str], origin: str) -> tuple[str, ...]:
    """Tags in the order of their ids: ``O`` first where it is one of them, the others by name.

    Raises UserError if there are too many or too few to learn; `origin` tells where they are from.
    """
    ordered = tuple(sorted(set(tags), key=lambda tag: (tag != OUTSIDE, tag)))
    if len(ordered) > LARGEST_TAG_COUNT:
        raise UserError(
            f"{origin}: {len(ordered):,} different tags, more than {LARGEST_TAG_COUNT:,}; is the "
            "tag the last column?"
        )
    if len(ordered) < 2:
        raise UserError(f"{origin}: every word has tag '{''.join(ordered)}'; two tags are needed")
    return ordered


def read_tag_file(path: Path | str) -> tuple[str, ...]:
    """The tags that a file lists in the order of their ids, one a line.

    Raises UserError for a file that is missing or empty, and with file and line for lines that are
    blank, hold more than a tag, or repeat one.
    """
    lines: dict[str, int] = {}
    blank = 0
    for line, text in read_lines(Path(path), lambda line, message: _fail(path, line, message)):
        if not text.strip():
            blank = blank or line
            continue
        if blank:
            _fail(path, blank, "the line is blank; expected one tag a line")
        tag = text.strip()
        if len(tag.split()) > 1:
            _fail(path, line, f"expected one tag a line, found '{tag}'")
        if tag in lines:
            _fail(path, line, f"tag '{tag}' stands in line {lines[tag]} already")
        lines[tag] = line
    if not lines:
        raise UserError(f"{path}: the file is empty; expected one tag a line")
    return tuple(lines)


def tag_metrics(tags: Iterable[str]) -> tuple[str, ...]:
    """Metrics that fit a set of tags: of entities where they mark where entities begin and end."""
    entities = all(_ENTITY_TAG.fullmatch(tag) for tag in tags)
    return ENTITY_METRICS if entities else ("accuracy",)


def _fail(path: Path | str, line: int, message: str) -> None:
    raise UserError(f"{path}:{line}: {message}")
