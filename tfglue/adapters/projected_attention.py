"""Projected attention layers, which share two matrices over the depth of the encoder."""

from collections.abc import Sequence

import keras
from keras import ops

from tfglue.adapters.adapter import layer_site
from tfglue.adapters.narrow_attention import NarrowAttention
from tfglue.adapters.narrow_network import NarrowNetwork
from tfglue.models.activation import get_activation
from tfglue.models.parts import linear, weights_of
from tfglue.models.slots import asked_for


@keras.saving.register_keras_serializable(package="tfglue")
class ProjectedAttention(keras.layers.Layer):
    """gelu(attention_l(x E) D) for layers l (Stickland and Murray 2019, 3.1).

    E (hidden_dim to size) and D (size to hidden_dim) are the same in all layers, attention is each
    layer's own. As in the authors' code, E and D have biases and GELU comes last of all; there is
    no output map, LayerNorm or residual inside.

    Args:
        hidden_dim: width of input and output.
        size: width of attention; `num_heads` divides it.
        num_heads: attention heads.
        layer_indices: the layers that have an attention.
        attention_dropout: rate on the attention probabilities.
    """

    def __init__(
        self,
        hidden_dim: int,
        size: int,
        num_heads: int,
        layer_indices: Sequence[int],
        attention_dropout: float,
        **options,
    ):
        super().__init__(autocast=False, **options)
        self.hidden_dim = hidden_dim
        self.size = size
        self.num_heads = num_heads
        self.layer_indices = tuple(layer_indices)
        self.attention_dropout = attention_dropout
        self.encoder = linear("encoder", hidden_dim, size, 0.02, self.dtype_policy)
        self.decoder = linear("decoder", size, hidden_dim, 0.02, self.dtype_policy)
        self.attentions = {
            str(index): NarrowAttention(
                size, num_heads, attention_dropout, layer_site(index), dtype=self.dtype_policy,
                name=f"attention_{index}",
            )
            for index in self.layer_indices
        }
        self._activate = get_activation("gelu")
        self.built = True

    def call(
        self, x, attention_mask, dropout_seed=None, first_token_only=False, *, layer_index: int
    ):
        """Runs the attention of one layer.

        Args:
            x: (batch, time, hidden_dim), all tokens.
            attention_mask: (batch, 1, 1, time), as in `BertLayer`.
            dropout_seed: int32 (2,), or None for no dropout.
            first_token_only: let the first token alone attend to all.
            layer_index: one of `layer_indices`.

        Returns:
            (batch, time or 1, hidden_dim), float32 in mixed precision too.
        """
        x = self.encoder(x)
        context = self.attentions[str(layer_index)](
            asked_for(x, first_token_only), x, attention_mask, dropout_seed
        )
        return self._activate(ops.cast(self.decoder(context), self.variable_dtype))

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        layers = {f"layers.{index}": attention for index, attention in self.attentions.items()}
        return weights_of({"encoder": self.encoder, "decoder": self.decoder} | layers)

    @staticmethod
    def parameter_count(hidden_dim: int, size: int, num_layers: int) -> int:
        """Parameters of the shared pair and of the attention in so many layers."""
        shared = NarrowNetwork.parameter_count(hidden_dim, size)
        return shared + num_layers * NarrowAttention.parameter_count(size)

    def get_config(self):
        return super().get_config() | {
            "hidden_dim": self.hidden_dim,
            "size": self.size,
            "num_heads": self.num_heads,
            "layer_indices": list(self.layer_indices),
            "attention_dropout": self.attention_dropout,
        }
