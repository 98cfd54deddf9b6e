"""Top projected attention: a task's own narrow attention on top of the encoder."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import Adapter
from tfglue.adapters.attention_stack import AttentionStack
from tfglue.adapters.config import ADAPTERS, AdapterConfig
from tfglue.adapters.narrow_attention import NarrowAttention
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.flags import setting


@dataclass(frozen=True)
class TopAttentionConfig(AdapterConfig):
    """Projected attention on top (Stickland and Murray 2019, 3.3), as ``top_attn_config.json``."""

    name = "top_attention"
    start = "replaced"

    size: int = setting(204, "width of the attention", kind=int, least=1)
    heads: int = setting(12, "attention heads; they divide size", kind=int, least=1)
    blocks: int = setting(6, "attention blocks", kind=int, least=1, most=100)

    def __post_init__(self):
        self.check_heads(self.size, self.heads)

    def build(self, shape, **options):
        return TopAttention(self, shape, **options)

    def parameter_count(self, shape):
        output_and_norm = self.size**2 + self.size + 2 * self.size
        block = NarrowAttention.parameter_count(self.size) + output_and_norm
        ends = NarrowNetwork.parameter_count(shape.hidden_dim, self.size)
        return ends + self.blocks * block


@keras.saving.register_keras_serializable(package="tfglue")
class TopAttention(Adapter):
    """Replaces the last hidden state by what `AttentionStack` makes of it."""

    def make_parts(self):
        config, shape = self.config, self.shape
        stack = AttentionStack(
            shape.hidden_dim, config.size, config.heads, config.blocks, shape.dropout,
            shape.attention_dropout, shape.layer_norm_epsilon, dtype=self.dtype_policy, name="top",
        )
        return {"top": stack}

    @property
    def top(self):
        """The stack."""
        return self.parts["top"]


ADAPTERS.add(TopAttentionConfig.name, TopAttentionConfig)
