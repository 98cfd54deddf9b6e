"""Questions on passages, answered inside the graph."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf
from scipy.special import expit

from tfglue.data.aligned_tokens import encodable
from tfglue.kinds import KINDS
from tfglue.predictions.answerable import ANSWERABLE, UNANSWERABLE, AnswerablePredictions
from tfglue.predictions.predictions import nine_digits
from tfglue.predictions.spans import Span, SpanPredictions
from tfglue.serving.question_rows import question_rows
from tfglue.serving.served_task import Arrays, Asked, ServedTask, strings
from tfglue.serving.served_texts import ServedClassPredictions, classes
from tfglue.serving.span_decoding import SpanDecoding


class ServedQuestions(ServedTask):
    """What tasks on questions and passages have in common: passages in windows."""

    inputs = ("question", "context")

    @property
    def threshold(self) -> float | None:
        """How far having no answer must win to be the answer."""
        return KINDS.get(self.task.kind).threshold(self.task, self.config, self.calibration)

    def ask(self, tokenizer, inputs):
        """Windows of at most the run's length."""
        windowing = KINDS.get(self.task.kind).windowing(self.task, self.config)
        asked = question_rows(tokenizer, windowing, inputs["question"], inputs["context"])
        return Asked(asked.rows, asked)

    def request(self, examples):
        """Questions, each with its passage."""
        contexts = (examples.context(number) for number in range(len(examples)))
        return {
            "question": strings(map(encodable, examples.texts)),
            "context": strings(map(encodable, contexts)),
        }


class ServedSpans(ServedQuestions):
    """``answer``, its characters ``start`` and ``end``, ``score``; see `SpanDecoding`."""

    def answer(self, asked, logits):
        """The best span of each question."""
        decoding = SpanDecoding(
            self.config.n_best_size, self.config.max_answer_length, self.threshold
        )
        return decoding(asked.known, logits)

    def answer_rows(self, rows, logits):
        """``start_logits`` and ``end_logits`` (batch, time), 0 for padding."""
        padded = tf.RaggedTensor.from_row_splits(logits, rows.row_splits, validate=False)
        padded = padded.to_tensor(shape=[None, None, 2])
        return {"start_logits": padded[:, :, 0], "end_logits": padded[:, :, 1]}

    def predictions(self, examples, outputs):
        """The answer of each question."""
        return ServedSpanPredictions(
            self.task, examples, None, None, self.config.n_best_size,
            self.config.max_answer_length, self.threshold, outputs,
        )

    def difference(self, ours, outputs):
        """Of the answers' probabilities."""
        served = self.predictions(ours.examples, outputs)
        found = np.empty(len(ours.examples))
        pairs = zip(ours.ranked(), ours.answers, served.answers, strict=True)
        for number, (ranked, own, answer) in enumerate(pairs):
            own_probability = dict(ranked)[own]
            places = {(span.start, span.end): probability for span, probability in ranked}
            same = places.get((answer.start, answer.end), -1.0)
            worse = own_probability - same
            if ours.null_threshold is not None and (own.end == 0) != (answer.end == 0):
                worse = abs(ours.null_differences[number] - ours.null_threshold)
            found[number] = max(worse, abs(same - outputs["score"][number]))
        return found


class ServedAnswerable(ServedQuestions):
    """``label``, its ``score``, and ``probabilities``: whether the passage holds the answer."""

    def answer(self, asked, logits):
        """By the window most like an answer."""
        return self._answer(tf.math.segment_min(_log_odds(logits), asked.known.question_of_row))

    def answer_rows(self, rows, logits):
        """Of each window by itself."""
        return self._answer(_log_odds(logits))

    def _answer(self, log_odds: tf.Tensor):
        probabilities = tf.sigmoid(tf.stack([-log_odds, log_odds], axis=1))
        ids = tf.where(log_odds > self.threshold, UNANSWERABLE, ANSWERABLE)
        return classes(self.task.labels, ids, probabilities)

    def predictions(self, examples, outputs):
        """Whether each question is answerable."""
        return ServedAnswerablePredictions(self.task, examples, None, None, outputs)

    def difference(self, ours, outputs):
        """Of the probabilities."""
        served = self.predictions(ours.examples, outputs)
        found = np.abs(ours.probabilities - served.probabilities).max(axis=1)
        # Not the likelier class wins, but that on the right side of the threshold.
        border = np.abs(expit(ours.null_differences) - expit(self.threshold))
        return np.where(served.values == ours.values, found, np.maximum(found, border))


@dataclass(frozen=True)
class ServedSpanPredictions(SpanPredictions):
    """Answers that a SavedModel gave.

    Args:
        served: its outputs.
    """

    served: Arrays

    @cached_property
    def answers(self):
        """For each question the answer given."""
        columns = (self.served[name] for name in ("start", "end", "answer"))
        return [
            Span(int(start), int(end), text.decode(), 0.0, 0.0)
            for start, end, text in zip(*columns, strict=True)
        ]

    @cached_property
    def best_spans(self):
        """The same: what was not answered is not known."""
        return self.answers

    @cached_property
    def null_differences(self):
        """Far on the side on which the answer is."""
        far = float(np.finfo(np.float32).max)
        return np.array([-far if span.end else far for span in self.answers])

    def records(self):
        """``id``, ``label`` (the answer), ``start`` and ``end`` in characters, ``score``."""
        return [
            {"id": question_id, "label": span.text, "start": span.start, "end": span.end,
             "score": score}
            for question_id, span, score in zip(
                self.examples.ids, self.answers, nine_digits(self.served["score"]), strict=True
            )
        ]


class ServedAnswerablePredictions(ServedClassPredictions):
    """Classes of questions that a SavedModel answered."""

    gold = AnswerablePredictions.gold
    metrics = AnswerablePredictions.metrics


def _log_odds(logits: tf.Tensor) -> tf.Tensor:
    logits = tf.cast(logits, tf.float64)
    return logits[:, UNANSWERABLE] - logits[:, ANSWERABLE]
