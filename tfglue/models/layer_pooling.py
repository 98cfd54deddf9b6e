"""Hidden states of all layers made one, by learned weights or by their mean."""

import keras
from keras import ops

POOLINGS = ("concat", "softmax", "mean")


@keras.saving.register_keras_serializable(package="tfglue")
class LayerPooling(keras.layers.Layer):
    """gamma * sum over layers of softmax(w) times the layer's state (Tenney et al. 2019, 3.2).

    Without learned weights it is the mean over layers, and holds no parameters.

    Args:
        num_layers: how many states there are.
        learned: whether w and gamma are learned.
    """

    def __init__(self, num_layers: int, learned: bool = True, **options):
        super().__init__(autocast=False, **options)
        self.num_layers = num_layers
        self.learned = learned
        if learned:
            self.layer_weights = self.add_weight(
                shape=(num_layers,), initializer=keras.initializers.RandomNormal(stddev=0.05),
                name="weights",
            )
            self.gamma = self.add_weight(shape=(1,), initializer="ones", name="gamma")
        self.built = True

    def call(self, states):
        """Maps (..., num_layers, width) to (..., width)."""
        if not self.learned:
            return ops.mean(states, axis=-2)
        shares = ops.softmax(self.layer_weights.value) * self.gamma.value
        return ops.einsum("...lf,l->...f", states, ops.cast(shares, states.dtype))

    def shares(self) -> list[float]:
        """The softmax of the learned weights, gamma left out."""
        return ops.convert_to_numpy(ops.softmax(self.layer_weights.value)).tolist()

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {"weights": self.layer_weights, "gamma": self.gamma} if self.learned else {}

    def get_config(self):
        return super().get_config() | {"num_layers": self.num_layers, "learned": self.learned}
