"""Places inside a `BertLayer` where something can be put that the layer knows nothing of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Slots:
    """What one layer calls beside its own sub-layers while it runs one batch.

    With h the layer's input, the layer computes

        u = after_attention(Drop(MHA(h)))
        a = LN(h + u)
        v = after_feed_forward(Drop(FFN(a)))
        output = scale(LN(a + v + beside_feed_forward(a) + beside_layer(h)))

    and adds ``projections[name](x)`` to each of its linear maps of x. An empty slot costs nothing.
    What a slot holds already knows the batch's mask and dropout seed. Tensors are
    (batch, tokens, hidden_dim), float32 in mixed precision too; a projection's result may be in
    the compute dtype.

    Args:
        after_attention: maps u, of each token for itself.
        after_feed_forward: maps v, of each token for itself.
        beside_feed_forward: takes a and `first_token_only`; if that is set, only the first token's
            result is asked for, however many tokens a has.
        beside_layer: takes h and `first_token_only`, likewise.
        scale: maps the output, of each token for itself.
        projections: names as in `BertLayer.named_weights` (``attention.query``) -> function of the
            projection's input.
        observe: called with the name, the input and the result of each linear map and LayerNorm,
            and returns nothing; for whoever wants gradients at these places.
        feed_forward_mixes_tokens: whether `beside_feed_forward` needs a of all tokens even where
            only the first token's result is asked for.
    """

    after_attention: Callable | None = None
    after_feed_forward: Callable | None = None
    beside_feed_forward: Callable | None = None
    beside_layer: Callable | None = None
    scale: Callable | None = None
    projections: Mapping[str, Callable] = field(default_factory=dict)
    observe: Callable | None = None
    feed_forward_mixes_tokens: bool = False


NO_SLOTS = Slots()
"""A plain layer."""


def asked_for(x, first_token_only: bool):
    """The tokens of x (batch, tokens, dim) whose result is asked for: the first, or all."""
    return x[:, :1] if first_token_only else x
