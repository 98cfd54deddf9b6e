"""A stack of narrow attention blocks on top of an encoder."""

import keras
from keras import ops

from tfglue.adapters.adapter import TOP_SITE
from tfglue.adapters.narrow_attention import NarrowAttention
from tfglue.models.dropout import Dropout
from tfglue.models.parts import layer_norm, linear, weights_of
from tfglue.models.slots import asked_for


@keras.saving.register_keras_serializable(package="tfglue")
class AttentionStack(keras.layers.Layer):
    """x P, then blocks LN(x + Drop(MHA(x) W)), then Q back to the encoder's width.

    The top projected attention of Stickland and Murray (2019, 3.3), biases on all maps. There is
    no feed-forward network in it and no residual around it.

    Args:
        hidden_dim: width of input and output.
        size: width of the blocks; `num_heads` divides it.
        num_heads: attention heads.
        num_blocks: number of blocks.
        dropout: rate on each block's output map.
        attention_dropout: rate on the attention probabilities.
        layer_norm_epsilon: added to the variance.
    """

    def __init__(
        self,
        hidden_dim: int,
        size: int,
        num_heads: int,
        num_blocks: int,
        dropout: float,
        attention_dropout: float,
        layer_norm_epsilon: float = 1e-12,
        **options,
    ):
        super().__init__(autocast=False, **options)
        self.hidden_dim = hidden_dim
        self.size = size
        self.num_heads = num_heads
        self.num_blocks = num_blocks
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon

        self.parts = {"encoder": linear("encoder", hidden_dim, size, 0.02, self.dtype_policy)}
        self.dropouts = []
        for index in range(num_blocks):
            block, site = f"blocks.{index}", TOP_SITE + 2 * index
            self.parts[f"{block}.attention"] = NarrowAttention(
                size, num_heads, attention_dropout, site, dtype=self.dtype_policy
            )
            self.parts[f"{block}.output"] = linear("output", size, size, 0.02, self.dtype_policy)
            self.parts[f"{block}.layer_norm"] = layer_norm(
                "layer_norm", size, layer_norm_epsilon, self.variable_dtype
            )
            self.dropouts.append(Dropout(dropout, site + 1))
        self.parts["decoder"] = linear("decoder", size, hidden_dim, 0.02, self.dtype_policy)
        self.built = True

    def call(self, hidden_states, attention_mask, dropout_seed=None, first_token_only=False):
        """Runs the stack; arguments and result are those of `BertLayer`."""
        x = ops.cast(self.parts["encoder"](hidden_states), self.variable_dtype)
        for index, dropout in enumerate(self.dropouts):
            block = f"blocks.{index}"
            asking = asked_for(x, first_token_only and index == self.num_blocks - 1)
            output = self.parts[f"{block}.output"](
                self.parts[f"{block}.attention"](asking, x, attention_mask, dropout_seed)
            )
            output = dropout(ops.cast(output, self.variable_dtype), seed=dropout_seed)
            x = self.parts[f"{block}.layer_norm"](output + asking)
        return ops.cast(self.parts["decoder"](x), self.variable_dtype)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of(self.parts)

    def get_config(self):
        return super().get_config() | {
            "hidden_dim": self.hidden_dim,
            "size": self.size,
            "num_heads": self.num_heads,
            "num_blocks": self.num_blocks,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }
