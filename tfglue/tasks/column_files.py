"""The user's own files of words in columns as a task: tags found out and told."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from tfglue.errors import UserError
from tfglue.tasks.sentence_file import CONLLU_TAG, CONLLU_WORD, SentenceFile
from tfglue.tasks.tags import count_tags, read_tag_file, sorted_tags, tag_metrics
from tfglue.tasks.task import ColumnFile, Task

TAG_SUFFIXES = (".conll", ".conllu", ".iob", ".bio")

_TAGS_SHOWN = 20


def hold_tags(paths: Mapping[str, str], kind: str | None, base: Task | None) -> bool:
    """Whether files hold words and tags: by the task's kind, else by the name of the first."""
    kind = kind if base is None else base.kind
    if kind is None:
        return Path(next(iter(paths.values()))).suffix.lower() in TAG_SUFFIXES
    return kind == "tag"


def task_from_columns(
    name: str,
    paths: Mapping[str, str],
    kind: str | None = None,
    base: Task | None = None,
    labels: str | None = None,
) -> tuple[Task, list[str]]:
    """Makes a task of the user's own files of words and tags, as `task_from_files` says.

    Args:
        name: the task's name.
        paths: split name -> file, ``train`` first.
        kind: ``tag`` where the user asked for it.
        base: a declared task whose tags the files follow, where it has some.
        labels: a file that lists the tags.

    Returns:
        The task, and lines that tell what was found.

    Raises UserError for a file without words or without tags, and for tags too many or too few.
    """
    known = read_tag_file(labels) if labels else base.labels if base is not None else ()
    files: dict[str, ColumnFile] = {}
    counts: Counter[str] = Counter()
    for split, path in paths.items():
        optional = None if split in ("train", "dev") else known or tuple(counts)
        files[split] = find_columns(path, optional)
        if files[split].labelled and not known:
            counts += count_tags(Path(path), files[split])
    lines = [_columns_line(paths, files)]
    if base is not None and base.labels and not labels:
        return base, lines
    if not known and "train" not in paths:
        raise UserError(f"task '{name}': its tags are found in --train_file, or give --labels FILE")
    tags = known or sorted_tags(counts, ", ".join(paths.values()))
    origin = f"from {labels}" if labels else "found"
    how = "inferred" if kind is None and base is None else "as asked"
    lines.append(f"kind tag ({how}): {len(tags)} tags {origin}: {_shown(tags, counts)}")
    if base is not None:
        return replace(base, labels=tags, file_labels=()), lines
    task = Task(
        name=name, kind="tag", text_fields=("words",), metrics=tag_metrics(tags), labels=tags
    )
    return task, lines


def find_columns(path: Path | str, known: Collection[str] | None = None) -> ColumnFile:
    """What a user's file looks like: the word first and the tag last, or the columns of CoNLL-U.

    Args:
        path: the file.
        known: the task's tags, for a file that may be without them: it has a column of tags if
            most of what stands there is among these. None for a file that must have it.

    Raises UserError for a file that is missing or without words.
    """
    name = Path(path).name
    file = ColumnFile(name)
    if file.conllu:
        file = ColumnFile(name, CONLLU_WORD, CONLLU_TAG)
    if known is None:
        SentenceFile(path, file)
        return file
    if SentenceFile(path, file, labelled=False).width == 1:
        return replace(file, tag=None)
    counts = count_tags(Path(path), file, on_problem=lambda problem: None)
    tagged = sum(counts[tag] for tag in known)
    return file if 2 * tagged > counts.total() else replace(file, tag=None)


def _columns_line(paths: Mapping[str, str], files: Mapping[str, ColumnFile]) -> str:
    found: dict[str, list[str]] = {}
    for split, file in files.items():
        width = SentenceFile(paths[split], file).width
        tag = None if file.tag is None else file.tag % width + 1
        told = f"tag from column {tag}" if file.labelled else "no tags"
        found.setdefault(f"word from column {file.word + 1}, {told}", []).append(split)
    return "; ".join(f"{', '.join(splits)}: {told}" for told, splits in found.items())


def _shown(tags: Collection[str], counts: Counter[str]) -> str:
    shown = [f"{tag} ({counts[tag]:,})" if counts else tag for tag in tags]
    more = len(shown) - _TAGS_SHOWN
    return ", ".join(shown[:_TAGS_SHOWN]) + (f" and {more} more" if more > 0 else "")
