"""Files of words in columns as tagged sentences."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfglue.data.labels import LabelParser
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.errors import UserError
from tfglue.tasks.sentence_file import SentenceFile
from tfglue.tasks.task import ColumnFile, Task


def read_sentences(
    path: Path,
    file: ColumnFile,
    task: Task,
    labelled: bool = True,
    on_problem: Callable[[str], None] | None = None,
) -> TaggedSentences:
    """Reads one file of words in columns: CoNLL-2000, CoNLL-2003, CoNLL-U and their like.

    Args:
        path: where the file is.
        file: where words and tags stand.
        task: gives the tags in the order of their ids.
        labelled: whether tags are read, where the file has some.
        on_problem: called with ``"path:line: message"`` for each sentence that a bad line, an
            unknown tag among them, leaves out; by default the first one raises.

    Returns:
        Sentences whose ids are their ``sent_id`` in CoNLL-U, where each has its own, else their
        0-based numbers in the file.

    Raises UserError for a file that is missing, without words, or not as declared.
    """
    labelled = labelled and file.labelled
    source = SentenceFile(path, file, labelled, on_problem)
    parse = LabelParser(task)
    names: list[str] = []
    numbers: list[str] = []
    words: list[str] = []
    tags: list[float] = []
    lengths: list[int] = []
    lines: list[list[str]] = []
    line_of_word: list[int] = []
    for sentence in source:
        parsed = [parse(tag) for tag in sentence.tags]
        wrong = next((word for word, (_, problem) in enumerate(parsed) if problem), None)
        if wrong is not None:
            source.problem(sentence.line + sentence.places[wrong], parsed[wrong][1])
            continue
        names.append(sentence.name)
        numbers.append(str(sentence.number))
        words += sentence.words
        tags += [tag for tag, _ in parsed]
        lengths.append(len(sentence.words))
        lines.append(sentence.lines)
        line_of_word += sentence.places
    if not words:
        raise UserError(f"{path}: no sentence is left to use")
    named = "" not in names and len(set(names)) == len(names)
    return TaggedSentences(
        ids=names if named else numbers,
        origin=str(path),
        words=words,
        row_splits=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tags=np.asarray(tags, np.int32) if labelled else None,
        lines=lines,
        line_of_word=np.asarray(line_of_word, np.int32),
        # A single column cannot be the tag's, whatever the declaration says.
        file=replace(file, tag=None) if source.width == 1 else file,
    )
