"""A learned factor for every hidden unit."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfglue")
class Amplitude(keras.layers.Layer):
    """x * 2 sigmoid(r) with a vector r that starts at zero, so that all factors start at one.

    The hidden unit contributions of Swietojanski and Renals (2014, 3).

    Args:
        hidden_dim: width of x.
    """

    def __init__(self, hidden_dim: int, **options):
        super().__init__(autocast=False, **options)
        self.hidden_dim = hidden_dim
        self.amplitude = self.add_weight(
            name="amplitude", shape=(hidden_dim,), initializer="zeros", autocast=False
        )
        self.built = True

    def call(self, x):
        """Scales x (batch, tokens, hidden_dim); float32 in mixed precision too."""
        return ops.cast(x, self.variable_dtype) * (2 * ops.sigmoid(self.amplitude))

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {"amplitude": self.amplitude}

    def get_config(self):
        return super().get_config() | {"hidden_dim": self.hidden_dim}
