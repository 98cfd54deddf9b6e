"""One optimizer update, compiled for every task on its first use."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfglue.data.batches import free_sizes, model_inputs
from tfglue.kinds import Kind
from tfglue.models.transfer_model import TransferModel
from tfglue.training.accumulation import GradientAccumulator
from tfglue.training.clipping import clipping_scale, dense_gradient, global_norm
from tfglue.training.devices import needs_fixed_shapes
from tfglue.training.precision import precision as computing_in
from tfglue.training.replicas import replica_rows, replica_seed, summed_over_replicas


class TrainStep:
    """Forward, backward, accumulation, clipping and update.

    The loss of an update is the mean over all its examples (for tags: words), however they are cut
    into forward passes: local sums of gradients are divided once by the count of the whole window,
    then clipped by their true global norm. Only the weights that the task uses are updated.

    Made in the scope of a strategy, it spreads the rows of each batch over the replicas and sums
    their gradients once, before clipping; so the update is that of one device.

    Args:
        model: encoder, adapters and heads; frozen weights have ``trainable = False``.
        optimizer: built on all trained weights of the model.
        kinds: task name -> its kind, which has the loss.
        clip_norm: limit of the gradient's global norm; 0 means none.
        precision: ``float32`` or ``mixed_bfloat16``.
        loss_weights: task name -> what its loss is multiplied by; 1 where it is not named.
    """

    def __init__(
        self,
        model: TransferModel,
        optimizer: keras.optimizers.Optimizer,
        kinds: Mapping[str, Kind],
        *,
        clip_norm: float,
        precision: str,
        loss_weights: Mapping[str, float] | None = None,
    ):
        self.model = model
        self.optimizer = optimizer
        self.kinds = kinds
        self.clip_norm = clip_norm
        self.precision = precision
        self.loss_weights = dict(loss_weights or {})
        self.strategy = tf.distribute.get_strategy()
        self._on_one_device = not tf.distribute.has_strategy()
        self._weights = {task: list(model.trained_weights(task).values()) for task in kinds}
        self._accumulator: GradientAccumulator | None = None
        self._compiled: dict[tuple[str, str], Callable] = {}

    def __call__(
        self,
        task: str,
        batches: Sequence[Mapping[str, tf.Tensor]],
        loss_terms: int,
        dropout_seeds: Sequence[np.ndarray],
    ) -> tf.Tensor:
        """Does one update.

        Args:
            task: name of the task all batches are of.
            batches: padded batches with ``labels``, one for every forward pass.
            loss_terms: how many losses they have; padding has none.
            dropout_seeds: int32 (2,), one for every forward pass.

        Returns:
            Summed loss (scalar tensor, float32).
        """
        share = tf.constant(self.loss_weights.get(task, 1.0) / max(loss_terms, 1))
        seeds = [tf.constant(seed) for seed in dropout_seeds]
        if len(batches) == 1:
            return self._run(self._update, task, batches[0], seeds[0], share)
        if self._accumulator is None:
            with self.strategy.scope():
                self._accumulator = GradientAccumulator(
                    [weight.value for weight in self.model.trained_weights().values()]
                )
        losses = [
            self._run(self._accumulate, task, batch, seed)
            for batch, seed in zip(batches, seeds, strict=True)
        ]
        self._run(self._apply_accumulated, task, share)
        return tf.add_n(losses)

    def _run(self, function: Callable, task: str, *args) -> tf.Tensor:
        """Runs a compiled `function` on all replicas and sums what they return."""
        key = (task, function.__name__)
        if key not in self._compiled:

            def everywhere(*args):
                sums = self.strategy.run(function, args=(task, *args))
                return self.strategy.reduce("SUM", sums, axis=None)

            fixed = needs_fixed_shapes(self.strategy)
            signature = None if fixed else [_signature(argument) for argument in args]
            # Nothing here branches on tensors, and AutoGraph makes tracing a third slower.
            self._compiled[key] = tf.function(
                everywhere, input_signature=signature, autograph=False
            )
        return self._compiled[key](*args)

    # The rest is what each replica does.

    def _update(self, task: str, batch, dropout_seed, share) -> tf.Tensor:
        loss, gradients = self._gradients(task, batch, dropout_seed)
        self._apply(task, gradients, share)
        return loss

    def _accumulate(self, task: str, batch, dropout_seed) -> tf.Tensor:
        loss, gradients = self._gradients(task, batch, dropout_seed)
        self._accumulator.add([weight.value for weight in self._weights[task]], gradients)
        return loss

    def _apply_accumulated(self, task: str, share) -> tf.Tensor:
        gradients = self._accumulator.take([weight.value for weight in self._weights[task]])
        self._apply(task, gradients, share)
        return tf.zeros([])

    def _gradients(self, task: str, batch, dropout_seed) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Summed loss of this replica's rows, and its gradients."""
        weights = [weight.value for weight in self._weights[task]]
        batch = replica_rows(batch)
        inputs = model_inputs(batch)
        # Watching only trained weights ends the backward pass at the lowest of them.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            with computing_in(self.model, self.precision):
                logits = self.model(inputs, task=task, dropout_seed=replica_seed(dropout_seed))
            loss = tf.reduce_sum(self.kinds[task].losses(batch, logits) * batch["row_mask"])
        gradients = tape.gradient(loss, weights)
        return loss, [dense_gradient(g, w) for g, w in zip(gradients, weights, strict=True)]

    def _apply(self, task: str, gradients: Sequence[tf.Tensor], share) -> None:
        """Updates the weights by the mean gradient of all replicas' rows."""
        gradients = summed_over_replicas(gradients)
        # One multiplication turns sums into means, clips them, and makes up for Keras, which sums
        # over the replicas once more.
        norm = share * global_norm(gradients)
        replicas = self.strategy.num_replicas_in_sync
        scale = share * clipping_scale(norm, self.clip_norm) / replicas

        def update(gradients, scale):
            self.optimizer.apply([scale * g for g in gradients], self._weights[task])

        if self._on_one_device:
            # XLA fuses the dozen element-wise passes of an update; the model itself gains nothing.
            # It cannot compile what several devices do together.
            compiled = tf.function(update, jit_compile=True, autograph=False)
            # In replica context Keras would sum the gradients through a function that TensorFlow
            # keeps for good, and with it all weights and slots of every run of this process.
            tf.distribute.get_replica_context().merge_call(
                lambda _, *args: compiled(*args), args=(gradients, scale)
            )
        else:
            update(gradients, scale)


def _signature(argument):
    if isinstance(argument, Mapping):
        return free_sizes(argument)
    return tf.TensorSpec(argument.shape, argument.dtype)
