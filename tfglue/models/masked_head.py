"""BERT's language model: what stood in the place of masked tokens, by the word embeddings."""

from typing import TYPE_CHECKING

import keras
from keras import ops

from tfglue.data.features import NO_LABEL
from tfglue.models.activation import get_activation
from tfglue.models.parts import layer_norm, linear, weights_of
from tfglue.models.vocabulary_loss import vocabulary_losses

if TYPE_CHECKING:
    from tfglue.models.encoder import BertEncoder

WORD_EMBEDDINGS = "word_embeddings"
"""Under what name heads that are tied to the encoder's word embeddings read them."""

_BLOCK = 8192


@keras.saving.register_keras_serializable(package="tfglue")
class MaskedHead(keras.layers.Layer):
    """Masked tokens, and whether two segments follow each other (Devlin et al. 2019, 3.1).

    A masked position's last hidden state goes through a linear layer, the encoder's activation and
    LayerNorm; its products with all word embeddings, which are the encoder's own, and a bias of
    every word are the logits. They are computed at masked positions alone. Logits of all of a
    split's tokens would fit no memory, so the head gives what is read of them: losses and hits,
    summed over a row. It is float32 always.

    Args:
        vocabulary_size, hidden_dim, activation, layer_norm_epsilon, initializer_range: as in
            `BertEncoder`.
        next_sentence: whether the pooled output is read, too, for two more logits.
        block: ids of the vocabulary whose logits are in memory at a time.
    """

    tied = True
    pooled_only = False
    every_token = False

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        activation: str = "gelu",
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        next_sentence: bool = False,
        block: int = _BLOCK,
        **options,
    ):
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.activation = activation
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range
        self.next_sentence = next_sentence
        self.block = block
        self.transform = linear("transform", hidden_dim, hidden_dim, initializer_range, "float32")
        self.layer_norm = layer_norm("layer_norm", hidden_dim, layer_norm_epsilon, "float32")
        self.bias = self.add_weight(shape=(vocabulary_size,), initializer="zeros", name="bias")
        self.next_dense = None
        if next_sentence:
            self.next_dense = keras.layers.Dense(
                2, kernel_initializer=keras.initializers.TruncatedNormal(stddev=initializer_range),
                dtype="float32", name="next_sentence",
            )
            self.next_dense.build((None, hidden_dim))
        self.built = True

    @classmethod
    def of(cls, encoder: "BertEncoder", next_sentence: bool = False) -> "MaskedHead":
        """A new head for an encoder."""
        return cls(
            encoder.vocabulary_size, encoder.hidden_dim, encoder.activation,
            encoder.layer_norm_epsilon, encoder.initializer_range, next_sentence,
        )

    @property
    def num_outputs(self) -> int:
        """Numbers that are given of a row."""
        return 4 if self.next_sentence else 2

    @property
    def reads_pooled_output(self) -> bool:
        """Whether the encoder's pooler is used."""
        return self.next_sentence

    def call(self, encoded, dropout_seed=None):
        """What is found at the masked positions of each row.

        Args:
            encoded: of the encoder, with ``masked_positions`` and ``masked_labels``, int32
                (batch, most of a row), see `tfglue.data.masking`, and ``word_embeddings``
                (vocabulary, hidden_dim).
            dropout_seed: plays no part; there is no dropout here.

        Returns:
            float32 (batch, 2): the cross-entropies of the row's masked tokens, summed, and how many
            of them are found; with `next_sentence` (batch, 4), the logits of "follows" and "does
            not follow" behind them.
        """
        positions, labels = encoded["masked_positions"], encoded["masked_labels"]
        hidden = self.transformed(encoded["hidden_states"][-1], positions)
        outputs = vocabulary_losses(
            ops.reshape(hidden, (-1, self.hidden_dim)), encoded[WORD_EMBEDDINGS],
            ops.convert_to_tensor(self.bias), ops.reshape(labels, (-1,)), self.block,
        )
        outputs = ops.reshape(outputs, (*ops.shape(labels), 2))
        outputs = ops.sum(ops.where((labels != NO_LABEL)[:, :, None], outputs, 0.0), axis=1)
        if not self.next_sentence:
            return outputs
        pooled = ops.cast(encoded["pooled_output"], "float32")
        return ops.concatenate([outputs, self.next_dense(pooled)], axis=-1)

    def transformed(self, hidden_states, positions):
        """What is multiplied with the word embeddings.

        Args:
            hidden_states: the last ones, (batch, time, hidden_dim).
            positions: int32 (batch, number).

        Returns:
            float32 (batch, number, hidden_dim).
        """
        batch, time = ops.shape(hidden_states)[:2]
        flat = ops.reshape(ops.cast(hidden_states, "float32"), (-1, self.hidden_dim))
        rows = ops.arange(batch, dtype="int32")[:, None] * ops.cast(time, "int32")
        hidden = self.transform(ops.take(flat, rows + positions, axis=0))
        return self.layer_norm(get_activation(self.activation)(hidden))

    def logits(self, hidden_states, positions, word_embeddings):
        """Logits of the whole vocabulary, float32 (batch, number, vocabulary).

        Args:
            hidden_states, positions: as in `transformed`.
            word_embeddings: (vocabulary, hidden_dim).
        """
        hidden = self.transformed(hidden_states, positions)
        return ops.matmul(hidden, ops.transpose(word_embeddings)) + self.bias

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names; the word embeddings are the encoder's."""
        parts = {"transform": self.transform, "layer_norm": self.layer_norm}
        if self.next_sentence:
            parts["next_sentence"] = self.next_dense
        return weights_of(parts) | {"output.bias": self.bias}

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "activation": self.activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
            "next_sentence": self.next_sentence,
            "block": self.block,
        }
