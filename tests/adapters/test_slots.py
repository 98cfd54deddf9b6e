"""How the encoder and the layer use an adapter, and that they do without."""

import math

import numpy as np
import pytest
import tensorflow as tf

from tests.adapters.adapted_model import (
    BATCH,
    SEED,
    adapted_model,
    small_adapter,
    small_config,
    small_encoder,
    stirred,
    values_of,
)
from tfglue.adapters import EncoderShape
from tfglue.budget import Budget
from tfglue.models.slots import NO_SLOTS, Slots


def operations(function):
    signature = {name: tf.TensorSpec([None, None], tf.int32) for name in BATCH}
    graph = tf.function(function).get_concrete_function(signature, tf.TensorSpec([2], tf.int32))
    return sorted(op.type for op in graph.graph.get_operations())


@pytest.mark.parametrize("pooled_only", [True, False])
def test_layers_without_parts_have_the_graph_of_a_plain_encoder(pooled_only):
    encoder = small_encoder()
    adapter = small_adapter(encoder, small_config("pal", layers="1"))

    class Empty:
        top = None
        trainable = True

        def slots(self, layer_index, attention_mask, dropout_seed):
            return adapter.slots(0, attention_mask, dropout_seed)

    assert adapter.slots(0, None, None) is NO_SLOTS
    plain = operations(lambda b, s: encoder(b, s, pooled_only=pooled_only))
    empty = operations(lambda b, s: encoder(b, s, pooled_only=pooled_only, adapter=Empty()))
    full = operations(lambda b, s: encoder(b, s, pooled_only=pooled_only, adapter=adapter))
    assert plain == empty
    assert len(full) > len(plain)


def test_only_chosen_layers_change():
    encoder = small_encoder(num_layers=3)
    adapter = stirred(small_adapter(encoder, small_config("low_rank", layers="1")))
    plain = encoder(BATCH)["hidden_states"]
    adapted = encoder(BATCH, adapter=adapter)["hidden_states"]
    same = [np.array_equal(a, p) for a, p in zip(adapted, plain, strict=True)]
    assert same == [True, True, False, False]


def test_dropout_of_the_encoder_is_the_same_with_an_adapter():
    encoder = small_encoder()
    lhuc = small_adapter(encoder, "lhuc")  # It starts as the identity and drops nothing.
    dropped = encoder(BATCH, SEED)["pooled_output"]
    np.testing.assert_array_equal(encoder(BATCH, SEED, adapter=lhuc)["pooled_output"], dropped)


def test_pal_without_a_decoder_is_plain_bert():
    encoder = small_encoder()
    pal = stirred(small_adapter(encoder, "pal"))
    plain = encoder(BATCH)["pooled_output"]
    assert np.abs(encoder(BATCH, adapter=pal)["pooled_output"] - plain).max() > 0.01
    for name in ("pal.decoder.kernel", "pal.decoder.bias"):
        weight = pal.named_weights()[name]
        weight.assign(np.zeros(weight.shape))
    np.testing.assert_array_equal(encoder(BATCH, adapter=pal)["pooled_output"], plain)


@pytest.mark.parametrize("name", ["pal", "houlsby_pal"])
def test_layers_of_a_task_share_the_pair_of_projections_and_tasks_share_nothing(name):
    model = adapted_model(name)
    names = list(model.adapters["nli"].named_weights())
    assert [n for n in names if "coder" in n] == [
        "pal.encoder.kernel", "pal.encoder.bias", "pal.decoder.kernel", "pal.decoder.bias",
    ]
    assert sum(n.endswith("query.kernel") for n in names) == 2
    ids = [{id(w) for w in adapter.weights} for adapter in model.adapters.values()]
    assert not ids[0] & ids[1]


def test_a_task_without_an_adapter_uses_the_encoder_as_it_is():
    model = adapted_model("bottleneck")
    stirred(model.adapters["nli"])
    before = model(BATCH, task="sim")
    del model.adapters["sim"]
    plain = model(BATCH, task="sim")
    assert np.abs(before - plain).max() < 1e-2
    encoded = model.encoder(BATCH, pooled_only=True)
    np.testing.assert_array_equal(plain, model.heads["sim"](encoded))


