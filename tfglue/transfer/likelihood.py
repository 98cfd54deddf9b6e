"""Whose labels the Fisher information is of: those of the data, or the model's own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from tfglue.data.features import NO_LABEL, Features
from tfglue.errors import UserError
from tfglue.kinds import Kind
from tfglue.models.encoder import MASKED_SCORE

FISHERS = ("empirical", "sampled", "expected")

SCORE_STD = 0.25
"""Standard deviation of a score around its prediction, as published."""

NOISE, TERMS = "noise", "loss_terms"
"""What of a batch tells draws apart, and how many losses each row has."""


class Likelihood(ABC):
    """Weighted losses of rows; the squares of their gradients are summed over passes.

    Args:
        kind: of the task.
        name: of the kind.
        num_outputs: of the task's head.
    """

    passes: int = 1

    def __init__(self, kind: Kind, name: str, num_outputs: int):
        self.kind, self.name, self.num_outputs = kind, name, num_outputs

    @abstractmethod
    def losses(self, batch: Mapping[str, tf.Tensor], logits: tf.Tensor, number) -> tf.Tensor:
        """Losses of all rows in a pass, summed over the terms of a row, float32 (batch,).

        Args:
            batch: padded rows with labels and, where `noise` gives some, noise.
            logits: of these rows.
            number: of the pass, an int32 scalar.
        """

    def noise(self, features: Features, number: int) -> np.ndarray | None:
        """Numbers that decide what is drawn in a pass: a row a row, or a token a token."""
        return None


class Empirical(Likelihood):
    """The labels of the data: one pass (the empirical Fisher information)."""

    def losses(self, batch, logits, number):
        return self.kind.losses(batch, logits)


class Sampled(Likelihood):
    """Labels that the model draws, squared draw by draw and averaged.

    What is drawn is fixed by the seed and the number of the row or token, whatever batch it is in.

    Args:
        kind, name, num_outputs: as in `Likelihood`.
        draws: for every row.
        seed: of the draws.
    """

    def __init__(self, kind: Kind, name: str, num_outputs: int, draws: int, seed: int):
        super().__init__(kind, name, num_outputs)
        self.passes, self.seed = draws, seed

    def losses(self, batch, logits, number):
        logits = tf.cast(logits, tf.float32)
        weight = self.passes**-0.5
        if self.name == "regress":
            # The density of a score around its prediction, as a function of the prediction.
            error = batch[NOISE] * SCORE_STD
            drawn = tf.stop_gradient(logits[:, 0]) + error
            return weight * tf.square(drawn - logits[:, 0]) / (2 * SCORE_STD**2)
        drawn = {**batch, "labels": self._labels(batch, tf.stop_gradient(logits))}
        return weight * self.kind.losses(drawn, logits)

    def _labels(self, batch, logits):
        if self.name == "span":
            mask = tf.cast(batch["padding_mask"], tf.float32)[:, :, None]
            by_place = tf.transpose(logits + (1 - mask) * MASKED_SCORE, (0, 2, 1))
            return _drawn(by_place, batch[NOISE])
        labels = _drawn(logits, batch[NOISE])
        if self.name == "tag":
            return tf.where(batch["labels"] == NO_LABEL, NO_LABEL, labels)
        return labels

    def noise(self, features, number):
        random = np.random.default_rng([self.seed, number])
        if self.name == "regress":
            return random.standard_normal(len(features)).astype(np.float32)
        if self.name == "tag":
            return random.uniform(size=len(features.token_ids)).astype(np.float32)
        shape = (len(features), 2) if self.name == "span" else len(features)
        return random.uniform(size=shape).astype(np.float32)


class Expected(Likelihood):
    """The expectation over what the model might draw, exactly: a pass for every class.

    Of a score one pass: squares of the gradient of the prediction, over the variance.

    Raises:
        UserError: the task answers every token; the sum over all answers is too long.
    """

    def __init__(self, kind: Kind, name: str, num_outputs: int):
        super().__init__(kind, name, num_outputs)
        if kind.every_token:
            raise UserError(
                f"--fisher expected: tasks of kind {name} have too many answers to be summed up; "
                "use --fisher sampled"
            )
        self.passes = num_outputs

    def losses(self, batch, logits, number):
        logits = tf.cast(logits, tf.float32)
        if self.name == "regress":
            return logits[:, 0] / SCORE_STD
        log_probabilities = tf.nn.log_softmax(logits, axis=-1)[:, number]
        # Its square is the probability.
        weight = tf.stop_gradient(tf.exp(log_probabilities / 2))
        return -weight * log_probabilities


def read_likelihood(
    fisher: str, kind: Kind, name: str, num_outputs: int, draws: int, seed: int
) -> Likelihood:
    """The likelihood that a ``--fisher`` setting names."""
    if fisher == "empirical":
        return Empirical(kind, name, num_outputs)
    if fisher == "sampled":
        return Sampled(kind, name, num_outputs, draws, seed)
    return Expected(kind, name, num_outputs)


def _drawn(logits, uniform):
    """One class a distribution, by the inverse of its distribution function; int32."""
    cumulated = tf.cumsum(tf.nn.softmax(logits, axis=-1), axis=-1)
    below = tf.reduce_sum(tf.cast(cumulated < uniform[..., None], tf.int32), axis=-1)
    # Rounding may leave the last sum a little under one.
    last = tf.reduce_max(
        tf.where(logits > MASKED_SCORE / 2, tf.range(tf.shape(logits)[-1]), 0), axis=-1
    )
    return tf.minimum(below, last)
