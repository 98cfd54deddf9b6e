"""Houlsby-like adapters whose parallel half is a PAL."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.adapters.projected_attention import ProjectedAttention
from tfglue.flags import setting
from tfglue.models.slots import Slots


@dataclass(frozen=True)
class HoulsbyPalConfig(LayeredConfig):
    """The combination of ``houlsby_plus_pals_config.json`` (Stickland and Murray 2019)."""

    name = "houlsby_pal"
    start = "perturbed"

    size: int = setting(156, "width of the projected attention", kind=int, least=1)
    heads: int = setting(6, "attention heads; they divide size", kind=int, least=1)
    low_rank_size: int = setting(50, "units of the adapter after attention", kind=int, least=1)

    def __post_init__(self):
        super().__post_init__()
        self.check_heads(self.size, self.heads)

    def build(self, shape, **options):
        return HoulsbyPal(self, shape, **options)

    def parameter_count(self, shape):
        layers = len(self.layer_indices(shape.num_layers))
        network = NarrowNetwork.parameter_count(shape.hidden_dim, self.low_rank_size)
        attention = ProjectedAttention.parameter_count(shape.hidden_dim, self.size, layers)
        return attention + layers * network


@keras.saving.register_keras_serializable(package="tfglue")
class HoulsbyPal(Adapter):
    """A low-rank adapter in series with attention, a PAL parallel to the feed-forward network.

    With u = Drop(MHA(h)): a = LN(h + u + gelu(u A) B), and the output is
    LN(a + Drop(FFN(a)) + PAL(a)).
    """

    def make_parts(self):
        hidden_dim, dtype = self.shape.hidden_dim, self.dtype_policy
        attention = ProjectedAttention(
            hidden_dim, self.config.size, self.config.heads, self.layer_indices,
            self.shape.attention_dropout, dtype=dtype, name="pal",
        )
        return {"pal": attention} | {
            f"layers.{index}.attention": NarrowNetwork(
                hidden_dim, self.config.low_rank_size, dtype=dtype
            )
            for index in self.layer_indices
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        return Slots(
            after_attention=self.part(layer_index, "attention").with_residual,
            beside_feed_forward=lambda x, first_token_only: self.parts["pal"](
                x, attention_mask, dropout_seed, first_token_only=first_token_only,
                layer_index=layer_index,
            ),
            feed_forward_mixes_tokens=True,
        )


ADAPTERS.add(HoulsbyPalConfig.name, HoulsbyPalConfig)
