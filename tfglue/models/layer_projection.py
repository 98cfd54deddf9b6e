"""One narrow map for the hidden states of all layers, or one for each."""

import keras
from keras import ops

from tfglue.models.activation import get_activation


@keras.saving.register_keras_serializable(package="tfglue")
class LayerProjection(keras.layers.Layer):
    """activation(x W + c) of every layer's states: BERTVision's LayerWeightShare.

    Only the first half of a Houlsby adapter: there is no way back up, and no residual.

    Args:
        hidden_dim: width of the states.
        size: units they are mapped to.
        num_layers: how many states there are.
        shared: whether all layers share W and c; otherwise each has its own.
        activation: a name in `tfglue.models.activation.ACTIVATIONS`.
    """

    def __init__(
        self,
        hidden_dim: int,
        size: int,
        num_layers: int,
        shared: bool = True,
        activation: str = "gelu",
        **options,
    ):
        super().__init__(autocast=False, **options)
        self.hidden_dim = hidden_dim
        self.size = size
        self.num_layers = num_layers
        self.shared = shared
        self.activation = activation
        self._activate = get_activation(activation)
        each = () if shared else (num_layers,)
        self.kernel = self.add_weight(
            shape=(*each, hidden_dim, size),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02), name="kernel",
        )
        # Added to a float32 product, so it is not to be rounded on its way.
        self.bias = self.add_weight(
            shape=(*each, size), initializer="zeros", name="bias", autocast=False
        )
        self.built = True

    def call(self, states):
        """Maps (..., num_layers, hidden_dim) to (..., num_layers, size), float32.

        The product alone is computed in the layer's compute dtype: its result is so narrow that
        the rest costs little in float32.
        """
        states = ops.cast(states, self.compute_dtype)
        kernel = ops.cast(self.kernel.value, self.compute_dtype)
        if self.shared:
            product = ops.matmul(states, kernel)
        else:
            product = ops.einsum("...lf,lfa->...la", states, kernel)
        return self._activate(ops.cast(product, "float32") + self.bias.value)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {"kernel": self.kernel, "bias": self.bias}

    def get_config(self):
        return super().get_config() | {
            "hidden_dim": self.hidden_dim,
            "size": self.size,
            "num_layers": self.num_layers,
            "shared": self.shared,
            "activation": self.activation,
        }
