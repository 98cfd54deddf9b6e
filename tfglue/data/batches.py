"""The batch plan, and tf.data pipelines that follow it.

Which rows make which batch is a pure function of (seed, epoch, task), computed in NumPy; tf.data
only gathers and pads them. So a run resumed at update n sees the batches it would have seen.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.data.features import Features

# Rows are sorted by length inside windows of this many batches: short and long rows still mix over
# an epoch, and padding nearly vanishes.
_WINDOW_BATCHES = 50

PLAN_VERSIONS = {"grouped": "grouped.v1", "plain": "plain.v1"}


@dataclass(frozen=True)
class BatchPlan:
    """Which rows make which update of an epoch.

    Args:
        lengths: tokens per row, (rows,).
        batch_size: rows of one forward pass.
        accumulate: forward passes of one update.
        seed: seed of the run.
        task: name of the task, so that tasks of one run are ordered independently.
        batching: ``grouped`` (by length) or ``plain`` (random, for replication of papers).
    """

    lengths: np.ndarray
    batch_size: int
    accumulate: int
    seed: int
    task: str
    batching: str

    @property
    def updates_per_epoch(self) -> int:
        """Optimizer updates of one pass over all rows; the last one may hold fewer rows."""
        return -(-len(self.lengths) // (self.batch_size * self.accumulate))

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """Updates of an epoch in order, each a list of row arrays, one per forward pass."""
        random = np.random.default_rng([self.seed, epoch, zlib.crc32(self.task.encode())])
        order = random.permutation(len(self.lengths))
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


def batches_by_length(features: Features, batch_size: int) -> list[np.ndarray]:
    """Row arrays for inference: every row once, longest first so that memory peaks at once."""
    return _cut(np.argsort(-features.lengths, kind="stable"), batch_size)


def batch_dataset(features: Features, batches: Sequence[np.ndarray]) -> tf.data.Dataset:
    """Padded batches in the order of `batches`.

    Each element holds ``token_ids``, ``segment_ids``, ``padding_mask`` (int32, (batch, time), time
    being the longest row's) and, for labelled features, ``labels`` (batch,).
    """
    token_ids = tf.RaggedTensor.from_row_splits(
        features.token_ids, features.row_splits, validate=False
    )
    first_lengths = tf.constant(features.first_lengths)
    labels = None if features.labels is None else tf.constant(features.labels)

    def gather(rows):
        ragged = tf.gather(token_ids, rows)
        padded = ragged.to_tensor(0)
        positions = tf.range(tf.shape(padded)[1])[None, :]
        mask = positions < tf.cast(ragged.row_lengths(), tf.int32)[:, None]
        second = positions >= tf.gather(first_lengths, rows)[:, None]
        batch = {
            "token_ids": padded,
            "segment_ids": tf.cast(mask & second, tf.int32),
            "padding_mask": tf.cast(mask, tf.int32),
        }
        if labels is not None:
            batch["labels"] = tf.gather(labels, rows)
        return batch

    indices = tf.RaggedTensor.from_row_lengths(
        np.concatenate(batches).astype(np.int64) if batches else np.zeros(0, np.int64),
        [len(rows) for rows in batches],
    )
    # One worker keeps the order and is far faster than any model.
    return tf.data.Dataset.from_tensor_slices(indices).map(gather).prefetch(4)


def batch_signature(label_dtype: str | None = None) -> dict[str, tf.TensorSpec]:
    """What `batch_dataset` yields, with free sizes, so that a compiled step is traced once."""
    names = ("token_ids", "segment_ids", "padding_mask")
    signature = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
    if label_dtype is not None:
        signature["labels"] = tf.TensorSpec([None], label_dtype)
    return signature


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]
