"""The endless stream of one task's updates, from any point on."""

from collections.abc import Iterator, Mapping

import tensorflow as tf

from tfglue.data.batches import BatchPlan, batch_dataset
from tfglue.data.features import Features

Batch = Mapping[str, tf.Tensor]


class TaskBatches:
    """Padded batches of one task, update by update, epoch after epoch.

    Args:
        features: packed and labelled rows.
        plan: which rows make which update.
    """

    def __init__(self, features: Features, plan: BatchPlan):
        self.features = features
        self.plan = plan

    def updates(self, start: int = 0) -> Iterator[list[Batch]]:
        """Yields each update's batches (one a forward pass), beginning with update `start`."""
        per_epoch = self.plan.updates_per_epoch
        epoch, offset = divmod(start, per_epoch)
        while True:
            updates = self.plan.epoch(epoch)[offset:]
            passes = iter(batch_dataset(self.features, [rows for u in updates for rows in u]))
            for update in updates:
                yield [next(passes) for _ in update]
            epoch, offset = epoch + 1, 0
