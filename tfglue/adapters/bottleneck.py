"""The adapters of Houlsby et al.: two bottlenecks in series in every layer."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.flags import setting
from tfglue.models.activation import ACTIVATIONS
from tfglue.models.slots import Slots


@dataclass(frozen=True)
class BottleneckConfig(LayeredConfig):
    """Adapter modules (Houlsby et al. 2019, 2.1).

    Matrices start from a deviation of 1e-3 as in the authors' code (their paper says 1e-2), and
    stay there: the STILTs code draws them anew with 0.02 and loses the near-identity.
    """

    name = "bottleneck"
    start = "near_identity"

    size: int = setting(64, "units between the two maps", kind=int, least=1)
    activation: str = setting("gelu", "between the two maps", choices=tuple(ACTIVATIONS))
    stddev: float = setting(1e-3, "deviation of initial matrices", kind=float, above=0, most=1)

    def build(self, shape, **options):
        return Bottleneck(self, shape, **options)

    def parameter_count(self, shape):
        network = NarrowNetwork.parameter_count(shape.hidden_dim, self.size)
        return 2 * network * len(self.layer_indices(shape.num_layers))

    def initial_stddev(self, shape):
        return self.stddev


@keras.saving.register_keras_serializable(package="tfglue")
class Bottleneck(Adapter):
    """x + f(x D) U after the output of attention and of the feed-forward network.

    Each sits behind its sub-layer's dropout and before the residual and LayerNorm.
    """

    def make_parts(self):
        return {
            f"layers.{index}.{place}": NarrowNetwork(
                self.shape.hidden_dim, self.config.size, self.config.activation,
                dtype=self.dtype_policy,
            )
            for index in self.layer_indices
            for place in ("attention", "feed_forward")
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        return Slots(
            after_attention=self.part(layer_index, "attention").with_residual,
            after_feed_forward=self.part(layer_index, "feed_forward").with_residual,
        )


ADAPTERS.add(BottleneckConfig.name, BottleneckConfig)