def test_the_budget_counts_adapters_apart():
    model = adapted_model("low_rank")
    config = model.adapters["nli"].config
    counts = Budget.of(model)
    for task in ("nli", "sim"):
        assert counts.parts[f"adapters.{task}"] == config.parameter_count(
            EncoderShape.of(model.encoder)
        )
    assert counts.total == sum(math.prod(weight.shape) for weight in model.weights)


def test_names_of_weights_do_not_change():
    encoder = small_encoder(num_layers=1)
    expected = {
        "pal": {"pal.encoder", "pal.decoder", "pal.layers.0.query", "pal.layers.0.key",
                "pal.layers.0.value"},
        "low_rank": {"layers.0.low_rank.down", "layers.0.low_rank.up"},
        "houlsby": {"layers.0.attention.down", "layers.0.attention.up",
                    "layers.0.feed_forward.down", "layers.0.feed_forward.up"},
        "houlsby_pal": {"layers.0.attention.down", "layers.0.attention.up", "pal.encoder",
                        "pal.decoder", "pal.layers.0.query", "pal.layers.0.key",
                        "pal.layers.0.value"},
        "bottleneck": {"layers.0.attention.down", "layers.0.attention.up",
                       "layers.0.feed_forward.down", "layers.0.feed_forward.up"},
        "parallel": {"layers.0.feed_forward.down", "layers.0.feed_forward.up"},
        "lora": {"layers.0.attention.query.a", "layers.0.attention.query.b",
                 "layers.0.attention.value.a", "layers.0.attention.value.b"},
        "lhuc": {"layers.0.lhuc"},
    }
    for name, parts in expected.items():
        found = values_of(small_adapter(encoder, name))
        assert {weight.rpartition(".")[0] for weight in found} == parts
    top = values_of(small_adapter(encoder, small_config("top_attention", blocks=1)))
    assert {weight.rpartition(".")[0] for weight in top} == {
        "top.encoder", "top.decoder", "top.blocks.0.attention.query",
        "top.blocks.0.attention.key", "top.blocks.0.attention.value", "top.blocks.0.output",
        "top.blocks.0.layer_norm",
    }
    layer = values_of(small_adapter(encoder, "top_layer"))
    assert {weight.removeprefix("top.") for weight in layer} == set(
        encoder.encoder_layers[0].named_weights()
    )


def test_every_slot_is_called_where_it_is_documented():
    encoder = small_encoder(num_layers=1)
    layer, calls = encoder.encoder_layers[0], {}

    def seen(name, change=lambda x: x):
        def slot(x, *_):
            calls[name] = tuple(x.shape)
            return change(x)

        return slot

    slots = Slots(
        after_attention=seen("after_attention"),
        after_feed_forward=seen("after_feed_forward"),
        beside_feed_forward=seen("beside_feed_forward", lambda x: x[:, :1] * 0),
        beside_layer=seen("beside_layer", lambda x: x[:, :1] * 0),
        scale=seen("scale"),
        projections={name: seen(name, lambda x: 0.0) for name in layer.projections},
    )
    x, mask = tf.random.stateless_normal((2, 5, 16), seed=(0, 0)), tf.zeros((2, 1, 1, 5))
    plain = layer(x, mask, first_token_only=True)
    np.testing.assert_array_equal(layer(x, mask, first_token_only=True, slots=slots), plain)
    one, every = (2, 1, 16), (2, 5, 16)
    assert calls == {
        "after_attention": one, "after_feed_forward": one, "beside_feed_forward": one,
        "beside_layer": every, "scale": one, "attention.query": one, "attention.key": every,
        "attention.value": every, "attention.output": one, "feed_forward.intermediate": one,
        "feed_forward.output": (2, 1, 24),
    }
