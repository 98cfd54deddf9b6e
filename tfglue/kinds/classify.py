"""One of several classes for a text or a pair."""

import numpy as np
from keras import ops

from tfglue.kinds.kind import CHOICE, Kind
from tfglue.metrics import compute
from tfglue.predictions.rows import ClassPredictions


class Classify(Kind):
    """Cross-entropy over the task's labels; the most probable one is the answer."""

    answers = CHOICE

    def num_outputs(self, task):
        """One for every label."""
        return len(task.labels)

    def losses(self, batch, logits):
        """Cross-entropy in nats.

        Args:
            batch: labels are class ids, int32 (batch,).
            logits: (batch, classes).
        """
        log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        labels = ops.cast(batch["labels"], "int32")[:, None]
        return -ops.take_along_axis(log_probabilities, labels, axis=-1)[:, 0]

    def predictions(self, task, examples, features, outputs, config, calibration):
        """The most probable class of each row."""
        return ClassPredictions(task, examples, features, outputs)

    def classes(self, features):
        """The labels."""
        return features.labels

    def floor(self, task, examples):
        """The score of always answering the most frequent label."""
        labels = examples.labels
        majority = np.full_like(labels, np.bincount(labels).argmax())
        return compute(task.metrics[:1], labels, majority)[task.main_metric]
