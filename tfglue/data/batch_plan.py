"""Which rows make which batch: a pure function of (seed, epoch, task).

So a run that is resumed at update n sees the batches it would have seen.
"""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfglue.errors import UserError

# Rows of one batch that is cut by tokens differ in length by less than this factor.
_BUCKET_RATIO = 1.2

# Rows are sorted by length inside windows of this many batches: short and long rows still mix over
# an epoch, and padding nearly vanishes.
_WINDOW_BATCHES = 50

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
        groups: if given, one number a row: all rows of a group are in one forward pass, which has
            as many groups as have `batch_size` rows on average.
        batch_tokens: tokens of one forward pass at most, padding included. Rows are put into
            buckets by length, and each epoch cuts each bucket anew, at random, into as few batches
            as hold it; so how many there are is the same in every epoch.

    Raises:
        UserError: a row has more tokens than `batch_tokens`, or rows in groups are to be cut by it.
    """

    lengths: np.ndarray
    batch_size: int | None
    accumulate: int
    seed: int
    task: str
    batching: str
    classes: np.ndarray | None = None
    groups: np.ndarray | None = None
    batch_tokens: int | None = None

    def __post_init__(self):
        if self.batch_tokens is None:
            return
        if self.groups is not None:
            raise UserError(
                f"--batch_tokens: {self.task} ranks the candidates of a query, which stay in one "
                "batch; use --batch_size"
            )
        if self.lengths.max() > self.batch_tokens:
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
        if self.batch_tokens is not None:
            whole = -(-sum(count for _, count in self._buckets) // self.accumulate)
            return -(-whole * rows // len(self.lengths))
        if self.groups is not None:
            groups = -(-rows * len(self._group_rows) // len(self.lengths))
            return -(-groups // (self._groups_of_a_pass * self.accumulate))
        return -(-rows // (self.batch_size * self.accumulate))

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """Updates of an epoch in order, each a list of row arrays, one per forward pass."""
        random = np.random.default_rng([self.seed, epoch, zlib.crc32(self.task.encode())])
        if self.batch_tokens is not None:
            return self._cut_by_tokens(random)
        if self.groups is None:
            return self._cut_by_count(self._order(random), self.lengths, self.batch_size, random)
        rows = self._group_rows
        lengths = np.array([self.lengths[group].max() for group in rows])
        order = random.permutation(len(rows))
        return [
            [np.concatenate([rows[group] for group in one_pass]) for one_pass in update]
            for update in self._cut_by_count(order, lengths, self._groups_of_a_pass, random)
        ]

    def _cut_by_count(
        self, order: np.ndarray, lengths: np.ndarray, size: int, random: np.random.Generator
    ) -> list[list[np.ndarray]]:
        """What is ordered (rows or groups), cut into updates of passes of `size`."""
        whole = size * self.accumulate
        if self.batching == "plain":
            updates = cut(order, whole)
        else:
            updates = []
            for window in cut(order, whole * _WINDOW_BATCHES):
                by_length = window[np.argsort(lengths[window], kind="stable")]
                updates.extend(cut(by_length, whole))
            updates = [updates[index] for index in random.permutation(len(updates))]
        return [cut(chosen, size) for chosen in updates]

    def _cut_by_tokens(self, random: np.random.Generator) -> list[list[np.ndarray]]:
        batches: list[np.ndarray] = []
        for rows, count in self._buckets:
            batches.extend(np.array_split(random.permutation(rows), count))
        batches = [batches[index] for index in random.permutation(len(batches))]
        return [
            batches[start : start + self.accumulate]
            for start in range(0, len(batches), self.accumulate)
        ]

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

    @cached_property
    def _group_rows(self) -> list[np.ndarray]:
        return rows_of_groups(self.groups)

    @property
    def _groups_of_a_pass(self) -> int:
        return max(1, round(self.batch_size * len(self._group_rows) / len(self.lengths)))

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


def rows_of_groups(groups: np.ndarray) -> list[np.ndarray]:
    """The rows of every group, groups by their numbers."""
    order = np.argsort(groups, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)


def cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    """Pieces of `size`, of which the last may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
