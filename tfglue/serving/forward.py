"""The model over token rows of any number and length, in passes of rows of like length."""

from collections.abc import Mapping, Sequence

import tensorflow as tf

from tfglue.models.transfer_model import PACKED
from tfglue.serving.stored_weights import StoredWeights
from tfglue.serving.token_rows import TokenRows

# Tokens of a pass, padding included. Fewer than the least make many small products; the most bounds
# memory. Between them rows join a pass whose longest row is not much longer than they are.
_LEAST_TOKENS, _MOST_TOKENS = 192, 2048
_LIKE = 0.75


class Forward:
    """Runs the model in the graph.

    Rows are sorted by length, and those of like length go through together. So short rows cost what
    they weigh, and the windows of a long passage take no more memory than one pass does.

    Args:
        weights: those of the model.
    """

    def __init__(self, weights: StoredWeights):
        self.weights = weights
        self.model = weights.model
        self._functions = {}

    def __call__(self, tasks: Sequence[str], rows: TokenRows) -> list[tf.Tensor]:
        """Logits of each task for all rows.

        Args:
            tasks: one, or several of which `shares_passes` is true.
            rows: what is answered.

        Returns:
            For each task float32 (rows, outputs), or (tokens, outputs) from a head that answers
            every token.
        """
        key = tuple(tasks)
        if key not in self._functions:
            self._functions[key] = tf.function(
                lambda *parts: self._in_passes(key, TokenRows(*parts)),
                input_signature=[
                    tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64),
                    tf.TensorSpec([None], tf.int32),
                ],
                autograph=False,
            )
        return self._functions[key](rows.token_ids, rows.row_splits, rows.first_lengths)

    def shares_passes(self, task: str) -> bool:
        """Whether the encoder computes the same for this task as for others of which that is so.

        It has no adapter, and its head reads the pooled output alone.
        """
        return task not in self.model.adapters and self.model.heads[task].pooled_only

    def _in_passes(self, tasks: tuple[str, ...], rows: TokenRows) -> list[tf.Tensor]:
        lengths = rows.lengths
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        lengths = tf.gather(lengths, order)
        count = tf.size(order)
        heads = [self.model.heads[task] for task in tasks]
        kernels = self.weights.kernels(tasks[0])
        arrays = []
        for head in heads:
            shape = [None, head.num_outputs]
            array = tf.TensorArray(
                tf.float32, 1, dynamic_size=True, infer_shape=False, element_shape=shape
            )
            # So that there is something to join even where there are no rows.
            arrays.append(array.write(0, tf.zeros([0, head.num_outputs])))

        def one_pass(start, number, arrays):
            longest = lengths[start]
            like = tf.cast(lengths[start:], tf.float32) >= _LIKE * tf.cast(longest, tf.float32)
            size = tf.clip_by_value(
                tf.reduce_sum(tf.cast(like, tf.int32)), _LEAST_TOKENS // longest,
                _MOST_TOKENS // longest,
            )
            size = tf.clip_by_value(size, 1, count - start)
            batch = rows.padded(order[start : start + size], longest)
            logits = self._logits(tasks, batch, kernels)
            arrays = [array.write(number, part) for array, part in zip(arrays, logits, strict=True)]
            return start + size, number + 1, arrays

        _, _, arrays = tf.while_loop(
            lambda start, *_: start < count, one_pass, (0, 1, arrays), parallel_iterations=1
        )
        place = tf.argsort(order)
        found = []
        for head, array in zip(heads, arrays, strict=True):
            values = array.concat()
            if head.every_token:
                values = tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)
            values = tf.gather(values, place)
            found.append(values.values if head.every_token else values)
        return found

    def _logits(
        self, tasks: tuple[str, ...], batch: dict[str, tf.Tensor], kernels: Mapping[str, tf.Tensor]
    ) -> list[tf.Tensor]:
        """Logits of a pass: of all rows, or of all tokens that are no padding."""
        heads = [self.model.heads[task] for task in tasks]
        packed = {name: batch[name] for name in PACKED}
        with self.weights.in_use(kernels, batch) as batch:
            encoded = self.model.encoder(
                batch, pooled_only=all(head.pooled_only for head in heads),
                adapter=self.model.adapters.get(tasks[0]),
            )
        found = []
        for head in heads:
            logits = head(encoded | packed)
            found.append(
                tf.boolean_mask(logits, packed["padding_mask"] > 0) if head.every_token else logits
            )
        return found
