"""Rows of tensorflow-datasets as tagged sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfglue.data.labels import LabelParser
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.errors import UserError
from tfglue.tasks.task import Task

# What TFDS makes of a head that CoNLL-U leaves open.
_NO_HEAD = b"None"


def sentences_of_rows(
    rows: Sequence[Mapping[str, Any]],
    task: Task,
    tag_names: Sequence[str],
    origin: str,
    labelled: bool,
) -> TaggedSentences:
    """Makes sentences of rows that hold one array of words and one of tags.

    Args:
        rows: the rows as NumPy values.
        task: gives the features, and the tags in the order of our ids.
        tag_names: the tags in the order of the ids in `rows`.
        origin: as in `Examples`.
        labelled: whether tags are read.

    Returns:
        Sentences whose ids are the rows' ``idx``, where each has its own, else their numbers.

    Raises UserError for a tag that the task does not have, and for rows without any words.
    """
    (text,), label = task.tfds.text, task.tfds.label
    parse = LabelParser(task)
    ids: list[str] = []
    words: list[str] = []
    tags: list[int] = []
    lengths: list[int] = []
    for number, row in enumerate(rows):
        # In Universal Dependencies, ranges and empty nodes stand among the words; they alone have
        # no head.
        held = [
            place
            for place in range(len(row[text]))
            if "head" not in row or row["head"][place] != _NO_HEAD
        ]
        # TFDS ends CoNLL's files with a sentence of no words.
        if not held:
            continue
        ids.append(row["idx"].decode() if "idx" in row else str(number))
        words += [row[text][place].decode() for place in held]
        lengths.append(len(held))
        if labelled:
            tags += [
                _tag_id(parse, tag_names[row[label][place]], origin, ids[-1]) for place in held
            ]
    if not words:
        raise UserError(f"{origin}: there are no words in it")
    return TaggedSentences(
        ids=ids if len(set(ids)) == len(ids) else [str(number) for number in range(len(ids))],
        origin=origin,
        words=words,
        row_splits=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        tags=np.asarray(tags, np.int32) if labelled else None,
    )


def _tag_id(parse: LabelParser, tag: str, origin: str, sentence: str) -> int:
    tag_id, problem = parse(tag)
    if problem:
        raise UserError(f"{origin}: sentence {sentence}: {problem}")
    return int(tag_id)
