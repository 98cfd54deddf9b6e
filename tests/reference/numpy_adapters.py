"""BERT layers with adapters in NumPy and float64, one function for each adapter.

Written from Stickland and Murray 2019 and the published behaviour of their code, Houlsby et al.
2019, He et al. 2022, Hu et al. 2022 and Swietojanski and Renals 2014, not from our layers. In all
of them `bert` holds one layer's weights by our names, `own` those of the adapter in that layer, and
`shared` those that belong to no layer.
"""

import numpy as np
from scipy.special import expit

from tests.reference.numpy_bert import attention, gelu, layer_norm, linear


def narrow(weights, name, x, activation=gelu):
    return linear(weights, f"{name}.up", activation(linear(weights, f"{name}.down", x)))


def heads_of_attention(weights, prefix, x, padding_mask, num_heads):
    """Concatenated heads without an output projection; padding is left out of the softmax."""
    query, key, value = (linear(weights, f"{prefix}{n}", x) for n in ("query", "key", "value"))
    width = x.shape[-1] // num_heads
    output = np.zeros_like(query)
    for row, mask in enumerate(padding_mask.astype(bool)):
        for start in range(0, x.shape[-1], width):
            part = slice(start, start + width)
            scores = query[row, :, part] @ key[row, mask, part].T / np.sqrt(width)
            odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
            odds /= odds.sum(axis=-1, keepdims=True)
            output[row, :, part] = odds @ value[row, mask, part]
    return output


def feed_forward(bert, x):
    return linear(bert, "feed_forward.output", gelu(linear(bert, "feed_forward.intermediate", x)))


def first_half(bert, x, padding_mask, num_heads):
    attended = attention(bert, x, padding_mask, num_heads)
    return layer_norm(bert, "attention.layer_norm", x + attended)


def projected(shared, own, x, padding_mask, num_heads):
    """Projected attention: down, attend, up, and GELU last."""
    small = linear(shared, "pal.encoder", x)
    context = heads_of_attention(own, "", small, padding_mask, num_heads)
    return gelu(linear(shared, "pal.decoder", context))


def pal_layer(bert, own, shared, x, padding_mask, num_heads, config):
    a = first_half(bert, x, padding_mask, num_heads)
    added = projected(shared, own, x, padding_mask, config.heads)
    if config.lhuc:
        added = added * 2 * expit(own["lhuc.amplitude"])
    return layer_norm(bert, "feed_forward.layer_norm", feed_forward(bert, a) + a + added)


def low_rank_layer(bert, own, shared, x, padding_mask, num_heads, config):
    a = first_half(bert, x, padding_mask, num_heads)
    added = narrow(own, "low_rank", x)
    if config.lhuc:
        added = added * 2 * expit(own["lhuc.amplitude"])
    return layer_norm(bert, "feed_forward.layer_norm", feed_forward(bert, a) + a + added)


def houlsby_layer(bert, own, shared, x, padding_mask, num_heads, config):
    u = attention(bert, x, padding_mask, num_heads)
    a = layer_norm(bert, "attention.layer_norm", x + u + narrow(own, "attention", u))
    total = a + feed_forward(bert, a) + narrow(own, "feed_forward", a)
    return layer_norm(bert, "feed_forward.layer_norm", total)


def houlsby_pal_layer(bert, own, shared, x, padding_mask, num_heads, config):
    u = attention(bert, x, padding_mask, num_heads)
    a = layer_norm(bert, "attention.layer_norm", x + u + narrow(own, "attention", u))
    added = projected(shared, own, a, padding_mask, config.heads)
    return layer_norm(bert, "feed_forward.layer_norm", a + feed_forward(bert, a) + added)


def bottleneck_layer(bert, own, shared, x, padding_mask, num_heads, config):
    u = attention(bert, x, padding_mask, num_heads)
    a = layer_norm(bert, "attention.layer_norm", x + u + narrow(own, "attention", u))
    v = feed_forward(bert, a)
    return layer_norm(bert, "feed_forward.layer_norm", a + v + narrow(own, "feed_forward", v))


def parallel_layer(bert, own, shared, x, padding_mask, num_heads, config):
    a = first_half(bert, x, padding_mask, num_heads)
    added = config.scale * narrow(own, "feed_forward", a, lambda z: np.maximum(z, 0))
    return layer_norm(bert, "feed_forward.layer_norm", feed_forward(bert, a) + a + added)


def lhuc_layer(bert, own, shared, x, padding_mask, num_heads, config):
    a = first_half(bert, x, padding_mask, num_heads)
    output = layer_norm(bert, "feed_forward.layer_norm", feed_forward(bert, a) + a)
    return output * 2 * expit(own["lhuc.amplitude"])


def lora_layer(bert, own, shared, x, padding_mask, num_heads, config):
    changed = dict(bert)
    for name in own:
        if name.endswith(".a.kernel"):
            target = name.removesuffix(".a.kernel")
            update = own[name] @ own[f"{target}.b.kernel"] * config.alpha / config.rank
            changed[f"{target}.kernel"] = bert[f"{target}.kernel"] + update
    a = first_half(changed, x, padding_mask, num_heads)
    total = feed_forward(changed, a) + a
    return layer_norm(changed, "feed_forward.layer_norm", total)


def top_attention(shared, x, padding_mask, num_heads, config):
    """What replaces the last hidden state."""
    x = linear(shared, "top.encoder", x)
    for block in range(config.blocks):
        name = f"top.blocks.{block}"
        context = heads_of_attention(shared, f"{name}.attention.", x, padding_mask, config.heads)
        x = layer_norm(shared, f"{name}.layer_norm", x + linear(shared, f"{name}.output", context))
    return linear(shared, "top.decoder", x)


def top_layer(shared, x, padding_mask, num_heads, config):
    """What replaces the last hidden state."""
    own = {name.removeprefix("top."): value for name, value in shared.items()}
    a = first_half(own, x, padding_mask, num_heads)
    return layer_norm(own, "feed_forward.layer_norm", feed_forward(own, a) + a)


LAYERS = {
    "pal": pal_layer,
    "low_rank": low_rank_layer,
    "houlsby": houlsby_layer,
    "houlsby_pal": houlsby_pal_layer,
    "bottleneck": bottleneck_layer,
    "parallel": parallel_layer,
    "lhuc": lhuc_layer,
    "lora": lora_layer,
}
TOPS = {"top_attention": top_attention, "top_layer": top_layer}
