"""LHUC: learned factors on the hidden units of each layer's output."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.amplitude import Amplitude
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.models.slots import Slots


@dataclass(frozen=True)
class LhucConfig(LayeredConfig):
    """Learned hidden unit contributions, as in the PALs code (Stickland and Murray 2019, 4)."""

    name = "lhuc"
    start = "identity"

    def build(self, shape, **options):
        return Lhuc(self, shape, **options)

    def parameter_count(self, shape):
        return shape.hidden_dim * len(self.layer_indices(shape.num_layers))


@keras.saving.register_keras_serializable(package="tfglue")
class Lhuc(Adapter):
    """Multiplies each layer's output by 2 sigmoid(r) (Swietojanski and Renals 2014, 3)."""

    def make_parts(self):
        return {
            f"layers.{index}.lhuc": Amplitude(self.shape.hidden_dim, dtype=self.dtype_policy)
            for index in self.layer_indices
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        return Slots(scale=self.part(layer_index, "lhuc"))


ADAPTERS.add(LhucConfig.name, LhucConfig)
