"""Candidates of queries, ranked inside the graph."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import tensorflow as tf

from tfglue.data.ranked_examples import RIGHT
from tfglue.predictions.ranks import RankPredictions
from tfglue.serving.served_task import Arrays
from tfglue.serving.served_texts import ServedTexts, classes

_WRONG = 1


class ServedRanks(ServedTexts):
    """Each row is a query and a candidate; rows of one query in a request are ranked together.

    ``label`` says which candidate is the best, ``score`` is that label's probability, and
    ``probabilities`` are those of being the right one and another.
    """

    def ask(self, tokenizer, inputs):
        """Rows, and the number of each row's group."""
        group = self._groups(inputs[self.inputs[0]])
        return replace(super().ask(tokenizer, inputs), known=group)

    def answer(self, asked, logits):
        """The best of each query."""
        return self._ranked(asked.known, logits)

    def answer_rows(self, rows, logits):
        """The best of each query; rows whose first text has the same tokens are of one."""
        tokens = tf.RaggedTensor.from_row_splits(rows.token_ids, rows.row_splits, validate=False)
        places = tf.ragged.range(
            tokens.row_starts(), tokens.row_starts() + tf.cast(rows.first_lengths, tf.int64)
        )
        words = tf.strings.as_string(tf.gather(rows.token_ids, places.values))
        queries = tf.strings.reduce_join(
            places.with_values(words), axis=-1, separator=" "
        )
        return self._ranked(self._groups(queries), logits)

    def _groups(self, queries: tf.Tensor) -> tf.Tensor:
        """Numbers of the groups, int32 (rows,), as `tfglue.data.ranked_examples.grouped` has them.
        """
        query = tf.unique(queries)[1]
        if not self.task.paired_lines:
            return query
        # Every other row of a run of one query begins a pair, unless it is the last of the run.
        row = tf.range(tf.size(query))
        begins = tf.concat([query[:1] >= 0, query[1:] != query[:-1]], axis=0)
        run = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        second = (row - tf.gather(tf.boolean_mask(row, begins), run)) % 2 == 1
        first = tf.concat([second[1:], query[:1] < 0], axis=0)
        pair = tf.where(second, row - 1, row) + tf.size(query)
        return tf.unique(tf.where(first | second, pair, query))[1]

    def _ranked(self, group: tf.Tensor, logits: tf.Tensor):
        scores = tf.cast(logits[:, 0], tf.float64)
        groups = tf.reduce_max(tf.concat([[-1], group], axis=0)) + 1
        shares = tf.exp(
            scores - tf.gather(tf.math.unsorted_segment_max(scores, group, groups), group)
        )
        shares /= tf.gather(tf.math.unsorted_segment_sum(shares, group, groups), group)
        largest = tf.gather(tf.math.unsorted_segment_max(shares, group, groups), group)
        row = tf.range(tf.size(group))
        place = tf.where(shares == largest, row, tf.size(group))
        first = tf.gather(tf.math.unsorted_segment_min(place, group, groups), group)
        ids = tf.where(row == first, RIGHT, _WRONG)
        return classes(self.task.labels, ids, tf.stack([shares, 1 - shares], axis=1))

    def predictions(self, examples, outputs):
        """The best candidate of each query."""
        return ServedRankPredictions(self.task, examples, None, None, outputs)

    def difference(self, ours, outputs):
        """Of the probabilities; where another candidate was taken, how much worse it is."""
        served, own = self.predictions(ours.examples, outputs), ours.right_probabilities
        best = np.zeros(len(own))
        np.maximum.at(best, ours.examples.group_of_example, own)
        worse = best[ours.examples.group_of_example] - own
        taken = (served.values == RIGHT) & (ours.values != RIGHT)
        return np.maximum(np.abs(own - served.right_probabilities), np.where(taken, worse, 0.0))


@dataclass(frozen=True)
class ServedRankPredictions(RankPredictions):
    """What a SavedModel said of candidates.

    Args:
        served: its outputs.
    """

    served: Arrays

    @cached_property
    def right_probabilities(self):
        """float64 (pairs,)."""
        return self.served["probabilities"][:, RIGHT].astype(np.float64)

    @cached_property
    def values(self):
        """Class ids."""
        return np.where(self.served["label"] == self.task.labels[RIGHT].encode(), RIGHT, _WRONG)
