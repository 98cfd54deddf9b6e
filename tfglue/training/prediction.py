"""Logits of whole splits."""

import numpy as np
import tensorflow as tf

from tfglue.data.batches import batches_by_length, free_sizes, padded_batch
from tfglue.data.features import Features
from tfglue.models.transfer_model import TransferModel
from tfglue.training.devices import needs_fixed_shapes
from tfglue.training.replicas import gather_rows, padding_for, replica_rows


class Predictor:
    """Runs a model in inference mode and float32, compiled once for each task.

    Made in the scope of a strategy, it spreads rows over the strategy's replicas.

    Args:
        model: encoder and heads.
        batch_size: rows of one forward pass; it changes speed, not results.
    """

    def __init__(self, model: TransferModel, batch_size: int = 64):
        self.model = model
        self.batch_size = batch_size
        self.strategy = tf.distribute.get_strategy()
        self._compiled = {}

    def logits(self, task: str, features: Features) -> np.ndarray:
        """Logits of every row in the order of the rows, float32 (rows, outputs)."""
        batches = batches_by_length(features, self.batch_size)
        unlabelled = Features(features.token_ids, features.row_splits, features.first_lengths)
        padding = padding_for(
            self.strategy.num_replicas_in_sync, self.batch_size,
            self.model.encoder.max_sequence_length, needs_fixed_shapes(self.strategy),
        )
        outputs = [
            self._run(task, padded_batch(unlabelled, rows, padding)) for rows in batches
        ]
        width = self.model.heads[task].num_outputs
        logits = np.empty((len(features), width), np.float32)
        for rows, output in zip(batches, outputs, strict=True):
            logits[rows] = output.numpy()[: len(rows)]
        return logits

    def _run(self, task: str, batch) -> tf.Tensor:
        if task not in self._compiled:
            self._compiled[task] = tf.function(
                lambda batch: self._forward(task, batch),
                input_signature=None if needs_fixed_shapes(self.strategy) else [free_sizes(batch)],
            )
        return self._compiled[task](batch)

    def _forward(self, task: str, batch) -> tf.Tensor:
        def replica(batch):
            return gather_rows(self.model(replica_rows(batch), task=task))

        answers = self.strategy.run(replica, args=(batch,))
        return self.strategy.experimental_local_results(answers)[0]
