"""The endless stream of one task's updates, from any point on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.data.batches import NO_PADDING, BatchPlan, Padding, padded_batch
from tfglue.data.features import Features

Batch = Mapping[str, tf.Tensor]


@dataclass(frozen=True)
class Update:
    """What one update learns from.

    Args:
        batches: padded batches, one a forward pass.
        rows: how many rows they hold.
        loss_terms: how many losses these have.
    """

    batches: list[Batch]
    rows: int
    loss_terms: int


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
            updates = self.plan.epoch(epoch)[offset:]
            for update in updates:
                rows = np.concatenate(update)
                yield Update(
                    [padded_batch(self.features, rows, self.padding) for rows in update],
                    len(rows),
                    int(self.features.loss_terms[rows].sum()),
                )
            epoch, offset = epoch + 1, 0
