"""A tag for every word, answered inside the graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import tensorflow as tf

from tfglue.data.aligned_tokens import encodable
from tfglue.predictions.tags import TagPredictions
from tfglue.serving.sentence_rows import sentence_rows
from tfglue.serving.served_task import Arrays, Asked, ServedTask
from tfglue.serving.valid_text import split_at_blanks

_NO_TAG = -1


class ServedTags(ServedTask):
    """``tags`` and their probabilities ``scores``, each (batch, words).

    The sentences of a batch are filled up with empty strings, which are no words: their tags are
    empty, their scores 0.
    """

    inputs = ("words",)
    segments = False

    def specs(self):
        """The words (batch, words)."""
        return {"words": tf.TensorSpec([None, None], tf.string, name="words")}

    def features(self):
        """A list of any length."""
        return {"words": tf.io.RaggedFeature(tf.string)}

    def from_examples(self, parsed):
        """The sentences, filled up."""
        return {"words": parsed["words"].to_tensor()}

    def from_texts(self, texts):
        """Words that white space separates in the first text."""
        return {"words": split_at_blanks(texts[0]).to_tensor()}

    def ask(self, tokenizer, inputs):
        """Sentences in rows of at most the run's length."""
        is_word = inputs["words"] != ""
        words = tf.RaggedTensor.from_row_lengths(
            tf.boolean_mask(inputs["words"], is_word),
            tf.reduce_sum(tf.cast(is_word, tf.int64), axis=1), validate=False,
        )
        asked = sentence_rows(tokenizer, self.config.max_length, words)
        return Asked(asked.rows, (asked, inputs["words"]))

    def answer(self, asked, logits):
        """The most probable tag of each word, and the words beside them."""
        sentences, words = asked.known
        logits = sentences.of_words(logits)
        ids = tf.argmax(logits, axis=-1)
        scores = tf.nn.softmax(tf.cast(logits, tf.float64))
        scores = tf.cast(tf.gather(scores, ids, batch_dims=1), tf.float32)
        # Each word's number where it stands, from 1 on, and 0 where no word is.
        is_word = tf.cast(words != "", tf.int64)
        number = tf.reshape(tf.cumsum(tf.reshape(is_word, [-1])), tf.shape(words)) * is_word
        tags = tf.gather(tf.constant(self.task.labels), ids)
        return {
            "words": words,
            "tags": tf.gather(tf.concat([[""], tags], axis=0), number),
            "scores": tf.gather(tf.concat([[0.0], scores], axis=0), number),
        }

    def answer_rows(self, rows, logits):
        """``tags`` and ``scores`` of all tokens (batch, time), special ones too."""
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float64))
        ids = tf.argmax(logits, axis=-1)
        found = {
            "tags": tf.gather(tf.constant(self.task.labels), ids),
            "scores": tf.cast(tf.gather(probabilities, ids, batch_dims=1), tf.float32),
        }
        return {
            name: tf.RaggedTensor.from_row_splits(values, rows.row_splits, validate=False)
            .to_tensor() for name, values in found.items()
        }

    def as_texts(self, examples, row):
        """The words with blanks between them, where there are none in them."""
        words = [encodable(word) for word in examples.sentence(row)]
        text = " ".join(words)
        return (text, "") if text.split() == words else None

    def request(self, examples):
        """The words, filled up to the longest sentence."""
        sentences = [examples.sentence(row) for row in range(len(examples))]
        words = np.full((len(sentences), max(map(len, sentences), default=0)), b"", object)
        for row, sentence in enumerate(sentences):
            words[row, : len(sentence)] = [encodable(word).encode() for word in sentence]
        return {"words": words}

    def predictions(self, examples, outputs):
        """The tag of each word."""
        return ServedTagPredictions(self.task, examples, None, None, outputs)

    def difference(self, ours, outputs):
        """Of the tags' probabilities, the largest of each sentence."""
        served = self.predictions(ours.examples, outputs)
        words = np.arange(len(served.values))
        probabilities = ours.probabilities
        own, same = probabilities.max(axis=1), probabilities[words, served.values]
        found = np.maximum(own - same, np.abs(same - served.scores))
        splits = ours.examples.row_splits
        return np.array([found[begin:end].max(initial=0.0) for begin, end in pairwise(splits)])


@dataclass(frozen=True)
class ServedTagPredictions(TagPredictions):
    """Tags that a SavedModel answered.

    Args:
        served: its outputs.
    """

    served: Arrays

    @cached_property
    def values(self):
        """Tag ids, (words,)."""
        ids = {tag.encode(): number for number, tag in enumerate(self.task.labels)}
        return np.array([ids[tag] for tag in self._flat("tags")], np.int64)

    @cached_property
    def scores(self) -> np.ndarray:
        """Probabilities of these tags, (words,)."""
        return np.array(self._flat("scores"), np.float64)

    def _flat(self, name: str) -> Sequence:
        lengths = np.diff(self.examples.row_splits)
        return [
            value for row, length in zip(self.served[name], lengths, strict=True)
            for value in row[:length]
        ]
