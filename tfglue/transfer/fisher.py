"""TaskEmb: the diagonal of the Fisher information of what a model computes (Vu et al. 2020, 3.2).

For an activation h of row i at token t, g_it is the gradient of the row's own loss (the mean over
its loss terms). Rows do not touch each other, so that one backward pass over the sum of all losses
of a batch has the gradients of all rows, each for itself. With m_it = 1 for real tokens, the
granularity says where squares are taken:

    example   sum_i (sum_t m_it g_it)^2 / (T N)
    token     sum_i sum_t m_it g_it^2 / (T N)
    batch     sum_b (sum_{i in b} sum_t m_it g_it)^2 / T_b / N

T is the number of real tokens, N that of rows, T_b the tokens of a batch. The first two depend on
the rows alone. The last one is the published arithmetic, where g is the gradient of the mean loss
of a batch: gradients of different rows cancel before they are squared, and so it depends on which
rows meet. For one batch and the gradients of one loss all three have the published divisors.

Some sums over tokens are zero whatever the row: a softmax over the tokens of a question does not
see what is added to all of them, so the gradients at the last layer's output cancel, and what is
left is rounding. Such components, and the weights of the same kind, are left out.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import tensorflow as tf

from tfglue.data.batches import batches_by_length, free_sizes, model_inputs, padded_batch
from tfglue.data.features import Features
from tfglue.models.transfer_model import TransferModel
from tfglue.transfer.components import CLS
from tfglue.transfer.likelihood import NOISE, TERMS, Likelihood
from tfglue.transfer.observation import observe
from tfglue.transfer.weight_scores import ROUNDING, WeightScores

GRANULARITIES = ("example", "token", "batch")


class TaskFisher:
    """Fisher scores of activations and of chosen weights, in float32, without dropout.

    Args:
        model: a fine-tuned encoder with its head.
        task: which of its tasks.
        likelihood: whose labels.
        granularity: one of `GRANULARITIES`.
        weights: our names of weights that are scored too; see `WeightScores`.
    """

    def __init__(
        self,
        model: TransferModel,
        task: str,
        likelihood: Likelihood,
        granularity: str = "example",
        weights: Iterable[str] = (),
    ):
        self.model, self.task = model, task
        self.likelihood = likelihood
        self.granularity = granularity
        self.weights = WeightScores(model, task, granularity, tuple(weights))
        self.vanished: list[str] = []
        """Components and weights that `scores` left out, since their gradients cancel."""
        self._compiled: Callable | None = None

    def scores(
        self,
        features: Features,
        batches: Iterable[np.ndarray] | None = None,
        after: Callable[[np.ndarray, Mapping[str, tf.Tensor]], None] | None = None,
        done: Callable[[int], None] = lambda rows: None,
    ) -> dict[str, np.ndarray]:
        """One vector for every component, and one array for every weight, float32.

        Args:
            features: labelled rows.
            batches: row arrays, each row once or, over several epochs, equally often; by length if
                not given.
            after: called with the rows and the padded batch once it is scored, to train on it.
            done: told the rows of every batch.
        """
        totals: dict[str, np.ndarray] = {}
        sizes: dict[str, float] = {}
        self.weights.reset()
        rows_seen = 0
        # What is drawn depends on the row alone, so all of it is drawn before.
        noise = [self.likelihood.noise(features, n) for n in range(self.likelihood.passes)]
        for rows in batches if batches is not None else batches_by_length(features, 32):
            tokens = int(features.lengths[rows].sum())
            plain = padded_batch(features, rows)
            for number in range(self.likelihood.passes):
                batch = self._with_facts(plain, features, rows, noise[number])
                share = 1 / tokens if self.granularity == "batch" else 1
                for name, (own, size) in self._run(batch, tf.constant(number)).items():
                    totals[name] = totals.get(name, 0) + share * own.numpy().astype(np.float64)
                    sizes[name] = sizes.get(name, 0) + share * float(size)
            if after is not None:
                after(rows, plain)
            rows_seen += len(rows)
            done(len(rows))
        # T is of one pass, however many there are: their mean is taken, as of weights.
        divisor = rows_seen if self.granularity == "batch" else rows_seen * features.lengths.sum()
        self.vanished = [n for n, total in totals.items() if total.sum() < ROUNDING * sizes[n]]
        vectors = {
            name: (total / divisor).astype(np.float32) for name, total in totals.items()
            if name not in self.vanished
        }
        self.vanished += self.weights.vanished()
        return vectors | self.weights.scores(rows_seen)

    def _with_facts(self, batch, features: Features, rows: np.ndarray, noise) -> dict:
        """The batch with what the losses need beside labels."""
        terms = features.loss_terms[rows].astype(np.float32)
        if self.granularity == "batch":
            terms = np.full_like(terms, terms.sum())
        batch = {**batch, TERMS: tf.constant(np.maximum(terms, 1))}
        if noise is None:
            return batch
        if features.label_per_token:
            positions = np.arange(batch["token_ids"].shape[1])
            places = np.minimum(features.row_splits[rows][:, None] + positions, len(noise) - 1)
            return {**batch, NOISE: tf.constant(noise[places])}
        return {**batch, NOISE: tf.constant(noise[rows])}

    def _run(self, batch, number) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        if self._compiled is None:
            signature = [free_sizes(batch), tf.TensorSpec([], tf.int32)]
            self._compiled = tf.function(self._pass, input_signature=signature, autograph=False)
        return self._compiled(batch, number)

    def _pass(self, batch, number) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        # Nothing is recorded below the first tensor that is watched, and nothing of the weights.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            self.weights.watch(tape)
            seen = observe(self.model, self.task, model_inputs(batch), tape.watch)
            losses = self.likelihood.losses(batch, seen.logits, number)
            loss = tf.reduce_sum(losses / batch[TERMS])
        activations, weights = tape.gradient(
            loss, (dict(seen.activations), self.weights.sources(seen))
        )
        self.weights.add(seen, activations, weights)
        mask = tf.cast(batch["padding_mask"], tf.float32)
        found = {}
        for name, gradient in activations.items():
            own, shown = (gradient[:, None], mask[:, :1]) if name == CLS else (gradient, mask)
            by_token = squared(own, shown, "token")
            by_choice = squared(own, shown, self.granularity)
            found[name] = (by_choice, tf.reduce_sum(by_token))
        return found


def squared(gradients, mask, granularity: str):
    """Squares of the gradients of a batch, summed, (hidden_dim,).

    Args:
        gradients: (batch, time, hidden_dim).
        mask: (batch, time), 1 for real tokens.
        granularity: what is summed before it is squared: nothing (``token``), the tokens of a row
            (``example``), or everything (``batch``).
    """
    masked = tf.cast(gradients, tf.float32) * tf.cast(mask, tf.float32)[:, :, None]
    if granularity == "token":
        return tf.reduce_sum(tf.square(masked), axis=(0, 1))
    sums = tf.reduce_sum(masked, axis=1)
    if granularity == "batch":
        return tf.square(tf.reduce_sum(sums, axis=0))
    return tf.reduce_sum(tf.square(sums), axis=0)

