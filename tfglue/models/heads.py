"""Heads: what turns the encoder's output into the logits of one task."""

from dataclasses import dataclass

import keras

from tfglue.models.dropout import Dropout
from tfglue.models.head_config import HEADS, HeadConfig

HEAD_DROPOUT_SITE = 1_000_000
"""Encoders number their dropouts from 0; heads stay clear of them."""


@dataclass(frozen=True)
class LinearConfig(HeadConfig):
    """BERT's own heads, without settings."""

    name = "linear"
    all_layers = False

    def all_tokens(self, every_token):
        return every_token

    def build(self, num_outputs, encoder, dropout, every_token):
        return LinearHead(num_outputs, encoder.hidden_dim, dropout, every_token)


@keras.saving.register_keras_serializable(package="tfglue")
class LinearHead(keras.layers.Layer):
    """Dropout and a linear layer: on the pooled output, or on each token's last hidden state.

    The first says one thing about a text or a pair (Devlin et al. 2019, 4.1), the second something
    about every token (4.2, 5.3). Logits are float32 whatever the encoder computes in. Dropout is on
    exactly when `dropout_seed` is given, as in `BertEncoder`.

    Args:
        num_outputs: classes, or 1 for a score; of every token tags, or 2 for the start and the end
            of a span.
        hidden_dim: width of what is read.
        dropout: share of it that is dropped.
        every_token: whether the hidden states are read, and nothing else; otherwise the pooled
            output alone.
    """

    tied = False

    def __init__(
        self,
        num_outputs: int,
        hidden_dim: int,
        dropout: float = 0.1,
        every_token: bool = False,
        **options,
    ):
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self.num_outputs = num_outputs
        self.hidden_dim = hidden_dim
        self.every_token = every_token
        self.dropout = Dropout(dropout, HEAD_DROPOUT_SITE)
        self.dense = keras.layers.Dense(
            num_outputs,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype="float32",
            name="dense",
        )
        # A dense layer takes inputs of the rank that it was built for.
        self.dense.build((None, None, hidden_dim) if every_token else (None, hidden_dim))
        self.built = True

    @property
    def pooled_only(self) -> bool:
        """Whether hidden states need not be computed for this head."""
        return not self.every_token

    @property
    def reads_pooled_output(self) -> bool:
        """Whether the encoder's pooler is used."""
        return not self.every_token

    def call(self, encoded, dropout_seed=None):
        """Maps the encoder's outputs to logits (batch, num_outputs), or (batch, time, ...)."""
        read = encoded["hidden_states"][-1] if self.every_token else encoded["pooled_output"]
        read = keras.ops.cast(read, "float32")
        return self.dense(self.dropout(read, seed=dropout_seed))

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {"dense.kernel": self.dense.kernel, "dense.bias": self.dense.bias}

    def get_config(self):
        return super().get_config() | {
            "num_outputs": self.num_outputs,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout.rate,
            "every_token": self.every_token,
        }


HEADS.add(LinearConfig.name, LinearConfig)
