"""BERT's encoder in NumPy and float64, written from the papers, not from our layers.

Vaswani et al. 2017 for attention and the layer, Devlin et al. 2019 for embeddings and the pooler.
Masked positions are left out of the softmax altogether, where our layers add a large negative
number to their scores.
"""

import numpy as np
from scipy.special import erf

EPSILON = 1e-12


def linear(weights, name, x):
    return x @ weights[f"{name}.kernel"] + weights[f"{name}.bias"]


def layer_norm(weights, name, x):
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
    return centred / deviation * weights[f"{name}.gamma"] + weights[f"{name}.beta"]


def gelu(x):
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def attention(weights, x, padding_mask, num_heads):
    batch, time, hidden_dim = x.shape
    head_dim = hidden_dim // num_heads
    query, key, value = (
        linear(weights, f"attention.{name}", x) for name in ("query", "key", "value")
    )
    context = np.empty_like(x)
    for row in range(batch):
        keep = padding_mask[row].astype(bool)
        for head in range(num_heads):
            part = slice(head * head_dim, (head + 1) * head_dim)
            for position in range(time):
                scores = key[row, keep, part] @ query[row, position, part] / np.sqrt(head_dim)
                odds = np.exp(scores - scores.max())
                context[row, position, part] = odds / odds.sum() @ value[row, keep, part]
    return linear(weights, "attention.output", context)


def bert_layer(weights, x, padding_mask, num_heads):
    """One layer; `weights` maps our names of a layer's weights to float64 arrays."""
    attended = attention(weights, x, padding_mask, num_heads)
    x = layer_norm(weights, "attention.layer_norm", x + attended)
    inner = gelu(linear(weights, "feed_forward.intermediate", x))
    transformed = linear(weights, "feed_forward.output", inner)
    return layer_norm(weights, "feed_forward.layer_norm", x + transformed)


def bert_encoder(weights, token_ids, segment_ids, padding_mask, num_layers, num_heads):
    """All hidden states and the pooled output; `weights` maps our names of an encoder's weights."""
    x = weights["embeddings.word"][token_ids] + weights["embeddings.segment"][segment_ids]
    x = x + weights["embeddings.position"][: token_ids.shape[1]]
    hidden_states = [layer_norm(weights, "embeddings.layer_norm", x)]
    for index in range(num_layers):
        prefix = f"layers.{index}."
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        hidden_states.append(bert_layer(own, hidden_states[-1], padding_mask, num_heads))
    return hidden_states, np.tanh(linear(weights, "pooler", hidden_states[-1][:, 0]))
