"""Parallel adapters: a scaled bottleneck beside the feed-forward network."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.flags import setting
from tfglue.models.activation import ACTIVATIONS
from tfglue.models.slots import Slots


@dataclass(frozen=True)
class ParallelConfig(LayeredConfig):
    """Scaled parallel adapters on the feed-forward network (He et al. 2022, 3.3 and 4)."""

    name = "parallel"
    start = "identity"

    size: int = setting(512, "units between the two maps", kind=int, least=1)
    scale: float = setting(4.0, "factor of what is added", kind=float, above=0, most=1000)
    activation: str = setting("relu", "between the two maps", choices=tuple(ACTIVATIONS))

    def build(self, shape, **options):
        return Parallel(self, shape, **options)

    def parameter_count(self, shape):
        network = NarrowNetwork.parameter_count(shape.hidden_dim, self.size)
        return network * len(self.layer_indices(shape.num_layers))


@keras.saving.register_keras_serializable(package="tfglue")
class Parallel(Adapter):
    """LN(a + Drop(FFN(a)) + scale * f(a D) U), with U zero at the start.

    D starts from our truncated normal instead of the authors' Kaiming-uniform one, as all our
    matrices do; behind a zero U neither changes the first output.
    """

    zero_at_start = (".up.kernel",)

    def make_parts(self):
        return {
            f"layers.{index}.feed_forward": NarrowNetwork(
                self.shape.hidden_dim, self.config.size, self.config.activation,
                dtype=self.dtype_policy,
            )
            for index in self.layer_indices
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        network = self.part(layer_index, "feed_forward")
        return Slots(beside_feed_forward=lambda x, _: network(x) * self.config.scale)


ADAPTERS.add(ParallelConfig.name, ParallelConfig)
