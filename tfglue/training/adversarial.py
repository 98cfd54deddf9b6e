"""Smoothness against the worst small change of the word embeddings (SMART)."""

from collections.abc import Collection

import tensorflow as tf

from tfglue.kinds.kind import SCORE
from tfglue.training.divergence import DIVERGENCES, squared_error
from tfglue.training.loss_term import ForwardPass, LossTerm
from tfglue.training.replicas import replica_draw, replica_seed
from tfglue.training.smart_config import SAME, TOKEN, InfConfig, SmartConfig

_SITE = 0x534D  # Folded into the seed, so that noise and dropout are drawn from different numbers.


class Smoothing(LossTerm):
    """Smoothness-inducing adversarial regularization (Jiang et al. 2020, SMART, 2.1).

    Its loss of a row is weight * d(f(x), f(x + delta)) with the delta, of all within the ball,
    that a few steps of gradient ascent on the same d find (their algorithm 1): delta begins as
    noise; a step goes along the gradient divided by its norm, then back into the ball. The gradient
    alone is made of length 1, as in the paper; MT-DNN's code does that to noise and gradient
    together, so that its perturbations are of norm 1 whatever the settings. x are the word
    embeddings before position, segment and LayerNorm. The gradient of d goes into both of its
    sides. Padding is not perturbed.

    The plain pass and the perturbed ones have the same dropout masks unless the settings say
    otherwise, so that d is of the perturbation alone.

    Args:
        config: the settings.
        tasks: names of the tasks that have the term; all of choices or scores.
    """

    name = own_passes = "smoothing"

    def __init__(self, config: SmartConfig, tasks: Collection[str]):
        self.config = config
        self.tasks = frozenset(tasks)

    def applies(self, task):
        """Whether the task was named."""
        return task in self.tasks

    def __call__(self, forward):
        """The weighted divergence of every row."""
        delta = self.perturbation(forward)
        return self.config.weight * self._divergence(forward, forward.logits, delta)

    def perturbation(self, forward: ForwardPass) -> tf.Tensor:
        """What is added to the word embeddings, float32 (batch, time, hidden_dim), a constant."""
        clean = tf.stop_gradient(forward.logits)
        mask = tf.cast(forward.batch["padding_mask"], tf.float32)[:, :, None]
        delta = self._projected(self._noise(forward) * mask)
        for _ in range(self.config.steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(delta)
                # A sum, so that no row's direction depends on the others.
                total = tf.reduce_sum(self._divergence(forward, clean, delta))
            gradient = tf.stop_gradient(tape.gradient(total, delta)) * mask
            delta = self._projected(delta + self.config.step * self._direction(gradient))
        return tf.stop_gradient(delta)

    def _divergence(self, forward, clean, delta):
        others = forward.again(lambda words: words + delta, self._dropout_seed(forward))
        kind = forward.kind
        if kind.answers == SCORE:
            return squared_error(tf.cast(clean, tf.float32), tf.cast(others, tf.float32))
        measure = DIVERGENCES.get(self.config.divergence)
        return measure(
            kind.choice_logits(forward.batch, clean), kind.choice_logits(forward.batch, others)
        )

    def _dropout_seed(self, forward):
        if self.config.dropout == SAME:
            return forward.dropout_seed
        own = tf.random.experimental.stateless_fold_in(forward.seed, _SITE + 1)
        return replica_seed(own)

    def _noise(self, forward):
        seed = tf.random.experimental.stateless_fold_in(forward.seed, _SITE)
        width = forward.model.encoder.hidden_dim
        shape = tf.concat([tf.shape(forward.batch["token_ids"]), [width]], 0)
        drawn = replica_draw(lambda shape: tf.random.stateless_normal(shape, seed), shape)
        return self.config.noise * tf.ensure_shape(drawn, [None, None, width])

    @property
    def _axes(self):
        return [2] if self.config.per == TOKEN else [1, 2]

    def _direction(self, gradient):
        """The gradient divided by its norm; zero stays zero."""
        # First by the largest value, since squares of small gradients would be lost.
        largest = tf.reduce_max(tf.abs(gradient), axis=self._axes, keepdims=True)
        scaled = tf.math.divide_no_nan(gradient, largest)
        if isinstance(self.config, InfConfig):
            return scaled
        return tf.math.divide_no_nan(scaled, self._length(scaled))

    def _projected(self, delta):
        """The nearest point of the ball."""
        bound = self.config.bound
        if isinstance(self.config, InfConfig):
            return tf.clip_by_value(delta, -bound, bound)
        return delta * tf.minimum(1.0, tf.math.divide_no_nan(bound, self._length(delta)))

    def _length(self, delta):
        return tf.sqrt(tf.reduce_sum(tf.square(delta), axis=self._axes, keepdims=True))
