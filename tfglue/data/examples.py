"""Rows of one split as text, before any tokenizer."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfglue.files import digest_bytes


@dataclass(frozen=True)
class Examples:
    """One split of a task, column by column.

    Args:
        ids: one string a row, as it appears in prediction files.
        texts: one list of strings for every text field of the task.
        labels: class ids (int32) or scores (float32) of shape (rows,); None if unlabelled.
        origin: where the rows came from, for people (a path, a TFDS name).
        skipped: how many rows of the source were left out by the task's declaration.
    """

    ids: list[str]
    texts: tuple[list[str], ...]
    labels: np.ndarray | None
    origin: str
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def digest(self) -> str:
        """SHA-256 of ids, texts and labels: what `run.yaml` records of the data."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        columns = [
            "\0".join(column).encode("utf-8", "surrogatepass")
            for column in (self.ids, *self.texts)
        ]
        labels = b"" if self.labels is None else np.ascontiguousarray(self.labels).tobytes()
        return digest_bytes(*columns, labels)

    def take(self, rows: np.ndarray) -> "Examples":
        """The chosen rows, in the order of `rows`."""
        return Examples(
            ids=[self.ids[row] for row in rows],
            texts=tuple([column[row] for row in rows] for column in self.texts),
            labels=None if self.labels is None else self.labels[rows],
            origin=self.origin,
            skipped=self.skipped,
        )
