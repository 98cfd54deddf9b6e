"""Sentences of words, each with a tag: the examples of sequence labelling."""

from dataclasses import dataclass, replace

import numpy as np

from tfglue.data.examples import Examples, encoded
from tfglue.tasks.task import ColumnFile


@dataclass(frozen=True, kw_only=True)
class TaggedSentences(Examples):
    """Sentences as words and tags, held flat.

    Args:
        ids, origin, skipped: as in `Examples`; `skipped` counts sentences.
        words: the words of all sentences in a row.
        row_splits: int64 (sentences + 1,), the borders between sentences.
        tags: int32 (words,), tag ids; None if unlabelled.
        lines: for each sentence its lines in the file, from which predictions are written in the
            file's own columns; None where there was no such file.
        line_of_word: int32 (words,), which line of its sentence a word stands in; None likewise.
        file: what that file looks like; None likewise.
    """

    words: list[str]
    row_splits: np.ndarray
    tags: np.ndarray | None
    lines: list[list[str]] | None = None
    line_of_word: np.ndarray | None = None
    file: ColumnFile | None = None

    @property
    def labelled(self) -> bool:
        """Whether the words have tags."""
        return self.tags is not None

    @property
    def strata(self) -> np.ndarray:
        """All sentences count alike."""
        return np.zeros(len(self), np.int32)

    @property
    def shown_texts(self) -> list[str]:
        """The words of every sentence, between blanks."""
        return [" ".join(self.sentence(row)) for row in range(len(self))]

    @property
    def word_counts(self) -> np.ndarray:
        """int64 (sentences,): words."""
        return np.diff(self.row_splits)

    def sentence(self, row: int) -> list[str]:
        """Words of one sentence."""
        return self.words[self.row_splits[row] : self.row_splits[row + 1]]

    def take(self, rows: np.ndarray) -> "TaggedSentences":
        """The chosen sentences, in the order of `rows`."""
        lengths = np.diff(self.row_splits)[rows]
        splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(splits[-1]) + np.repeat(self.row_splits[rows] - splits[:-1], lengths)
        return TaggedSentences(
            ids=[self.ids[row] for row in rows],
            origin=self.origin,
            skipped=self.skipped,
            words=[self.words[place] for place in places],
            row_splits=splits,
            tags=None if self.tags is None else self.tags[places],
            lines=None if self.lines is None else [self.lines[row] for row in rows],
            line_of_word=None if self.line_of_word is None else self.line_of_word[places],
            file=self.file,
        )

    def unlabelled(self) -> "TaggedSentences":
        """The sentences without tags."""
        return replace(self, tags=None)

    def content(self) -> list[bytes]:
        """Words, where sentences end, and tags."""
        tags = b"" if self.tags is None else self.tags.astype(np.int32).tobytes()
        return [encoded(self.words), self.row_splits.astype(np.int64).tobytes(), tags]
