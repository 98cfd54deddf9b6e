"""Classes and scores of texts and pairs, answered inside the graph."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from tfglue.data.aligned_tokens import encodable
from tfglue.predictions.rows import ClassPredictions, ScorePredictions
from tfglue.serving.served_task import Arrays, Asked, ServedTask, strings
from tfglue.serving.token_rows import pack_rows


class ServedTexts(ServedTask):
    """What classes and scores of texts have in common: one row for each."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """One text, or two."""
        return ("text_a", "text_b") if self.segments else ("text",)

    @property
    def segments(self) -> bool:
        """Whether pairs are read."""
        return len(self.task.text_fields) == 2

    def ask(self, tokenizer, inputs):
        """[CLS] a [SEP] b [SEP], cut to the run's length."""
        columns = [tokenizer.tokenize(inputs[name]) for name in self.inputs]
        return Asked(pack_rows(
            columns, max_length=self.config.max_length, cls_id=tokenizer.cls_id,
            sep_id=tokenizer.sep_id,
        ))

    def answer(self, asked, logits):
        """An answer for each row."""
        return self.answer_rows(asked.rows, logits)

    def request(self, examples):
        """The texts, column by column."""
        columns = zip(self.inputs, examples.texts, strict=True)
        return {name: strings(map(encodable, texts)) for name, texts in columns}


class ServedClasses(ServedTexts):
    """``label``, its probability ``score``, and ``probabilities`` in the order of the labels."""

    def answer_rows(self, rows, logits):
        """The most probable label of each row."""
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float64))
        return classes(self.task.labels, tf.argmax(logits, axis=-1), probabilities)

    def predictions(self, examples, outputs):
        """The most probable class of each row."""
        return ServedClassPredictions(self.task, examples, None, None, outputs)

    def difference(self, ours, outputs):
        """Of the probabilities."""
        return class_difference(ours.probabilities, self.predictions(ours.examples, outputs))


class ServedScores(ServedTexts):
    """``score``, within the task's range."""

    def answer_rows(self, rows, logits):
        """The score of each row."""
        scores = logits[:, 0]
        if self.task.score_range:
            scores = tf.clip_by_value(scores, *self.task.score_range)
        return {"score": scores}

    def predictions(self, examples, outputs):
        """A score for each row."""
        return ServedScorePredictions(self.task, examples, None, None, outputs)

    def difference(self, ours, outputs):
        """Of the scores."""
        return np.abs(ours.values - outputs["score"])


@dataclass(frozen=True)
class ServedClassPredictions(ClassPredictions):
    """Classes that a SavedModel answered.

    Args:
        served: its outputs.
    """

    served: Arrays

    @cached_property
    def probabilities(self):
        """float64 (rows, classes); in mixed batches they are filled up to those of other tasks."""
        return self.served["probabilities"][:, : len(self.task.labels)].astype(np.float64)

    @cached_property
    def values(self):
        """Class ids."""
        ids = {label.encode(): number for number, label in enumerate(self.task.labels)}
        return np.array([ids[label] for label in self.served["label"]], np.int64)


@dataclass(frozen=True)
class ServedScorePredictions(ScorePredictions):
    """Scores that a SavedModel answered.

    Args:
        served: its outputs.
    """

    served: Arrays

    @cached_property
    def values(self):
        """Scores within the task's range."""
        return self.served["score"].astype(np.float64)


def classes(labels: tuple[str, ...], ids: tf.Tensor, probabilities: tf.Tensor):
    """Outputs for class ids (batch,) and float64 probabilities (batch, classes)."""
    return {
        "label": tf.gather(tf.constant(labels), ids),
        "score": tf.cast(tf.gather(probabilities, ids, batch_dims=1), tf.float32),
        "probabilities": tf.cast(probabilities, tf.float32),
    }


def class_difference(own: np.ndarray, served: ServedClassPredictions) -> np.ndarray:
    """`ServedTask.difference` of classes, from the run's probabilities (rows, classes)."""
    worse = own.max(axis=1) - own[np.arange(len(own)), served.values]
    return np.maximum(np.abs(own - served.probabilities).max(axis=1), worse)
