"""Logits of whole splits."""

import numpy as np
import tensorflow as tf

from tfglue.data.batches import batch_dataset, batch_signature, batches_by_length
from tfglue.data.features import Features
from tfglue.models.transfer_model import TransferModel


class Predictor:
    """Runs a model in inference mode and float32, compiled once for each task.

    Args:
        model: encoder and heads.
        batch_size: rows of one forward pass; it changes speed, not results.
    """

    def __init__(self, model: TransferModel, batch_size: int = 64):
        self.model = model
        self.batch_size = batch_size
        self._compiled = {}

    def logits(self, task: str, features: Features) -> np.ndarray:
        """Logits of every row in the order of the rows, float32 (rows, outputs)."""
        batches = batches_by_length(features, self.batch_size)
        unlabelled = Features(features.token_ids, features.row_splits, features.first_lengths)
        forward = self._function(task)
        outputs = [forward(batch) for batch in batch_dataset(unlabelled, batches)]
        width = self.model.heads[task].num_outputs
        logits = np.empty((len(features), width), np.float32)
        for rows, output in zip(batches, outputs, strict=True):
            logits[rows] = output.numpy()
        return logits

    def _function(self, task: str):
        if task not in self._compiled:
            self._compiled[task] = tf.function(
                lambda batch: self.model(batch, task=task), input_signature=[batch_signature()]
            )
        return self._compiled[task]
