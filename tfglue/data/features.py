"""Token ids of text fields packed into BERT's input: [CLS] a [SEP] b [SEP]."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from tfglue.data.masking import MaskedTokens, Masking

TokenColumn = tuple[np.ndarray, np.ndarray]
"""Token ids of one text field: flat values int32 (total,) and row splits int64 (rows + 1,)."""

NO_LABEL = -1
"""Stands for the label of what has none: it is no part of the loss."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Packed rows of one split, held once as one ragged array and never padded.

    Args:
        token_ids: flat int32 ids of all rows, special tokens included.
        row_splits: int64 (rows + 1,); row i is ``token_ids[row_splits[i]:row_splits[i + 1]]``.
        first_lengths: int32 (rows,): how many tokens belong to segment 0, so [CLS] a [SEP].
        labels: int32 class ids or float32 scores (rows,), several of them (rows, labels), or one
            for every token (tokens,); `NO_LABEL` where there is none. None if unlabelled.
        label_per_token: whether labels are those of tokens.
        truncated: how many rows lost tokens to the maximum length.
        stored: hidden states of the rows, if they were computed before: has ``padded(rows, time)``,
            see `tfglue.activations.store.StoredRows`.
        targets: what else a loss reads of labelled rows, by its name in a batch: (rows, ...) each.
        masking: how tokens are masked, drawn anew for every epoch; None for no masked tokens.
        masked: those of an epoch; None before one was asked for.
    """

    token_ids: np.ndarray
    row_splits: np.ndarray
    first_lengths: np.ndarray
    labels: np.ndarray | None = None
    label_per_token: bool = False
    truncated: int = 0
    stored: Any = None
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    masking: "Masking | None" = None
    masked: "MaskedTokens | None" = None

    group_of_row = None
    """int64 (rows,), where the loss of a row depends on others: all rows of a group share a forward
    pass."""

    def __len__(self) -> int:
        return len(self.first_lengths)

    @cached_property
    def loss_terms(self) -> np.ndarray:
        """int64 (rows,): how many losses a row has, which the loss of an update is the mean of."""
        if self.label_per_token:
            seen = np.concatenate([[0], np.cumsum(self.labels != NO_LABEL)])
            return np.diff(seen[self.row_splits])
        if self.labels.ndim == 2:
            return np.all(self.labels != NO_LABEL, axis=1).astype(np.int64)
        return np.ones(len(self), np.int64)

    @property
    def example_of_row(self) -> np.ndarray:
        """Which example each row is of, int64 (rows,)."""
        return np.arange(len(self))

    def of_epoch(self, epoch: int) -> "Features":
        """The rows as an epoch of training sees them: with the tokens that are masked in it."""
        if self.masking is None:
            return self
        masked = self.masking.draw(self.token_ids, self.row_splits, epoch)
        return replace(self, masked=masked)

    def take(self, rows: np.ndarray) -> "Features":
        """The named rows in this order, as plain features without stored states or masks."""
        lengths = self.lengths[rows]
        splits = np.concatenate([[0], np.cumsum(lengths)])
        tokens = np.arange(splits[-1]) + np.repeat(self.row_splits[rows] - splits[:-1], lengths)
        labels = self.labels
        if labels is not None:
            labels = labels[tokens] if self.label_per_token else labels[rows]
        return Features(
            token_ids=self.token_ids[tokens],
            row_splits=splits,
            first_lengths=self.first_lengths[rows],
            labels=labels,
            label_per_token=self.label_per_token,
            targets={name: values[rows] for name, values in self.targets.items()},
        )

    def rows(self, begin: int, end: int) -> "Features":
        """The rows from `begin` to before `end`, as plain features."""
        first, last = self.row_splits[begin], self.row_splits[end]
        labels = self.labels
        if labels is not None:
            labels = labels[first:last] if self.label_per_token else labels[begin:end]
        return Features(
            token_ids=self.token_ids[first:last],
            row_splits=self.row_splits[begin : end + 1] - first,
            first_lengths=self.first_lengths[begin:end],
            labels=labels,
            label_per_token=self.label_per_token,
            targets={name: values[begin:end] for name, values in self.targets.items()},
        )

    @property
    def lengths(self) -> np.ndarray:
        """Tokens per row, special tokens included; int64 (rows,)."""
        return np.diff(self.row_splits)


def pack(
    columns: list[TokenColumn],
    *,
    max_length: int,
    cls_id: int,
    sep_id: int,
    labels: np.ndarray | None = None,
) -> Features:
    """Packs one or two token columns into rows of at most `max_length` tokens.

    Pairs lose tokens from the end of the longer field, one at a time, and from the second one when
    both are equally long, as in Google's BERT code.
    """
    lengths = [np.diff(splits) for _, splits in columns]
    kept = _truncated_lengths(lengths, max_length - 1 - len(columns))
    one = np.ones_like(kept[0])
    # A row in runs: one [CLS], then what is kept of each field and one [SEP]. Run numbers of one
    # byte a token take far less memory than places of eight.
    runs = np.stack([one, *(run for keep in kept for run in (keep, one))], axis=1)
    run_of_token = _repeated(np.arange(runs.shape[1], dtype=np.int8), runs)
    row_splits = np.concatenate([[0], np.cumsum(runs.sum(axis=1))]).astype(np.int64)
    token_ids = np.full(row_splits[-1], sep_id, np.int32)
    token_ids[row_splits[:-1]] = cls_id
    fields = zip(columns, lengths, kept, strict=True)
    for index, ((values, _), length, keep) in enumerate(fields):
        if np.any(keep < length):
            values = values[_repeated([True, False], np.stack([keep, length - keep], axis=1))]
        token_ids[run_of_token == 1 + 2 * index] = values
    return Features(
        token_ids=token_ids,
        row_splits=row_splits,
        first_lengths=(kept[0] + 2).astype(np.int32),
        labels=labels,
        truncated=int(np.count_nonzero(sum(kept) < sum(lengths))),
    )


def _repeated(values: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """For every row of `counts` (rows, values): each value as often as its count says."""
    return np.repeat(np.tile(values, len(counts)), counts.ravel())


def _truncated_lengths(lengths: list[np.ndarray], room: int) -> list[np.ndarray]:
    if len(lengths) == 1:
        return [np.minimum(lengths[0], room)]
    first, second = lengths
    # Closed form of "drop from the longer one until both fit".
    larger_half, smaller_half = (room + 1) // 2, room // 2
    short_first = np.minimum(first, larger_half)
    short_second = np.minimum(second, smaller_half)
    fits = first + second <= room
    return [
        np.where(fits, first, np.minimum(first, room - short_second)),
        np.where(fits, second, np.minimum(second, room - short_first)),
    ]
