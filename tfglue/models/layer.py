"""One layer of BERT: self-attention and feed-forward, each with a residual and LayerNorm."""

import keras
from keras import ops

from tfglue.errors import UserError
from tfglue.models.activation import get_activation
from tfglue.models.attention import attend
from tfglue.models.dropout import Dropout
from tfglue.models.parts import layer_norm, linear, weights_of
from tfglue.models.slots import NO_SLOTS, Slots, asked_for

PROJECTIONS = (
    "attention.query", "attention.key", "attention.value", "attention.output",
    "feed_forward.intermediate", "feed_forward.output",
)
"""A layer's linear maps by the stable names of their weights."""


@keras.saving.register_keras_serializable(package="tfglue")
class BertLayer(keras.layers.Layer):
    """A Transformer encoder layer with LayerNorm after each residual (Vaswani et al. 2017, 3.1).

    All weights exist once it is constructed. Softmax and LayerNorm run in the dtype of the
    variables (float32 under `mixed_bfloat16`), everything else in the compute dtype.

    Args:
        num_heads: attention heads; divides `hidden_dim`.
        hidden_dim: width of input and output.
        intermediate_dim: width between the two feed-forward projections.
        dropout: rate after the attention's and the feed-forward's output projections.
        attention_dropout: rate on the attention probabilities.
        layer_norm_epsilon: added to the variance.
        activation: a name in `tfglue.models.activation.ACTIVATIONS`.
        initializer_range: standard deviation of the kernels' truncated normal.
        first_dropout_site: the layer's three dropouts have this site and the next two.

    Raises:
        UserError: the heads do not divide `hidden_dim`, or the activation is unknown.
    """

    num_dropout_sites = 3

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        layer_norm_epsilon: float = 1e-12,
        activation: str = "gelu",
        initializer_range: float = 0.02,
        first_dropout_site: int = 0,
        **options,
    ):
        # Inputs stay float32 in mixed precision: matrix products alone are cheaper in bfloat16.
        super().__init__(autocast=False, **options)
        if hidden_dim % num_heads:
            raise UserError(
                f"hidden_dim {hidden_dim} is not a multiple of num_heads {num_heads}; "
                "every head needs the same width"
            )
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.layer_norm_epsilon = layer_norm_epsilon
        self.activation = activation
        self.initializer_range = initializer_range
        self.first_dropout_site = first_dropout_site

        dims = dict.fromkeys(PROJECTIONS, (hidden_dim, hidden_dim)) | {
            "feed_forward.intermediate": (hidden_dim, intermediate_dim),
            "feed_forward.output": (intermediate_dim, hidden_dim),
        }
        self.projections = {
            name: linear(name.replace(".", "_"), *dims[name], initializer_range, self.dtype_policy)
            for name in PROJECTIONS
        }
        self.attention_layer_norm, self.feed_forward_layer_norm = (
            layer_norm(name, hidden_dim, layer_norm_epsilon, self.variable_dtype)
            for name in ("attention_layer_norm", "feed_forward_layer_norm")
        )
        self.probabilities_dropout = Dropout(attention_dropout, first_dropout_site)
        self.attention_output_dropout = Dropout(dropout, first_dropout_site + 1)
        self.feed_forward_dropout = Dropout(dropout, first_dropout_site + 2)
        self._activate = get_activation(activation)
        self.built = True

    def call(
        self, hidden_states, attention_mask, dropout_seed=None, first_token_only=False,
        slots: Slots = NO_SLOTS,
    ):
        """Runs the layer.

        Args:
            hidden_states: (batch, time, hidden_dim).
            attention_mask: (batch, 1, 1, time), added to the scores: 0 for tokens that may be
                attended to, a large negative number for the others.
            dropout_seed: int32 (2,), or None for no dropout.
            first_token_only: compute the first token's output alone, (batch, 1, hidden_dim).
            slots: what an adapter adds.

        Returns:
            (batch, time, hidden_dim), float32 in mixed precision too.
        """
        # What mixes tokens beside the feed-forward network needs the attention's output of all.
        mixed_later = first_token_only and slots.feed_forward_mixes_tokens
        asking = asked_for(hidden_states, first_token_only and not mixed_later)
        attended = self._attend(asking, hidden_states, attention_mask, dropout_seed, slots)
        attended = self._normalize(
            "attention.layer_norm", self.attention_layer_norm, attended + asking, slots
        )
        beside = []
        if slots.beside_feed_forward:
            beside.append(slots.beside_feed_forward(attended, first_token_only))
        if slots.beside_layer:
            beside.append(slots.beside_layer(hidden_states, first_token_only))
        attended = asked_for(attended, mixed_later)
        output = self._feed_forward(attended, dropout_seed, slots) + attended
        for addition in beside:
            output = output + ops.cast(addition, self.variable_dtype)
        output = self._normalize(
            "feed_forward.layer_norm", self.feed_forward_layer_norm, output, slots
        )
        return slots.scale(output) if slots.scale else output

    def _attend(self, asking, hidden_states, attention_mask, dropout_seed, slots):
        """Multi-head attention of the tokens `asking` to all (Vaswani et al. 2017, 3.2.2)."""
        hidden_states = ops.cast(hidden_states, self.compute_dtype)
        asking = ops.cast(asking, self.compute_dtype)
        context = attend(
            self._project("attention.query", asking, slots),
            self._project("attention.key", hidden_states, slots),
            self._project("attention.value", hidden_states, slots),
            attention_mask,
            self.num_heads,
            self.variable_dtype,
            lambda probabilities: self.probabilities_dropout(probabilities, seed=dropout_seed),
        )
        output = self._project("attention.output", context, slots)
        output = self._drop_out(self.attention_output_dropout, output, dropout_seed)
        return slots.after_attention(output) if slots.after_attention else output

    def _feed_forward(self, hidden_states, dropout_seed, slots):
        """The position-wise feed-forward network (Vaswani et al. 2017, 3.3)."""
        inner = self._activate(self._project("feed_forward.intermediate", hidden_states, slots))
        output = self._project("feed_forward.output", inner, slots)
        output = self._drop_out(self.feed_forward_dropout, output, dropout_seed)
        return slots.after_feed_forward(output) if slots.after_feed_forward else output

    def _project(self, name: str, x, slots):
        """A linear map of x, and what its slot adds."""
        projected = self.projections[name](x)
        addition = slots.projections.get(name)
        projected = projected if addition is None else projected + addition(x)
        if slots.observe:
            slots.observe(name, x, projected)
        return projected

    def _normalize(self, name: str, layer_norm, x, slots):
        """A LayerNorm of x, shown to who observes the layer."""
        normalized = layer_norm(x)
        if slots.observe:
            slots.observe(name, x, normalized)
        return normalized

    def _drop_out(self, dropout, output, dropout_seed):
        """Dropout on its way to the residual, which is float32 as the LayerNorm after it."""
        return dropout(ops.cast(output, self.variable_dtype), seed=dropout_seed)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names, such as ``attention.query.kernel``."""
        return weights_of(
            self.projections
            | {
                "attention.layer_norm": self.attention_layer_norm,
                "feed_forward.layer_norm": self.feed_forward_layer_norm,
            }
        )

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "activation": self.activation,
            "initializer_range": self.initializer_range,
            "first_dropout_site": self.first_dropout_site,
        }
