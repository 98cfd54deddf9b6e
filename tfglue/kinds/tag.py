"""A tag for every word of a sentence."""

import numpy as np
from keras import ops

from tfglue.data.features import NO_LABEL
from tfglue.data.tag_features import tag_features
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.kinds.kind import Kind
from tfglue.predictions.tags import TagPredictions


class Tag(Kind):
    """Cross-entropy over the tags of each word, on its first piece (Devlin et al. 2019, 5.3)."""

    def encode(self, task, examples, tokenizer, config, training=False):
        """Sentences in rows of at most `max_length` tokens."""
        return tag_features(examples, tokenizer, config.max_length)

    def typed(self, task, rows, origin):
        """Sentences whose words are separated by white space."""
        sentences = [text.split() for (text,) in rows]
        splits = np.cumsum([0, *map(len, sentences)]).astype(np.int64)
        return TaggedSentences(
            ids=[str(number) for number in range(len(rows))],
            origin=origin,
            words=[word for words in sentences for word in words],
            row_splits=splits,
            tags=None,
        )

    every_token = True

    def num_outputs(self, task):
        """One for every tag."""
        return len(task.labels)

    def losses(self, batch, logits):
        """Cross-entropies of a row's words, summed; pieces that answer for no word have none.

        Args:
            batch: labels are tag ids, int32 (batch, time).
            logits: (batch, time, tags).
        """
        log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        labels = ops.cast(batch["labels"], "int32")
        places = ops.maximum(labels, 0)[:, :, None]
        losses = -ops.take_along_axis(log_probabilities, places, axis=-1)[:, :, 0]
        return ops.sum(ops.where(labels != NO_LABEL, losses, 0.0), axis=-1)

    def predictions(self, task, examples, features, outputs, config, calibration):
        """The most probable tag of each word."""
        return TagPredictions(task, examples, features, outputs)

    def floor(self, task, examples):
        """The accuracy of always giving the most frequent tag; 0 for entities."""
        if task.main_metric != "accuracy":
            return 0.0
        return float(np.bincount(examples.tags).max() / len(examples.tags))
