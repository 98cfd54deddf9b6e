"""One optimizer update, compiled for every task on its first use."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfglue.data.batches import batch_signature
from tfglue.models.transfer_model import TransferModel
from tfglue.tasks.task import LABEL_DTYPES
from tfglue.training.accumulation import GradientAccumulator
from tfglue.training.clipping import clip_by_global_norm, dense_gradient
from tfglue.training.losses import LOSSES
from tfglue.training.precision import precision as computing_in

_SEED = tf.TensorSpec([2], tf.int32)
_SHARE = tf.TensorSpec([], tf.float32)


class TrainStep:
    """Forward, backward, accumulation, clipping and update.

    The loss of an update is the mean over all its examples, however they are cut into forward
    passes: local sums of gradients are divided once by the count of the whole window, then clipped
    by their true global norm. Only the weights that the task uses are updated.

    Args:
        model: encoder and heads; frozen weights have ``trainable = False``.
        optimizer: built on all trained weights of the model.
        kinds: task name -> task kind, which picks the loss.
        clip_norm: limit of the gradient's global norm; 0 means none.
        precision: ``float32`` or ``mixed_bfloat16``.
    """

    def __init__(
        self,
        model: TransferModel,
        optimizer: keras.optimizers.Optimizer,
        kinds: Mapping[str, str],
        *,
        clip_norm: float,
        precision: str,
    ):
        self.model = model
        self.optimizer = optimizer
        self.kinds = kinds
        self.clip_norm = clip_norm
        self.precision = precision
        self._weights = {task: list(model.trained_weights(task).values()) for task in kinds}
        self._accumulator: GradientAccumulator | None = None
        self._compiled: dict[tuple[str, str], tf.types.experimental.PolymorphicFunction] = {}

    def __call__(
        self,
        task: str,
        batches: Sequence[Mapping[str, tf.Tensor]],
        dropout_seeds: Sequence[np.ndarray],
    ) -> tuple[tf.Tensor, int]:
        """Does one update.

        Args:
            task: name of the task all batches are of.
            batches: padded batches with ``labels``, one for every forward pass.
            dropout_seeds: int32 (2,), one for every forward pass.

        Returns:
            Summed loss (scalar tensor, float32) and the number of examples.
        """
        count = sum(int(batch["labels"].shape[0]) for batch in batches)
        share = tf.constant(1.0 / count)
        if len(batches) == 1:
            update = self._function(task, "update")
            return update(batches[0], tf.constant(dropout_seeds[0]), share), count
        if self._accumulator is None:
            self._accumulator = GradientAccumulator(
                [weight.value for weight in self.model.trained_weights().values()]
            )
        accumulate = self._function(task, "accumulate")
        losses = [
            accumulate(batch, tf.constant(seed))
            for batch, seed in zip(batches, dropout_seeds, strict=True)
        ]
        self._function(task, "apply_accumulated")(share)
        return tf.add_n(losses), count

    def _function(self, task: str, name: str):
        if (task, name) not in self._compiled:
            self._compiled[task, name] = getattr(self, f"_build_{name}")(task)
        return self._compiled[task, name]

    def _build_update(self, task: str):
        apply = self._build_apply(task)

        @tf.function(input_signature=[self._batch(task), _SEED, _SHARE])
        def update(batch, dropout_seed, share):
            loss, gradients = self._gradients(task, batch, dropout_seed)
            apply(gradients, share)
            return loss

        return update

    def _build_accumulate(self, task: str):
        @tf.function(input_signature=[self._batch(task), _SEED])
        def accumulate(batch, dropout_seed):
            loss, gradients = self._gradients(task, batch, dropout_seed)
            self._accumulator.add([weight.value for weight in self._weights[task]], gradients)
            return loss

        return accumulate

    def _build_apply_accumulated(self, task: str):
        apply = self._build_apply(task)

        @tf.function
        def apply_accumulated(share):
            weights = [weight.value for weight in self._weights[task]]
            apply(self._accumulator.take(weights), share)

        return apply_accumulated

    def _build_apply(self, task: str):
        # XLA fuses the dozen element-wise passes of an update; the model itself gains nothing.
        @tf.function(jit_compile=True)
        def apply(gradients, share):
            gradients = clip_by_global_norm([g * share for g in gradients], self.clip_norm)
            self.optimizer.apply(gradients, self._weights[task])

        return apply

    def _batch(self, task: str) -> dict[str, tf.TensorSpec]:
        return batch_signature(LABEL_DTYPES[self.kinds[task]])

    def _gradients(self, task: str, batch, dropout_seed):
        weights = [weight.value for weight in self._weights[task]]
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        # Watching only trained weights ends the backward pass at the lowest of them.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            with computing_in(self.model.encoder, self.precision):
                logits = self.model(inputs, task=task, dropout_seed=dropout_seed)
            loss = tf.reduce_sum(LOSSES.get(self.kinds[task])(batch["labels"], logits))
        gradients = tape.gradient(loss, weights)
        return loss, [dense_gradient(g, w) for g, w in zip(gradients, weights, strict=True)]
