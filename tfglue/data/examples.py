"""One split of a task before any tokenizer, whatever its rows are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from tfglue.files import digest_bytes


@dataclass(frozen=True, kw_only=True)
class Examples(ABC):
    """What texts, questions and tagged sentences have in common.

    Args:
        ids: one string an example, as it appears in prediction files.
        origin: where the examples came from, for people (a path, a TFDS name).
        skipped: how many of the source were left out by the task's declaration.
    """

    ids: list[str]
    origin: str
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    @abstractmethod
    def labelled(self) -> bool:
        """Whether gold labels are known."""

    @property
    @abstractmethod
    def strata(self) -> np.ndarray:
        """One number an example; subsets keep the proportions of equal ones."""

    @property
    def groups(self) -> np.ndarray:
        """One number an example; equal ones belong on the same side when data are split."""
        return np.arange(len(self))

    @property
    def units(self) -> np.ndarray:
        """One number an example; subsets and requests take equal ones together, or none."""
        return np.arange(len(self))

    @property
    @abstractmethod
    def shown_texts(self) -> list[str]:
        """One text an example, for tables; of questions the question alone."""

    @property
    @abstractmethod
    def word_counts(self) -> np.ndarray:
        """int64 (examples,): words between white space; of questions those of the passage."""

    def check_scored(self) -> None:
        """Raises UserError, in one line, where labels are there and yet nothing can be scored."""
        return

    @abstractmethod
    def take(self, rows: np.ndarray) -> "Examples":
        """The chosen examples, in the order of `rows`."""

    @abstractmethod
    def unlabelled(self) -> "Examples":
        """The examples without their labels."""

    @abstractmethod
    def content(self) -> list[bytes]:
        """All that is known of the examples, beside ids, as bytes for the digest."""

    def digest(self) -> str:
        """SHA-256 of ids, texts and labels: what `run.yaml` records of the data."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_bytes(encoded(self.ids), *self.content())


def encoded(texts: Sequence[str]) -> bytes:
    """Texts as bytes for a digest, lone surrogates included."""
    return "\0".join(texts).encode("utf-8", "surrogatepass")


@dataclass(frozen=True, kw_only=True)
class TextExamples(Examples):
    """Rows of one or two texts, column by column.

    Args:
        ids, origin, skipped: as in `Examples`.
        texts: one list of strings for every text field of the task.
        labels: class ids (int32) or scores (float32) of shape (rows,); None if unlabelled.
    """

    texts: tuple[list[str], ...]
    labels: np.ndarray | None

    @property
    def labelled(self) -> bool:
        """Whether the rows have labels."""
        return self.labels is not None

    @property
    def strata(self) -> np.ndarray:
        """Classes, or quintiles of scores."""
        if not np.issubdtype(self.labels.dtype, np.floating):
            return self.labels
        return np.searchsorted(np.quantile(self.labels, [0.2, 0.4, 0.6, 0.8]), self.labels)

    @property
    def shown_texts(self) -> list[str]:
        """The texts of every row, pairs with ``|||`` between them."""
        return [" ||| ".join(row) for row in zip(*self.texts, strict=True)]

    @property
    def word_counts(self) -> np.ndarray:
        """int64 (rows,): words of all fields."""
        return np.array([sum(len(text.split()) for text in row)
                         for row in zip(*self.texts, strict=True)], np.int64)

    def take(self, rows: np.ndarray) -> "TextExamples":
        """The chosen rows, in the order of `rows`."""
        return TextExamples(
            ids=[self.ids[row] for row in rows],
            origin=self.origin,
            skipped=self.skipped,
            texts=tuple([column[row] for row in rows] for column in self.texts),
            labels=None if self.labels is None else self.labels[rows],
        )

    def unlabelled(self) -> "TextExamples":
        """The rows without labels."""
        return replace(self, labels=None)

    def content(self) -> list[bytes]:
        """Texts and labels."""
        labels = b"" if self.labels is None else np.ascontiguousarray(self.labels).tobytes()
        return [*map(encoded, self.texts), labels]
