"""Fisher scores of weights, row by row without a backward pass for each row.

With d_it the gradient of the loss of row i with respect to what a part computes at token t, the
row's own gradients are

    linear map y = x W + b       sum_t x_it d_it^T of W, sum_t d_it of b
    LayerNorm y = g n(x) + b     sum_t n(x_it) d_it of g, sum_t d_it of b
    table y = W[id]              of each line of W the sum of d_it where id_it is that line

The backward pass over a batch has all d_it, so squares of rows can be taken one by one.
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

_TABLES = {"embeddings.word": "token_ids", "embeddings.segment": "segment_ids",
           "embeddings.position": "positions"}
"""The ids that each table of the embeddings is read by."""

_EMBEDDED = "embeddings.layer_norm"

ROUNDING = 1e-9
"""Sums whose squares are a smaller share than this of the squares they are made of are zero."""


class WeightScores:
    """Squared gradients of chosen weights, summed over rows, tokens or batches.

    All weights of the encoder can be scored that the task's loss depends on, and those of a linear
    head; by batch those of any head.

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
        self._of_tokens = {
            name: tf.Variable(0.0, trainable=False)
            for name in self._weights if granularity == "example" and _is_vector(name)
        }

    def reset(self) -> None:
        """Forgets all sums."""
        for total in (*self._sums.values(), *self._of_tokens.values()):
            total.assign(tf.zeros_like(total))

    def scores(self, rows: int) -> dict[str, np.ndarray]:
        """Name -> sums over the number of rows, float32, but for those of `vanished`."""
        left_out = self.vanished()
        return {
            name: total.numpy() / np.float32(rows)
            for name, total in self._sums.items() if name not in left_out
        }

    def vanished(self) -> list[str]:
        """Weights whose gradients cancel over the tokens of every row, so that rounding is left.

        Softmax does not see what is added to all tokens: the bias of an attention's keys, and all
        that moves the answers of a question alike.
        """
        return [
            name for name, squares in self._of_tokens.items()
            if float(tf.reduce_sum(self._sums[name])) < ROUNDING * float(squares)
        ]

    def watch(self, tape: tf.GradientTape) -> None:
        """Lets a tape see the weights, where gradients of whole batches are wanted."""
        if self.granularity == "batch":
            tape.watch([weight.value for weight in self._weights.values()])

    def sources(self, seen: Observation) -> dict[str, tf.Tensor]:
        """What gradients are needed of, beside the activations."""
        if self.granularity == "batch":
            return {name: weight.value for name, weight in self._weights.items()}
        places = {name.rpartition(".")[0] for name in self._weights}
        found = {place: seen.maps[place][1] for place in places if place in seen.maps}
        if "embeddings" in places:
            found[_EMBEDDED] = seen.maps[_EMBEDDED][1]
        return found | ({self._head: seen.logits} if self._head in places else {})

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
            place, _, part = name.rpartition(".")
            if self.granularity == "batch":
                own = dense_gradient(gradients[name], self._weights[name].value)
                total.assign_add(tf.square(own))
            elif name in _TABLES:
                self._add_to_table(total, _ids(seen, _TABLES[name]), self._of_sum(seen, gradients))
            elif part in ("gamma", "beta"):
                x, _ = seen.maps[place]
                delta = gradients[place]
                self._add_vectors(name, delta * self._normalized(x) if part == "gamma" else delta)
            else:
                x, delta = self._input_and_gradient(place, seen, activations, gradients)
                if part == "bias":
                    self._add_vectors(name, delta)
                elif self.granularity == "token" or x.shape[1] == 1:
                    # The square of an outer product is the outer product of squares.
                    total.assign_add(tf.einsum("bti,bto->io", tf.square(x), tf.square(delta)))
                else:
                    total.assign_add(_summed_squares(x, delta))

    def _add_vectors(self, name: str, values) -> None:
        """Adds the squares of each token's vectors, (batch, time, dim), or of their sums by row."""
        if self.granularity == "example":
            self._of_tokens[name].assign_add(tf.reduce_sum(tf.square(values)))
            values = tf.reduce_sum(values, axis=1, keepdims=True)
        self._sums[name].assign_add(tf.reduce_sum(tf.square(values), axis=(0, 1)))

    def _add_to_table(self, total, ids, delta) -> None:
        """Adds the squares of gradients of lines, which a row may read at several tokens."""
        lines = total.shape[0]
        flat = tf.reshape(delta, (-1, delta.shape[-1]))
        if self.granularity == "token":
            total.scatter_add(tf.IndexedSlices(tf.square(flat), tf.reshape(ids, (-1,))))
            return
        rows = tf.range(tf.shape(ids, tf.int64)[0])[:, None]
        places, number = tf.unique(tf.reshape(rows * lines + tf.cast(ids, tf.int64), (-1,)))
        sums = tf.math.unsorted_segment_sum(flat, number, tf.size(places))
        total.scatter_add(tf.IndexedSlices(tf.square(sums), places % lines))

    def _of_sum(self, seen: Observation, gradients):
        """The gradient of the sum of the embeddings, from that of its LayerNorm."""
        x, _ = seen.maps[_EMBEDDED]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            normalized = self.model.encoder.embeddings.layer_norm(x)
        return tape.gradient(normalized, x, gradients[_EMBEDDED])

    def _normalized(self, x):
        mean, variance = tf.nn.moments(x, axes=-1, keepdims=True)
        epsilon = self.model.encoder.embeddings.layer_norm_epsilon
        return (x - mean) * tf.math.rsqrt(variance + epsilon)

    def _input_and_gradient(self, place: str, seen, activations, gradients):
        """What went into a linear map, and the gradient of what came out, (batch, time, dim)."""
        if place in seen.maps:
            return seen.maps[place][0], gradients[place]
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
    return encoder | (own if isinstance(model.heads[task], LinearHead) else {})


def _is_vector(name: str) -> bool:
    return name.endswith((".bias", ".gamma", ".beta"))


def _ids(seen: Observation, name: str):
    """What of a batch a table is read by, int32 (batch, time)."""
    tokens = seen.inputs["token_ids"]
    if name == "positions":
        return tf.zeros_like(tokens) + tf.range(tf.shape(tokens)[1])
    return seen.inputs[name]


def _summed_squares(x, delta):
    """sum_i (sum_t x_it d_it^T)^2, (in, out).

    One row at a time: what a row takes stays in the processor's cache, where several at once
    would go through memory three times over.
    """
    def add(row, total):
        return row + 1, total + tf.square(tf.matmul(x[row], delta[row], transpose_a=True))

    _, total = tf.while_loop(
        lambda row, _: row < tf.shape(x)[0], add,
        (tf.constant(0), tf.zeros((x.shape[-1], delta.shape[-1]))), parallel_iterations=1,
    )
    return total
