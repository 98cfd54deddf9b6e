"""The product of two narrow factors that LoRA adds to a linear map."""

import keras
from keras import ops

from tfglue.models.dropout import Dropout
from tfglue.models.parts import linear, weights_of


@keras.saving.register_keras_serializable(package="tfglue")
class LowRankUpdate(keras.layers.Layer):
    """Drop(x) A B * scale, linear and without biases (Hu et al. 2022, equation 3).

    Args:
        input_dim: width of x.
        output_dim: width of the result.
        rank: columns of A and rows of B.
        scale: factor of the product.
        dropout: rate on x.
        dropout_site: site of that dropout.
    """

    def __init__(
        self, input_dim: int, output_dim: int, rank: int, scale: float, dropout: float = 0.0,
        dropout_site: int = 0, **options,
    ):
        super().__init__(autocast=False, **options)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.rank = rank
        self.scale = scale
        self.a = linear("a", input_dim, rank, 0.02, self.dtype_policy, use_bias=False)
        self.b = linear("b", rank, output_dim, 0.02, self.dtype_policy, use_bias=False)
        self.dropout = Dropout(dropout, dropout_site)
        self.built = True

    def call(self, x, dropout_seed=None):
        """Maps x (..., input_dim) to (..., output_dim), in the compute dtype."""
        return self.b(self.a(self.dropout(x, seed=dropout_seed))) * self.scale

    def product(self):
        """What to add to a kernel (input_dim, output_dim) for the same result."""
        return ops.matmul(self.a.kernel, self.b.kernel) * self.scale

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of({"a": self.a, "b": self.b})

    def get_config(self):
        return super().get_config() | {
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "rank": self.rank,
            "scale": self.scale,
            "dropout": self.dropout.rate,
            "dropout_site": self.dropout.site,
        }
