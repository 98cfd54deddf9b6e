"""Every adapter equals its NumPy reference, layer by layer, in float64."""

import numpy as np
import pytest

from tests.adapters.adapted_model import (
    BATCH,
    NAMES,
    PADDING_MASK,
    small_adapter,
    small_config,
    small_encoder,
    stirred,
    values_of,
)
from tests.reference.numpy_adapters import LAYERS, TOPS
from tests.reference.numpy_bert import bert_layer

TOKENS = PADDING_MASK.astype(bool)


def below(weights, prefix):
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def expected_states(encoder, adapter, embeddings):
    """Hidden states of the reference; `embeddings` are the encoder's own."""
    weights, added = values_of(encoder), values_of(adapter)
    config, states = adapter.config, [embeddings]
    for index in range(encoder.num_layers):
        bert = below(weights, f"layers.{index}.")
        # A PAL's attention is named under it, all else under the layer.
        own = below(added, f"layers.{index}.") | below(added, f"pal.layers.{index}.")
        if own:
            layer = LAYERS[config.name]
            x = layer(bert, own, added, states[-1], PADDING_MASK, encoder.num_heads, config)
        else:
            x = bert_layer(bert, states[-1], PADDING_MASK, encoder.num_heads)
        states.append(x)
    if config.name in TOPS:
        states[-1] = TOPS[config.name](
            added, states[-1], PADDING_MASK, encoder.num_heads, config
        )
    return states


VARIANTS = [
    *((name, {}) for name in NAMES),
    ("pal", {"lhuc": True}),
    ("low_rank", {"lhuc": True, "layers": "1"}),
    ("pal", {"layers": "0"}),
    ("lora", {"targets": "key+attention_output+intermediate+feed_forward_output"}),
]


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)
def test_hidden_states_equal_the_reference(name, settings):
    encoder = small_encoder(dtype="float64")
    config = small_config(name, **settings)
    adapter = stirred(small_adapter(encoder, config, dtype="float64"))
    states = [np.array(state) for state in encoder(BATCH, adapter=adapter)["hidden_states"]]
    plain = np.array(encoder(BATCH)["hidden_states"][-1])
    assert np.abs(states[-1] - plain)[TOKENS].max() > 0.1
    for ours, theirs in zip(states, expected_states(encoder, adapter, states[0]), strict=True):
        np.testing.assert_allclose(ours[TOKENS], theirs[TOKENS], rtol=0, atol=1e-9)
