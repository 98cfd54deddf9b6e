"""Self-attention of few units: what projected attention computes inside."""

import keras

from tfglue.models.attention import attend
from tfglue.models.dropout import Dropout
from tfglue.models.parts import linear, weights_of


@keras.saving.register_keras_serializable(package="tfglue")
class NarrowAttention(keras.layers.Layer):
    """Multi-head self-attention with query, key and value maps of its own, and no output map.

    Args:
        size: width of input and output; `num_heads` divides it.
        num_heads: attention heads.
        attention_dropout: rate on the attention probabilities.
        dropout_site: site of that dropout.
    """

    def __init__(
        self, size: int, num_heads: int, attention_dropout: float, dropout_site: int, **options
    ):
        super().__init__(autocast=False, **options)
        self.size = size
        self.num_heads = num_heads
        self.projections = {
            name: linear(name, size, size, 0.02, self.dtype_policy)
            for name in ("query", "key", "value")
        }
        self.dropout = Dropout(attention_dropout, dropout_site)
        self.built = True

    def call(self, asking, x, attention_mask, dropout_seed=None):
        """Lets tokens attend to all.

        Args:
            asking: (batch, asking, size), the tokens whose result is wanted.
            x: (batch, time, size), all tokens.
            attention_mask: (batch, 1, 1, time), as in `BertLayer`.
            dropout_seed: int32 (2,), or None for no dropout.

        Returns:
            (batch, asking, size) in the compute dtype.
        """
        return attend(
            self.projections["query"](asking),
            self.projections["key"](x),
            self.projections["value"](x),
            attention_mask,
            self.num_heads,
            self.variable_dtype,
            lambda probabilities: self.dropout(probabilities, seed=dropout_seed),
        )

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of(self.projections)

    @staticmethod
    def parameter_count(size: int) -> int:
        """Parameters of one such attention."""
        return 3 * (size**2 + size)

    def get_config(self):
        return super().get_config() | {
            "size": self.size,
            "num_heads": self.num_heads,
            "attention_dropout": self.dropout.rate,
            "dropout_site": self.dropout.site,
        }
