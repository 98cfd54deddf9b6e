"""One optimizer update, compiled for every task on its first use."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from tfglue.data.batches import free_sizes
from tfglue.kinds import Kind
from tfglue.models.transfer_model import TransferModel
from tfglue.training.accumulation import GradientAccumulator
from tfglue.training.clipping import clipping_scale, dense_gradient, global_norm
from tfglue.training.compiled_update import CompiledUpdate
from tfglue.training.devices import needs_fixed_shapes
from tfglue.training.loss_term import ForwardPass, LossTerm
from tfglue.training.optimizer import RuleOptimizer
from tfglue.training.precision import precision as computing_in
from tfglue.training.replicas import replica_rows, summed_over_replicas
from tfglue.training.tracing import traced
from tfglue.training.word_dropout import WordDropout


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
        terms: what the loss has beside the task's own, such as distillation. Without any, nothing
            of them is in the graph.
        word_dropout: what is dropped of the rows' tokens; None for nothing.

    Attributes:
        term_losses: name of a term -> its summed loss in the last update, of the terms that apply
            to the update's task; part of the loss that the update returned.
    """

    def __init__(
        self,
        model: TransferModel,
        optimizer: RuleOptimizer,
        kinds: Mapping[str, Kind],
        *,
        clip_norm: float,
        precision: str,
        loss_weights: Mapping[str, float] | None = None,
        terms: Sequence[LossTerm] = (),
        word_dropout: WordDropout | None = None,
    ):
        self.model = model
        self.optimizer = optimizer
        self.kinds = kinds
        self.clip_norm = clip_norm
        self.precision = precision
        self.loss_weights = dict(loss_weights or {})
        self.word_dropout = word_dropout
        self.terms = {task: [t for t in terms if t.applies(task)] for task in kinds}
        self.term_losses: dict[str, tf.Tensor] = {}
        self.strategy = tf.distribute.get_strategy()
        self._on_one_device = not tf.distribute.has_strategy()
        self._weights = {task: list(model.trained_weights(task).values()) for task in kinds}
        self._accumulator: GradientAccumulator | None = None
        self._compiled: dict[tuple[str, str], Callable] = {}

    def __call__(
        self,
        task: str,
        batches: Sequence[Mapping[str, tf.Tensor]],
        divisor: float,
        dropout_seeds: Sequence[np.ndarray],
    ) -> tf.Tensor:
        """Does one update.

        Args:
            task: name of the task all batches are of.
            batches: padded batches with ``labels``, one for every forward pass.
            divisor: what the summed loss is divided by, see `Update.divisor`.
            dropout_seeds: int32 (2,), one for every forward pass.

        Returns:
            Summed loss (scalar tensor, float32).
        """
        share = tf.constant(self.loss_weights.get(task, 1.0) / max(divisor, 1))
        seeds = [tf.constant(seed) for seed in dropout_seeds]
        if len(batches) == 1:
            return self._summed(task, self._run(self._update, task, batches[0], seeds[0], share))
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
        return self._summed(task, tf.add_n(losses))

    def _summed(self, task: str, losses: tf.Tensor) -> tf.Tensor:
        """The whole loss, what terms have of it being noted."""
        if not self.terms[task]:
            self.term_losses = {}
            return losses
        whole, *parts = tf.unstack(losses)
        names = [term.name for term in self.terms[task]]
        self.term_losses = dict(zip(names, parts, strict=True))
        return whole

    def _run(self, function: Callable, task: str, *args) -> tf.Tensor:
        """Runs a compiled `function` on all replicas and sums what they return."""
        key = (task, function.__name__)
        if key not in self._compiled:
            self._compiled[key] = self._everywhere(lambda *args: function(task, *args), args)
        return self._compiled[key](*args)

    def _everywhere(self, function: Callable, args: Sequence[Any]) -> Callable:
        """`function` on all replicas, its values summed, as a graph for arguments like these."""

        def everywhere(*args):
            return self.strategy.reduce("SUM", self.strategy.run(function, args=args), axis=None)

        fixed = needs_fixed_shapes(self.strategy)
        return traced(everywhere, None if fixed else [_signature(argument) for argument in args])

    def gradient_pass(
        self, task: str, batch: Mapping[str, tf.Tensor], dropout_seed: np.ndarray,
        terms: bool = True,
    ) -> Callable[[], tf.Tensor]:
        """A forward and backward pass alone, to be timed; it gives a number and changes no weight.

        Args:
            task: name of the task.
            batch: padded rows of it.
            dropout_seed: int32 (2,).
            terms: whether the loss has its terms.
        """

        def run(batch, seed):
            _, gradients = self._gradients(task, batch, seed, self.terms[task] if terms else [])
            # Of every gradient something is asked for, so that none is left out of the graph.
            return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

        args = (batch, tf.constant(dropout_seed))
        return partial(self._everywhere(run, args), *args)

    # The rest is what each replica does.

    def _update(self, task: str, batch, dropout_seed, share) -> tf.Tensor:
        loss, gradients = self._gradients(task, batch, dropout_seed, self.terms[task])
        self._apply(task, gradients, share)
        return loss

    def _accumulate(self, task: str, batch, dropout_seed) -> tf.Tensor:
        loss, gradients = self._gradients(task, batch, dropout_seed, self.terms[task])
        self._accumulator.add([weight.value for weight in self._weights[task]], gradients)
        return loss

    def _apply_accumulated(self, task: str, share) -> tf.Tensor:
        gradients = self._accumulator.take([weight.value for weight in self._weights[task]])
        self._apply(task, gradients, share)
        return tf.zeros([])

    def _gradients(
        self, task: str, batch, dropout_seed, terms: Sequence[LossTerm]
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Summed loss of this replica's rows, and its gradients.

        Where there are terms, the loss is a vector: all of it, then each term's part.
        """
        weights = [weight.value for weight in self._weights[task]]
        batch = replica_rows(batch)
        if self.word_dropout is not None:
            batch = self.word_dropout(batch, dropout_seed)
        with_states = any(term.reads_states for term in terms)
        # Watching only trained weights ends the backward pass at the lowest of them.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            with computing_in(self.model, self.precision):
                forward = ForwardPass(
                    self.model, task, self.kinds[task], batch, dropout_seed, with_states
                )
                parts = [tf.reduce_sum(term(forward) * batch["row_mask"]) for term in terms]
            losses = self.kinds[task].losses(batch, forward.logits)
            loss = tf.reduce_sum(losses * batch["row_mask"])
            if parts:
                loss = tf.add_n([loss, *parts])
        gradients = tape.gradient(loss, weights)
        return (
            tf.stack([loss, *parts]) if parts else loss,
            [dense_gradient(g, w) for g, w in zip(gradients, weights, strict=True)],
        )

    def _apply(self, task: str, gradients: Sequence[tf.Tensor], share) -> None:
        """Updates the weights by the mean gradient of all replicas' rows."""
        gradients = summed_over_replicas(gradients)
        # One multiplication turns sums into means, clips them, and makes up for Keras, which on
        # several devices sums over the replicas once more.
        norm = share * global_norm(gradients)
        replicas = self.strategy.num_replicas_in_sync
        scale = share * clipping_scale(norm, self.clip_norm) / replicas

        if self._on_one_device:
            CompiledUpdate(self.optimizer, self._weights[task])(gradients, scale)
        else:
            # XLA cannot compile what several devices do together.
            self.optimizer.apply([scale * g for g in gradients], self._weights[task])


def _signature(argument):
    if isinstance(argument, Mapping):
        return free_sizes(argument)
    return tf.TensorSpec(argument.shape, argument.dtype)
