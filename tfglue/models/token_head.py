"""Heads on the last hidden state, for tasks that say something about every token."""

import keras

from tfglue.models.dropout import Dropout
from tfglue.models.heads import HEAD_DROPOUT_SITE


@keras.saving.register_keras_serializable(package="tfglue")
class TokenHead(keras.layers.Layer):
    """Dropout and a linear layer on each token's last hidden state (Devlin et al. 2019, 4.2, 5.3).

    Logits are float32 whatever the encoder computes in. Dropout is on exactly when `dropout_seed`
    is given, as in `BertEncoder`.

    Args:
        num_outputs: number of tags, or 2 for the start and the end of a span.
        hidden_dim: width of the hidden states.
        dropout: share of the hidden state that is dropped.
    """

    pooled_only = False
    """Hidden states are read, and nothing else."""

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
        self.dense.build((None, None, hidden_dim))
        self.built = True

    def call(self, encoded, dropout_seed=None):
        """Maps the encoder's outputs to logits (batch, time, num_outputs)."""
        last = keras.ops.cast(encoded["hidden_states"][-1], "float32")
        return self.dense(self.dropout(last, seed=dropout_seed))

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {"dense.kernel": self.dense.kernel, "dense.bias": self.dense.bias}

    def get_config(self):
        return super().get_config() | {
            "num_outputs": self.num_outputs,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout.rate,
        }
