"""What a model computes for whole splits."""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from tfglue.data.batches import (
    Padding,
    batches_by_length,
    free_sizes,
    model_inputs,
    padded_batch,
)
from tfglue.data.features import Features
from tfglue.kinds import Kind
from tfglue.models.transfer_model import TransferModel
from tfglue.predictions.predictions import Outputs
from tfglue.training.devices import needs_fixed_shapes
from tfglue.training.replicas import gather_rows, padding_for, replica_rows
from tfglue.training.tracing import traced


class Predictor:
    """Runs a model in inference mode and float32, compiled once for each task.

    Made in the scope of a strategy, it spreads rows over the strategy's replicas.

    Args:
        model: encoder and heads.
        kinds: task name -> its kind, which has the loss.
        batch_size: rows of one forward pass; it changes speed, not results.
    """

    def __init__(self, model: TransferModel, kinds: Mapping[str, Kind], batch_size: int = 64):
        self.model = model
        self.kinds = kinds
        self.batch_size = batch_size
        self.strategy = tf.distribute.get_strategy()
        self._compiled = {}

    def outputs(self, task: str, features: Features) -> Outputs:
        """Logits and, of labelled rows, losses of every row in the order of the rows."""
        head, labelled = self.model.heads[task], features.labels is not None
        rows = len(features.token_ids) if head.every_token else len(features)
        logits = np.empty((rows, head.num_outputs), np.float32)
        losses = np.empty(len(features), np.float32) if labelled else None
        padding = self._padding()
        batches = batches_by_length(features, self.batch_size)
        computed = [self._run(task, padded_batch(features, rows, padding)) for rows in batches]
        for rows, outputs in zip(batches, computed, strict=True):
            answers = outputs["logits"].numpy()[: len(rows)]
            if not head.every_token:
                logits[rows] = answers
            else:
                places, real = _places(features, rows, answers.shape[1])
                logits[places[real]] = answers[real]
            if labelled:
                losses[rows] = outputs["losses"].numpy()[: len(rows)]
        return Outputs(logits, losses)

    def first_token_states(
        self, task: str, features: Features, layers: Sequence[int]
    ) -> np.ndarray:
        """The first token's hidden states after some layers, of every row.

        Args:
            task: whose adapter and head are there.
            features: the rows.
            layers: numbers from 0, the embeddings, on.

        Returns:
            float32 (rows, layers, hidden_dim).
        """
        width = self.model.encoder.hidden_dim
        states = np.empty((len(features), len(layers), width), np.float32)

        def of_rows(batch):
            _, found = self.model(model_inputs(batch), task=task, first_token_states=True)
            return tf.gather(tf.cast(found, tf.float32), list(layers), axis=1)

        run = None
        for rows in batches_by_length(features, self.batch_size):
            batch = padded_batch(features, rows)
            run = run or traced(of_rows, [free_sizes(batch)])
            states[rows] = run(batch).numpy()
        return states

    def _padding(self) -> Padding:
        return padding_for(
            self.strategy.num_replicas_in_sync, self.batch_size,
            self.model.encoder.max_sequence_length, needs_fixed_shapes(self.strategy),
        )

    def _run(self, task: str, batch) -> dict[str, tf.Tensor]:
        key = (task, *sorted(batch))
        if key not in self._compiled:
            fixed = needs_fixed_shapes(self.strategy)
            signature = None if fixed else [free_sizes(batch)]
            self._compiled[key] = traced(lambda batch: self._forward(task, batch), signature)
        return self._compiled[key](batch)

    def _forward(self, task: str, batch) -> dict[str, tf.Tensor]:
        def replica(batch):
            batch = replica_rows(batch)
            logits = self.model(self.kinds[task].inputs(batch), task=task)
            outputs = {"logits": gather_rows(logits)}
            if "labels" in batch:
                outputs["losses"] = gather_rows(self.kinds[task].losses(batch, logits))
            return outputs

        answers = self.strategy.run(replica, args=(batch,))
        return {
            name: self.strategy.experimental_local_results(value)[0]
            for name, value in answers.items()
        }


def row_losses(
    kind: Kind, features: Features, logits: np.ndarray, batch_size: int = 64
) -> np.ndarray:
    """Losses of labelled rows for logits that no single model computed, float32 (rows,).

    Args:
        kind: has the loss.
        features: the rows.
        logits: (rows, outputs), or (tokens, outputs) where every token is answered.
        batch_size: rows that are padded together; it changes speed, not results.
    """
    losses = np.empty(len(features), np.float32)
    for rows in batches_by_length(features, batch_size):
        batch = padded_batch(features, rows)
        if kind.every_token:
            places, real = _places(features, rows, batch["token_ids"].shape[1])
            padded = logits[np.where(real, places, 0)]
        else:
            padded = logits[rows]
        losses[rows] = kind.losses(batch, tf.constant(padded, tf.float32)).numpy()
    return losses


def _places(features: Features, rows: np.ndarray, time: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the tokens of padded rows stand in the flat array, and which are real."""
    positions = np.arange(time)
    real = positions < features.lengths[rows][:, None]
    return features.row_splits[rows][:, None] + positions, real
