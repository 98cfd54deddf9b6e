"""Heads on the pooled output, for tasks that say one thing about a text or a pair."""

import keras

from tfglue.models.dropout import Dropout

HEAD_DROPOUT_SITE = 1_000_000
"""Encoders number their dropouts from 0; heads stay clear of them."""


@keras.saving.register_keras_serializable(package="tfglue")
class PooledHead(keras.layers.Layer):
    """Dropout and a linear layer on the encoder's pooled output (Devlin et al. 2019, 4.1).

    Logits are float32 whatever the encoder computes in. Dropout is on exactly when `dropout_seed`
    is given, as in `BertEncoder`.

    Args:
        num_outputs: number of classes, or 1 for a score.
        hidden_dim: width of the pooled output.
        dropout: share of the pooled output that is dropped.
    """

    pooled_only = True
    """Hidden states need not be computed for this head."""

    def __init__(self, num_outputs: int, hidden_dim: int, dropout: float = 0.1, **options):
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self.num_outputs = num_outputs
        self.hidden_dim = hidden_dim
        self.dropout = Dropout(dropout, HEAD_DROPOUT_SITE)
        self.dense = keras.layers.Dense(
            num_outputs,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype="float32",
            name="dense",
        )
        self.dense.build((None, hidden_dim))
        self.built = True

    def call(self, encoded, dropout_seed=None):
        """Maps the encoder's outputs to logits (batch, num_outputs)."""
        pooled = keras.ops.cast(encoded["pooled_output"], "float32")
        return self.dense(self.dropout(pooled, seed=dropout_seed))

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {"dense.kernel": self.dense.kernel, "dense.bias": self.dense.bias}

    def get_config(self):
        return super().get_config() | {
            "num_outputs": self.num_outputs,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout.rate,
        }
