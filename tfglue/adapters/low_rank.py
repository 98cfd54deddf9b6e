"""Low-rank: a narrow network beside each layer of the encoder."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.amplitude import Amplitude
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.flags import setting
from tfglue.models.slots import Slots, asked_for


@dataclass(frozen=True)
class LowRankConfig(LayeredConfig):
    """Low-rank layers (Stickland and Murray 2019, 3.1), as in ``low_rank_config.json``."""

    name = "low_rank"
    start = "perturbed"

    size: int = setting(100, "units between the two maps", kind=int, least=1)
    lhuc: bool = setting(False, "scale what is added by learned factors", kind=bool)

    def build(self, shape, **options):
        return LowRank(self, shape, **options)

    def parameter_count(self, shape):
        network = NarrowNetwork.parameter_count(shape.hidden_dim, self.size)
        layers = len(self.layer_indices(shape.num_layers))
        return layers * (network + self.lhuc * shape.hidden_dim)


@keras.saving.register_keras_serializable(package="tfglue")
class LowRank(Adapter):
    """Adds gelu(h A) B of a layer's input h before its final LayerNorm, where a PAL goes too.

    A and B have biases and are each layer's own.
    """

    def make_parts(self):
        hidden_dim, dtype = self.shape.hidden_dim, self.dtype_policy
        parts = {}
        for index in self.layer_indices:
            network = NarrowNetwork(hidden_dim, self.config.size, dtype=dtype)
            parts[f"layers.{index}.low_rank"] = network
            if self.config.lhuc:
                parts[f"layers.{index}.lhuc"] = Amplitude(hidden_dim, dtype=dtype)
        return parts

    def fill(self, layer_index, attention_mask, dropout_seed):
        def beside_layer(x, first_token_only):
            added = self.part(layer_index, "low_rank")(asked_for(x, first_token_only))
            return self.part(layer_index, "lhuc")(added) if self.config.lhuc else added

        return Slots(beside_layer=beside_layer)


ADAPTERS.add(LowRankConfig.name, LowRankConfig)
