"""A fixed random map of hidden states to fewer units."""

import keras
import numpy as np
from keras import ops


def random_matrix(hidden_dim: int, size: int) -> np.ndarray:
    """The one matrix of this shape, float32 (hidden_dim, size), the same in every process.

    Its entries are normal with variance 1 / size, so that distances between states stay about what
    they were (Johnson and Lindenstrauss 1984).
    """
    # Of all of NumPy's generators the stream of this one alone is promised never to change.
    draw = np.random.RandomState(0).standard_normal((hidden_dim, size))
    return (draw / np.sqrt(size)).astype(np.float32)


@keras.saving.register_keras_serializable(package="tfglue")
class RandomProjection(keras.layers.Layer):
    """x R with the matrix R of `random_matrix`; states that are `size` wide already stay.

    A store may hold states that were projected when they were extracted, and a text's states come
    from the encoder as they are; a head behind this layer reads both.

    Args:
        hidden_dim: width of the encoder's states.
        size: units they are mapped to; less than `hidden_dim`.
    """

    def __init__(self, hidden_dim: int, size: int, **options):
        super().__init__(autocast=False, **options)
        self.hidden_dim = hidden_dim
        self.size = size
        self.built = True

    def call(self, states):
        """Maps (..., hidden_dim) to (..., size)."""
        if states.shape[-1] == self.size:
            return states
        return ops.matmul(states, ops.cast(random_matrix(self.hidden_dim, self.size), states.dtype))

    def get_config(self):
        return super().get_config() | {"hidden_dim": self.hidden_dim, "size": self.size}
