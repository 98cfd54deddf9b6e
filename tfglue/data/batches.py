"""The batch plan, and the padded batches that follow it.

Which rows make which batch is a pure function of (seed, epoch, task), so a run resumed at update n
sees the batches it would have seen. NumPy gathers and pads a batch in a tenth of a millisecond;
tf.data takes longer to hand one over, and keeps a copy of the features for every epoch.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from tfglue.data.features import NO_LABEL, Features
from tfglue.errors import UserError

# Rows of one batch that is cut by tokens differ in length by less than this factor.
_BUCKET_RATIO = 1.2

# Rows are sorted by length inside windows of this many batches: short and long rows still mix over
# an epoch, and padding nearly vanishes.
_WINDOW_BATCHES = 50

MODEL_INPUTS = ("token_ids", "segment_ids", "padding_mask")
"""What of a batch the encoder reads."""

HIDDEN_STATES = "hidden_states"
"""What of a batch stands in for the encoder, where it was computed before."""

PLAN_VERSIONS = {"grouped": "grouped.v1", "plain": "plain.v1"}
TOKENS_PLAN = "tokens.v1"


@dataclass(frozen=True)
class BatchPlan:
    """Which rows make which update of an epoch.

    Args:
        lengths: tokens per row, (rows,).
        batch_size: rows of one forward pass; None where `batch_tokens` says it.
        accumulate: forward passes of one update.
        seed: seed of the run.
        task: name of the task, so that tasks of one run are ordered independently.
        batching: ``grouped`` (by length) or ``plain`` (random, for replication of papers).
        classes: if given, one number a row: an epoch draws as many rows as there are, of each class
            equally many, and goes round the rows of a class again where they do not suffice.
        batch_tokens: tokens of one forward pass at most, padding included. Rows are put into
            buckets by length, and each epoch cuts each bucket anew, at random, into as few batches
            as hold it; so how many there are is the same in every epoch.

    Raises:
        UserError: a row has more tokens than `batch_tokens`.
    """

    lengths: np.ndarray
    batch_size: int | None
    accumulate: int
    seed: int
    task: str
    batching: str
    classes: np.ndarray | None = None
    batch_tokens: int | None = None

    def __post_init__(self):
        if self.batch_tokens is not None and self.lengths.max() > self.batch_tokens:
            raise UserError(
                f"--batch_tokens {self.batch_tokens}: a row of {self.task} has "
                f"{self.lengths.max()} tokens; give at least so many, or a lower --max_length"
            )

    @property
    def updates_per_epoch(self) -> int:
        """Optimizer updates of one pass over all rows; the last one may hold fewer rows."""
        return self.updates_for(len(self.lengths))

    def updates_for(self, rows: int) -> int:
        """Optimizer updates that so many rows take."""
        if self.batch_tokens is None:
            return -(-rows // (self.batch_size * self.accumulate))
        whole = -(-sum(count for _, count in self._buckets) // self.accumulate)
        return -(-whole * rows // len(self.lengths))

    @cached_property
    def _buckets(self) -> list[tuple[np.ndarray, int]]:
        """Rows of like length, and into how many batches they go, the longest first."""
        order = np.argsort(-self.lengths, kind="stable")
        buckets, start = [], 0
        while start < len(order):
            longest = self.lengths[order[start]]
            alike = self.lengths[order[start:]] * _BUCKET_RATIO > longest
            count = int(np.count_nonzero(alike))
            capacity = self.batch_tokens // longest
            buckets.append((order[start : start + count], int(-(-count // capacity))))
            start += count
        return buckets

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """Updates of an epoch in order, each a list of row arrays, one per forward pass."""
        random = np.random.default_rng([self.seed, epoch, zlib.crc32(self.task.encode())])
        if self.batch_tokens is not None:
            return self._cut_by_tokens(random)
        order = self._order(random)
        size = self.batch_size * self.accumulate
        if self.batching == "plain":
            updates = _cut(order, size)
        else:
            updates = []
            for window in _cut(order, size * _WINDOW_BATCHES):
                by_length = window[np.argsort(self.lengths[window], kind="stable")]
                updates.extend(_cut(by_length, size))
            updates = [updates[index] for index in random.permutation(len(updates))]
        return [_cut(rows, self.batch_size) for rows in updates]

    def _cut_by_tokens(self, random: np.random.Generator) -> list[list[np.ndarray]]:
        batches: list[np.ndarray] = []
        for rows, count in self._buckets:
            batches.extend(np.array_split(random.permutation(rows), count))
        batches = [batches[index] for index in random.permutation(len(batches))]
        return [
            batches[start : start + self.accumulate]
            for start in range(0, len(batches), self.accumulate)
        ]

    def _order(self, random: np.random.Generator) -> np.ndarray:
        if self.classes is None:
            return random.permutation(len(self.lengths))
        drawn = []
        names = np.unique(self.classes)
        for place, name in enumerate(names):
            rows = np.flatnonzero(self.classes == name)
            count = len(self.lengths) // len(names) + (place < len(self.lengths) % len(names))
            rounds = [random.permutation(rows) for _ in range(-(-count // len(rows)))]
            drawn.append(np.concatenate(rounds)[:count])
        return random.permutation(np.concatenate(drawn))


def batches_by_length(features: Features, batch_size: int) -> list[np.ndarray]:
    """Row arrays for inference: every row once, longest first so that memory peaks at once."""
    return _cut(np.argsort(-features.lengths, kind="stable"), batch_size)


@dataclass(frozen=True)
class Padding:
    """How far a batch is padded beyond its longest row.

    Args:
        row_multiple: rows are rounded up to a multiple of this, by copies of the first row that
            count for nothing, so that replicas get equally many.
        lengths: widths that a batch may have, for devices that compile a program for each; empty
            for the width of the longest row.
    """

    row_multiple: int = 1
    lengths: tuple[int, ...] = ()


NO_PADDING = Padding()


def padded_batch(
    features: Features, rows: np.ndarray, padding: Padding = NO_PADDING
) -> dict[str, tf.Tensor]:
    """The named rows as one padded batch.

    Returns:
        ``token_ids``, ``segment_ids``, ``padding_mask`` (int32, (batch, time), time being the
        longest row's), ``hidden_states`` where they are stored, and, for labelled features,
        ``labels`` ((batch,), (batch, labels) or, one a token, (batch, time)), ``row_mask``
        (float32, (batch,)), which is 0 for rows that are padding, and `Features.targets` under
        their names.
    """
    count = len(rows)
    rows = np.concatenate([rows, np.repeat(rows[:1], -count % padding.row_multiple)])
    starts = features.row_splits[rows]
    lengths = features.row_splits[rows + 1] - starts
    longest = lengths.max()
    positions = np.arange(min((n for n in padding.lengths if n >= longest), default=longest))
    mask = positions < lengths[:, None]
    second = positions >= features.first_lengths[rows][:, None]
    places = np.minimum(starts[:, None] + positions, len(features.token_ids) - 1)
    batch = {
        "token_ids": features.token_ids[places] * mask,
        "segment_ids": (mask & second).astype(np.int32),
        "padding_mask": mask.astype(np.int32),
    }
    if features.stored is not None:
        batch[HIDDEN_STATES] = features.stored.padded(rows, len(positions))
    if features.labels is not None:
        if features.label_per_token:
            batch["labels"] = np.where(mask, features.labels[places], NO_LABEL)
        else:
            batch["labels"] = features.labels[rows]
        batch["row_mask"] = (np.arange(len(rows)) < count).astype(np.float32)
        batch |= {name: values[rows] for name, values in features.targets.items()}
    return {name: tf.constant(array) for name, array in batch.items()}


def free_sizes(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.TensorSpec]:
    """Signature of batches like this one, of any size, so that a step is traced once for all."""
    return {
        # Hidden states have free rows and tokens; layers and units are an encoder's.
        name: tf.TensorSpec([None] * min(value.shape.rank, 2) + value.shape[2:], value.dtype)
        for name, value in batch.items()
    }


def model_inputs(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What of a batch the model reads."""
    return {name: batch[name] for name in (*MODEL_INPUTS, HIDDEN_STATES) if name in batch}


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
