"""The endless stream of updates, of one task and of several, from any point on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.data.batch_plan import BatchPlan
from tfglue.data.batches import NO_PADDING, Padding, padded_batch
from tfglue.data.features import Features
from tfglue.training.samplers import TaskOrder

Batch = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Update:
    """What one update learns from.

    Args:
        task: name of the task that all batches are of.
        batches: padded batches, one a forward pass.
        rows: how many rows they hold.
        loss_terms: how many losses these have.
        divisor: what their sum is divided by: as many as there are, or, where batches are cut by
            tokens, as many as an update has on average, so that every row counts alike.
    """

    task: str
    batches: list[Batch]
    rows: int
    loss_terms: int
    divisor: float


class TaskBatches:
    """Padded batches of one task, update by update, epoch after epoch.

    Args:
        features: packed and labelled rows.
        plan: which rows make which update.
        padding: how batches are padded.
    """

    def __init__(self, features: Features, plan: BatchPlan, padding: Padding = NO_PADDING):
        self.features = features
        self.plan = plan
        self.padding = padding

    def updates(self, start: int = 0) -> Iterator[Update]:
        """Yields the updates, for ever.

        Args:
            start: the update to begin with.
        """
        per_epoch = self.plan.updates_per_epoch
        epoch, offset = divmod(start, per_epoch)
        while True:
            features = self.features.of_epoch(epoch)
            mean_terms = float(features.loss_terms.sum()) / per_epoch
            updates = self.plan.epoch(epoch)[offset:]
            for update in updates:
                rows = np.concatenate(update)
                terms = int(features.loss_terms[rows].sum())
                yield Update(
                    self.plan.task,
                    [padded_batch(features, rows, self.padding) for rows in update],
                    len(rows),
                    terms,
                    terms if self.plan.batch_tokens is None else mean_terms,
                )
            epoch, offset = epoch + 1, 0


class MixedBatches:
    """Updates of several tasks in the order of a sampler, epoch after epoch.

    Nothing is remembered: how often a task came before an update is counted anew, so that a resumed
    run sees what it would have seen.

    Args:
        tasks: task name -> its batches.
        order: which task comes when; one task needs none.
    """

    def __init__(self, tasks: Mapping[str, TaskBatches], order: TaskOrder):
        self.tasks = dict(tasks)
        self.order = order

    def updates(self, start: int = 0) -> Iterator[Update]:
        """Yields the updates, for ever.

        Args:
            start: the update to begin with.
        """
        names = list(self.tasks)
        streams = self._streams(start)
        epoch, offset = divmod(start, self.order.updates_per_epoch)
        while True:
            for place in self.order.epoch(epoch)[offset:]:
                yield next(streams[names[place]])
            epoch, offset = epoch + 1, 0
            if self.order.rows_of_epoch:
                streams = self._streams(epoch * self.order.updates_per_epoch)

    def _streams(self, update: int) -> dict[str, Iterator[Update]]:
        """Every task's updates from where it is before this one."""
        done = self.counts(update)
        if self.order.rows_of_epoch:
            epoch, offset = divmod(update, self.order.updates_per_epoch)
            before = self.counts(update - offset)
            done = {
                name: epoch * batches.plan.updates_per_epoch + done[name] - before[name]
                for name, batches in self.tasks.items()
            }
        return {name: batches.updates(done[name]) for name, batches in self.tasks.items()}

    def counts(self, update: int) -> dict[str, int]:
        """How many of the first `update` updates are of each task."""
        totals = np.zeros(len(self.tasks), np.int64)
        epoch, rest = divmod(update, self.order.updates_per_epoch)
        for number in range(epoch + 1):
            places = self.order.epoch(number)[: rest if number == epoch else None]
            totals += np.bincount(places, minlength=len(totals))
        return dict(zip(self.tasks, totals.tolist(), strict=True))
