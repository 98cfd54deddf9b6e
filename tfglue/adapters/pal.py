"""PAL: projected attention layers beside each layer of the encoder."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.amplitude import Amplitude
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.projected_attention import ProjectedAttention
from tfglue.flags import setting
from tfglue.models.slots import Slots


@dataclass(frozen=True)
class PalConfig(LayeredConfig):
    """Projected attention layers (Stickland and Murray 2019, 3.1), as in ``pals_config.json``.

    Six heads as in the authors' code; the paper speaks of twelve.
    """

    name = "pal"
    start = "perturbed"

    size: int = setting(204, "width of the attention", kind=int, least=1)
    heads: int = setting(6, "attention heads; they divide size", kind=int, least=1)
    lhuc: bool = setting(False, "scale what is added by learned factors", kind=bool)

    def __post_init__(self):
        super().__post_init__()
        self.check_heads(self.size, self.heads)

    def build(self, shape, **options):
        return Pal(self, shape, **options)

    def parameter_count(self, shape):
        layers = len(self.layer_indices(shape.num_layers))
        attention = ProjectedAttention.parameter_count(shape.hidden_dim, self.size, layers)
        return attention + self.lhuc * layers * shape.hidden_dim


@keras.saving.register_keras_serializable(package="tfglue")
class Pal(Adapter):
    """Adds projected attention of a layer's input h before its final LayerNorm.

    LN(a + Drop(FFN(a)) + PAL(h)) (Stickland and Murray 2019, 3.2 and their code): the feed-forward
    network does not see it.
    """

    def make_parts(self):
        hidden_dim, dtype = self.shape.hidden_dim, self.dtype_policy
        attention = ProjectedAttention(
            hidden_dim, self.config.size, self.config.heads, self.layer_indices,
            self.shape.attention_dropout, dtype=dtype, name="pal",
        )
        factors = self.layer_indices if self.config.lhuc else ()
        return {"pal": attention} | {
            f"layers.{index}.lhuc": Amplitude(hidden_dim, dtype=dtype) for index in factors
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        def beside_layer(x, first_token_only):
            added = self.parts["pal"](
                x, attention_mask, dropout_seed, first_token_only=first_token_only,
                layer_index=layer_index,
            )
            return self.part(layer_index, "lhuc")(added) if self.config.lhuc else added

        return Slots(beside_layer=beside_layer)


ADAPTERS.add(PalConfig.name, PalConfig)
