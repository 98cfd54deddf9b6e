"""Two linear maps with few units between them, which most adapters are made of."""

import keras
from keras import ops

from tfglue.models.activation import get_activation
from tfglue.models.parts import linear, weights_of


@keras.saving.register_keras_serializable(package="tfglue")
class NarrowNetwork(keras.layers.Layer):
    """up(activation(down(x))), hidden_dim to size to hidden_dim, both with biases; no residual.

    Args:
        hidden_dim: width of input and output.
        size: units between the two maps.
        activation: a name in `tfglue.models.activation.ACTIVATIONS`.
    """

    def __init__(self, hidden_dim: int, size: int, activation: str = "gelu", **options):
        super().__init__(autocast=False, **options)
        self.hidden_dim = hidden_dim
        self.size = size
        self.activation = activation
        self.down = linear("down", hidden_dim, size, 0.02, self.dtype_policy)
        self.up = linear("up", size, hidden_dim, 0.02, self.dtype_policy)
        self._activate = get_activation(activation)
        self.built = True

    def call(self, x):
        """Maps x (batch, tokens, hidden_dim), each token for itself, in the compute dtype."""
        return self.up(self._activate(self.down(x)))

    def with_residual(self, x):
        """x plus what x is mapped to, in the dtype of x: an adapter in series."""
        return x + ops.cast(self(x), x.dtype)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of({"down": self.down, "up": self.up})

    @staticmethod
    def parameter_count(hidden_dim: int, size: int) -> int:
        """Parameters of one such network."""
        return 2 * hidden_dim * size + size + hidden_dim

    def get_config(self):
        return super().get_config() | {
            "hidden_dim": self.hidden_dim,
            "size": self.size,
            "activation": self.activation,
        }
