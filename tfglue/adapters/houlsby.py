"""Houlsby-like adapters as the PALs code has them; `bottleneck` are those of Houlsby et al."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.flags import setting
from tfglue.models.slots import Slots


@dataclass(frozen=True)
class HoulsbyConfig(LayeredConfig):
    """Two low-rank adapters a layer (Stickland and Murray 2019, 4), as ``houlsby_config.json``."""

    name = "houlsby"
    start = "perturbed"

    size: int = setting(50, "units between the two maps", kind=int, least=1)

    def build(self, shape, **options):
        return Houlsby(self, shape, **options)

    def parameter_count(self, shape):
        network = NarrowNetwork.parameter_count(shape.hidden_dim, self.size)
        return 2 * network * len(self.layer_indices(shape.num_layers))


@keras.saving.register_keras_serializable(package="tfglue")
class Houlsby(Adapter):
    """One adapter in series with attention, one parallel to the feed-forward network.

    With u = Drop(MHA(h)) and AD(x) = gelu(x A) B: a = LN(h + u + AD1(u)), and the output is
    LN(a + Drop(FFN(a)) + AD2(a)). AD2 reads a, not the network's output: there the PALs code
    differs from Houlsby et al. 2019.
    """

    def make_parts(self):
        return {
            f"layers.{index}.{place}": NarrowNetwork(
                self.shape.hidden_dim, self.config.size, dtype=self.dtype_policy
            )
            for index in self.layer_indices
            for place in ("attention", "feed_forward")
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        return Slots(
            after_attention=self.part(layer_index, "attention").with_residual,
            beside_feed_forward=lambda x, _: self.part(layer_index, "feed_forward")(x),
        )


ADAPTERS.add(HoulsbyConfig.name, HoulsbyConfig)
