"""A linear layer whose kernel may be learned as directions and lengths."""

import keras
from keras import ops

_STDDEV = 0.02


@keras.saving.register_keras_serializable(package="tfglue")
class NormedKernel(keras.layers.Layer):
    """x W + b, where column j of W is gamma_j v_j / |v_j| with `weight_norm` (Salimans and Kingma
    2016, 2), else v_j.

    The length is gamma_j times what the columns of a kernel drawn with standard deviation 0.02
    have on average, so gamma begins at 1 and the layer as it does without.

    Args:
        input_dim, output_dim: widths.
        weight_norm: whether lengths are learned apart from directions.
    """

    def __init__(self, input_dim: int, output_dim: int, weight_norm: bool = False, **options):
        super().__init__(autocast=False, **options)
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.weight_norm = weight_norm
        self.kernel = self.add_weight(
            shape=(input_dim, output_dim),
            initializer=keras.initializers.TruncatedNormal(stddev=_STDDEV), name="kernel",
        )
        self.bias = self.add_weight(shape=(output_dim,), initializer="zeros", name="bias")
        self.gamma = None
        if weight_norm:
            self.gamma = self.add_weight(shape=(output_dim,), initializer="ones", name="gamma")
        self.built = True

    def call(self, x):
        """Maps (..., input_dim) to (..., output_dim)."""
        kernel = self.kernel.value
        if self.weight_norm:
            length = ops.sqrt(ops.sum(ops.square(kernel), axis=0))
            kernel = kernel * (self.gamma.value * _STDDEV * self.input_dim**0.5 / length)
        return ops.matmul(x, kernel) + self.bias.value

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        named = {"kernel": self.kernel, "bias": self.bias}
        return named | ({"gamma": self.gamma} if self.weight_norm else {})

    def get_config(self):
        return super().get_config() | {
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "weight_norm": self.weight_norm,
        }
