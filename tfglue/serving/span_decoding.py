"""The best spans of questions, found in the graph."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.data.span_features import CLS_POSITION
from tfglue.serving.question_rows import QuestionRows

_NOWHERE = tf.int64.max


@dataclass(frozen=True)
class SpanDecoding:
    """What `tfglue.predictions.spans.SpanPredictions` does, inside the graph; see there.

    Args:
        n_best_size: starts and ends of a window that are combined, and answers that are kept.
        max_answer_length: tokens of an answer at most.
        null_threshold: no answer is given where its score beats the best answer's by more than
            this; None if every question has an answer.
    """

    n_best_size: int
    max_answer_length: int
    null_threshold: float | None

    def __call__(self, asked: QuestionRows, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers of all questions.

        Args:
            asked: the windows.
            logits: float32 (tokens, 2): start and end.

        Returns:
            ``answer``, its characters ``start`` and ``end`` (both 0 where there is none), ``score``
            (its probability among the best ones), each (questions,), and
            ``null_score_difference``, where questions may have no answer.
        """
        best = self._n_best(asked, logits)
        count = tf.math.unsorted_segment_sum(
            tf.ones_like(best["question"]), best["question"], asked.questions
        )
        none = count == 0
        # Behind them all stands what is taken where nothing was found.
        behind = tf.size(best["question"], out_type=tf.int64)
        first = tf.where(none, behind, tf.cumsum(count, exclusive=True))
        blank = {"score": tf.zeros([1], tf.float64), "start": [0], "end": [0], "text": [""]}
        top = {
            name: tf.gather(tf.concat([best[name], value], axis=0), first)
            for name, value in blank.items()
        }
        given, highest = top["score"], top["score"]
        outputs = {"answer": top["text"], "start": top["start"], "end": top["end"]}
        if self.null_threshold is not None:
            null = self._null(asked, logits)
            # Infinity has no place in JSON.
            largest = tf.constant(np.finfo(np.float32).max, tf.float64)
            difference = tf.where(none, largest, null - top["score"])
            absent = difference > self.null_threshold
            outputs = {
                name: tf.where(absent, tf.zeros([], value.dtype) if value.dtype != tf.string
                               else "", value)
                for name, value in outputs.items()
            } | {"null_score_difference": tf.cast(difference, tf.float32)}
            given = tf.where(absent, null, given)
            highest = tf.where(none, null, tf.maximum(null, highest))
        shares = tf.exp(best["score"] - tf.gather(highest, best["question"]))
        total = tf.math.unsorted_segment_sum(shares, best["question"], asked.questions)
        if self.null_threshold is not None:
            total += tf.exp(null - highest)
        else:
            total = tf.where(none, tf.ones_like(total), total)
        return outputs | {"score": tf.cast(tf.exp(given - highest) / total, tf.float32)}

    def _n_best(self, asked: QuestionRows, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """The best answers with distinct texts, those of one question side by side, best first.

        ``question``, ``score``, ``start``, ``end`` and ``text``, each (answers,).
        """
        found = self._candidates(asked, logits)
        # The order of equals is that of the passage, in which they come.
        order = tf.argsort(-found["score"], stable=True)
        order = tf.gather(order, tf.argsort(tf.gather(found["question"], order), stable=True))
        found = {name: tf.gather(values, order) for name, values in found.items()}
        passage = tf.gather(asked.passage_of_question, found["question"])
        found["text"] = asked.passages.strings(passage, found["start"], found["end"])
        # Of each text the best place alone.
        texts, text = tf.unique(found["text"], out_idx=tf.int64)
        key = found["question"] * tf.size(texts, out_type=tf.int64) + text
        keys, number = tf.unique(key, out_idx=tf.int64)
        place = tf.range(tf.size(key, out_type=tf.int64))
        kept = tf.math.unsorted_segment_min(place, number, tf.size(keys, out_type=tf.int64))
        question = tf.gather(found["question"], kept)
        count = tf.math.unsorted_segment_sum(tf.ones_like(question), question, asked.questions)
        before = tf.gather(tf.cumsum(count, exclusive=True), question)
        rank = tf.range(tf.size(kept, out_type=tf.int64)) - before
        kept = tf.boolean_mask(kept, rank < self.n_best_size)
        return {name: tf.gather(values, kept) for name, values in found.items()}

    def _candidates(self, asked: QuestionRows, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """``question``, ``score``, ``start``, ``end`` of possible answers, the passage's first."""
        of_passage = asked.starts >= 0
        firsts = self._best_tokens(asked, logits[:, 0], of_passage & asked.most_context)
        lasts = self._best_tokens(asked, logits[:, 1], of_passage)
        first, last = firsts[:, :, None], lasts[:, None, :]
        length = last - first + 1
        fits = (length >= 1) & (length <= self.max_answer_length)
        fits &= (first < _NOWHERE) & (last < _NOWHERE)
        chosen = tf.where(fits)
        first = tf.gather_nd(firsts, chosen[:, :2])
        last = tf.gather_nd(lasts, tf.gather(chosen, [0, 2], axis=1))
        scores = tf.cast(logits, tf.float64)
        return {
            "question": tf.gather(asked.question_of_row, chosen[:, 0]),
            "score": tf.gather(scores[:, 0], first) + tf.gather(scores[:, 1], last),
            "start": tf.gather(asked.starts, first),
            "end": tf.gather(asked.ends, last),
        }

    def _best_tokens(
        self, asked: QuestionRows, logits: tf.Tensor, allowed: tf.Tensor
    ) -> tf.Tensor:
        """The tokens with the highest logits in each row, int64 (rows, at most `n_best_size`).

        They come in the order of the row, `_NOWHERE` behind them where fewer are allowed.
        """
        impossible = tf.constant(-np.inf, tf.float32)
        rows = tf.RaggedTensor.from_row_splits(
            tf.where(allowed, logits, impossible), asked.rows.row_splits, validate=False
        ).to_tensor(impossible)
        size = tf.minimum(self.n_best_size, tf.shape(rows)[1])
        values, places = tf.math.top_k(rows, size)
        tokens = tf.cast(places, tf.int64) + asked.rows.row_splits[:-1, None]
        return tf.sort(tf.where(values > impossible, tokens, _NOWHERE), axis=1)

    def _null(self, asked: QuestionRows, logits: tf.Tensor) -> tf.Tensor:
        """How having no answer scores, float64 (questions,): in the window where that is least."""
        of_row = tf.gather(logits, asked.rows.row_splits[:-1] + CLS_POSITION)
        return tf.math.segment_min(
            tf.reduce_sum(tf.cast(of_row, tf.float64), axis=1), asked.question_of_row
        )
