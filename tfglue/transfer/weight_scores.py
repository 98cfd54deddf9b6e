"""Fisher scores of weights, row by row without a backward pass for each row.

A linear map y = x W + b has, for row i, the gradients sum_t x_it d_it^T and sum_t d_it, where d_it
is the gradient of the row's loss with respect to y_it. The backward pass over a batch has all d_it;
so the squares of rows are taken a few rows at a time, whatever the size of the batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfglue.errors import UserError, suggestion
from tfglue.models.heads import LinearHead
from tfglue.models.transfer_model import TransferModel
from tfglue.training.clipping import dense_gradient
from tfglue.transfer.components import CLS, layer_output
from tfglue.transfer.observation import Observation

_ROWS_AT_ONCE = 4
"""So many gradients of one kernel are held at a time: 38 MB of BERT-base's largest."""


class WeightScores:
    """Squared gradients of chosen weights, summed over rows, tokens or batches.

    By row and by token kernels and biases of the encoder's linear maps can be scored, of the
    pooler, and of a linear head; by batch every weight can.

    Args:
        model: whose weights.
        task: whose head.
        granularity: as in `tfglue.transfer.fisher.TaskFisher`.
        names: our names of the weights, of `scorable`.

    Raises:
        UserError: a weight is unknown, or cannot be scored at this granularity.
    """

    def __init__(self, model: TransferModel, task: str, granularity: str, names: Sequence[str]):
        self.model, self.task, self.granularity = model, task, granularity
        known = scorable(model, task, granularity)
        for name in names:
            if name not in known:
                raise UserError(
                    f"--weights: cannot score '{name}' by {granularity}{suggestion(name, known)}"
                )
        self._weights = {name: known[name] for name in names}
        self._sums = {
            name: tf.Variable(tf.zeros(weight.shape), trainable=False)
            for name, weight in self._weights.items()
        }

    def reset(self) -> None:
        """Forgets all sums."""
        for total in self._sums.values():
            total.assign(tf.zeros_like(total))

    def scores(self, rows: int) -> dict[str, np.ndarray]:
        """Name -> sums over the number of rows, float32 of the weight's shape."""
        return {name: total.numpy() / np.float32(rows) for name, total in self._sums.items()}

    def watch(self, tape: tf.GradientTape) -> None:
        """Lets a tape see the weights, where gradients of whole batches are wanted."""
        if self.granularity == "batch":
            tape.watch([weight.value for weight in self._weights.values()])

    def sources(self, seen: Observation) -> dict[str, tf.Tensor]:
        """What gradients are needed of, beside the activations."""
        if self.granularity == "batch":
            return {name: weight.value for name, weight in self._weights.items()}
        maps = {name.rpartition(".")[0] for name in self._weights}
        found = {name: seen.linear_maps[name][1] for name in maps if name in seen.linear_maps}
        return found | ({self._head: seen.logits} if self._head in maps else {})

    def add(
        self,
        seen: Observation,
        activations: Mapping[str, tf.Tensor],
        gradients: Mapping[str, tf.Tensor],
    ) -> None:
        """Adds the squares of one batch.

        Args:
            seen: the forward pass.
            activations: gradients of its activations.
            gradients: of what `sources` names.
        """
        for name, total in self._sums.items():
            if self.granularity == "batch":
                own = dense_gradient(gradients[name], self._weights[name].value)
                total.assign_add(tf.square(own))
                continue
            place, _, part = name.rpartition(".")
            x, delta = self._input_and_gradient(place, seen, activations, gradients)
            if part == "bias":
                sums = delta if self.granularity == "token" else tf.reduce_sum(delta, 1, True)
                total.assign_add(tf.reduce_sum(tf.square(sums), axis=(0, 1)))
            elif self.granularity == "token" or x.shape[1] == 1:
                # The square of an outer product is the outer product of squares.
                total.assign_add(tf.einsum("bti,bto->io", tf.square(x), tf.square(delta)))
            else:
                total.assign_add(_summed_squares(x, delta))

    def _input_and_gradient(self, place: str, seen, activations, gradients):
        """What went into a linear map, and the gradient of what came out, (batch, time, dim)."""
        if place in seen.linear_maps:
            return seen.linear_maps[place][0], gradients[place]
        last = seen.activations[layer_output(self.model.encoder.num_layers - 1)]
        if place == "pooler":
            pooled = seen.activations[CLS]
            delta = activations[CLS] * (1 - tf.square(pooled))  # Through the tanh.
            return last[:, :1], delta[:, None]
        if self.model.heads[self.task].every_token:
            return last, gradients[place]
        return seen.activations[CLS][:, None], gradients[place][:, None]

    @property
    def _head(self) -> str:
        return f"heads.{self.task}.dense"


def scorable(model: TransferModel, task: str, granularity: str) -> dict[str, Any]:
    """Our name -> variable of every weight that can be scored."""
    head = f"heads.{task}."
    own = {f"{head}{name}": weight for name, weight in model.heads[task].named_weights().items()}
    encoder = model.encoder.named_weights()
    if not model.heads[task].reads_pooled_output:
        encoder = {n: weight for n, weight in encoder.items() if not n.startswith("pooler.")}
    if granularity == "batch":
        return encoder | {n: weight for n, weight in own.items() if weight.trainable}
    linear = {n: weight for n, weight in encoder.items() if n.endswith((".kernel", ".bias"))}
    return linear | (own if isinstance(model.heads[task], LinearHead) else {})


def _summed_squares(x, delta):
    """sum_i (sum_t x_it d_it^T)^2, (in, out), a few rows at a time."""
    rows, time = tf.shape(x)[0], tf.shape(x)[1]
    more = -rows % _ROWS_AT_ONCE

    def parts(values):
        values = tf.pad(values, [[0, more], [0, 0], [0, 0]])  # Rows of zeros add nothing.
        return tf.reshape(values, (-1, _ROWS_AT_ONCE, time, values.shape[-1]))

    x, delta = parts(x), parts(delta)

    def add(number, total):
        products = tf.matmul(x[number], delta[number], transpose_a=True)
        return number + 1, total + tf.reduce_sum(tf.square(products), axis=0)

    _, total = tf.while_loop(
        lambda number, _: number < tf.shape(x)[0], add,
        (tf.constant(0), tf.zeros((x.shape[-1], delta.shape[-1]))), parallel_iterations=1,
    )
    return total
