"""What every adapter in the registry promises."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.adapters.adapted_model import (
    BATCH,
    NAMES,
    PADDING_MASK,
    SEED,
    adapted_model,
    small_adapter,
    small_config,
    small_encoder,
    stirred,
    values_of,
)
from tfglue.adapters import EncoderShape, read_adapter
from tfglue.adapters.config import LayeredConfig
from tfglue.training.freezing import freeze
from tfglue.training.precision import precision

TOKENS = PADDING_MASK.astype(bool)
STARTS = {
    "identity": lambda change: change == 0,
    "near_identity": lambda change: 0 < change < 1e-3,
    "perturbed": lambda change: 0 < change < 0.5,
    "replaced": lambda change: change > 0.1,
}

every_adapter = pytest.mark.parametrize("name", NAMES)


def states_of(encoder, adapter, batch=BATCH, **options):
    return [np.array(s) for s in encoder(batch, adapter=adapter, **options)["hidden_states"]]


@every_adapter
def test_hidden_states_keep_shape_and_type_and_start_as_documented(name):
    encoder = small_encoder(initializer_range=0.02)
    adapter = small_adapter(encoder, name)
    plain, adapted = states_of(encoder, None), states_of(encoder, adapter)
    assert [s.shape for s in adapted] == [s.shape for s in plain]
    assert {s.dtype for s in adapted} == {np.dtype("float32")}
    change = max(np.abs(a - p)[TOKENS].max() for a, p in zip(adapted, plain, strict=True))
    assert STARTS[adapter.config.start](change), change


@every_adapter
def test_the_formula_counts_the_parameters_and_all_of_them_have_names(name):
    encoder = small_encoder(num_layers=3)
    shape = EncoderShape.of(encoder)
    chosen = [{}]
    if isinstance(small_config(name), LayeredConfig):
        chosen += [{"layers": "0+2"}]
    counts = []
    for settings in chosen:
        config = small_config(name, **settings)
        adapter = config.build(shape)
        weights = adapter.named_weights()
        assert {id(w) for w in weights.values()} == {id(w) for w in adapter.weights}
        counts.append(sum(math.prod(weight.shape) for weight in weights.values()))
        assert config.parameter_count(shape) == counts[-1]
        assert not any("layers.1." in weight for weight in weights) or not settings
    assert counts == sorted(counts, reverse=True) and len(set(counts)) == len(counts)


@every_adapter
def test_the_first_token_alone_is_the_same_as_among_all(name):
    encoder = small_encoder()
    adapter = stirred(small_adapter(encoder, name))
    whole = encoder(BATCH, adapter=adapter)
    alone = encoder(BATCH, adapter=adapter, pooled_only=True)
    assert set(alone) == {"pooled_output"}
    np.testing.assert_allclose(alone["pooled_output"], whole["pooled_output"], atol=1e-6)
    assert np.abs(whole["pooled_output"] - encoder(BATCH)["pooled_output"]).max() > 1e-2


@every_adapter
def test_padding_has_no_influence(name):
    encoder = small_encoder()
    adapter = stirred(small_adapter(encoder, name))
    other = BATCH | {"token_ids": np.where(TOKENS, BATCH["token_ids"], 7)}
    assert not np.array_equal(other["token_ids"], BATCH["token_ids"])
    for ours, theirs in zip(
        states_of(encoder, adapter), states_of(encoder, adapter, other), strict=True
    ):
        np.testing.assert_array_equal(ours[TOKENS], theirs[TOKENS])


@every_adapter
def test_dropout_is_on_exactly_when_a_seed_is_given_and_it_is_trained(name):
    encoder = small_encoder(dropout=0.3, attention_dropout=0.3)
    adapter = stirred(small_adapter(encoder, name))
    encoder.trainable = False  # What is left is the adapter's own dropout.
    plain = states_of(encoder, adapter)[-1]
    dropped = states_of(encoder, adapter, dropout_seed=SEED)[-1]
    np.testing.assert_array_equal(dropped, states_of(encoder, adapter, dropout_seed=SEED)[-1])
    dropouts = [p for p in adapter._flatten_layers() if getattr(p, "rate", 0)]
    assert np.array_equal(dropped, plain) == (not dropouts)
    adapter.trainable = False
    np.testing.assert_array_equal(states_of(encoder, adapter, dropout_seed=SEED)[-1], plain)


@every_adapter
def test_no_two_dropouts_share_a_site_and_fewer_layers_keep_theirs(name):
    encoder = small_encoder(num_layers=4)
    config = small_config(name, **({"dropout": 0.1} if name == "lora" else {}))

    def sites(config):
        adapter = small_adapter(encoder, config)
        return [p.site for p in adapter._flatten_layers() if hasattr(p, "site")]

    found = sites(config)
    assert len(set(found)) == len(found)
    assert all(site >= 2_000_000 for site in found)
    if isinstance(config, LayeredConfig) and found:
        fewer = sites(small_config(name, layers="3"))
        assert fewer and set(fewer) < set(found)


@every_adapter
def test_bfloat16_stays_near_float32_and_has_no_nan(name):
    model = adapted_model(name)
    stirred(model.adapters["nli"])
    exact = model.encoder(BATCH, adapter=model.adapters["nli"])
    with precision(model, "mixed_bfloat16"):
        half = model.encoder(BATCH, adapter=model.adapters["nli"])
        for part in model.adapters["nli"]._flatten_layers():
            norm = isinstance(part, keras.layers.LayerNormalization)
            assert part.compute_dtype == ("float32" if norm else "bfloat16")
        rows_of_padding = BATCH | {"padding_mask": np.zeros_like(PADDING_MASK)}
        masked = model.encoder(rows_of_padding, adapter=model.adapters["nli"])
    for ours, theirs in zip(half["hidden_states"], exact["hidden_states"], strict=True):
        assert ours.dtype == tf.float32
        np.testing.assert_allclose(ours[TOKENS], theirs[TOKENS], atol=0.15)
    difference = half["hidden_states"][-1] - exact["hidden_states"][-1]
    assert np.abs(difference).max() > 1e-4
    assert half["pooled_output"].dtype == tf.bfloat16
    assert np.isfinite(masked["hidden_states"][-1]).all()
    assert {weight.dtype for weight in model.adapters["nli"].weights} == {"float32"}
    again = model.encoder(BATCH, adapter=model.adapters["nli"])["pooled_output"]
    np.testing.assert_array_equal(again, exact["pooled_output"])


@every_adapter
def test_a_configuration_survives_text_keras_and_saving(name, tmp_path):
    model = adapted_model(name, dropout=0.1)
    for adapter in model.adapters.values():
        stirred(adapter)
        assert read_adapter(str(adapter.config)) == adapter.config
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for task in ("nli", "sim"):
        assert again.adapters[task].config == model.adapters[task].config
        for seed in (None, SEED):
            np.testing.assert_array_equal(
                again(BATCH, task=task, dropout_seed=seed),
                model(BATCH, task=task, dropout_seed=seed),
            )


@every_adapter
def test_each_layer_of_ours_survives_its_configuration(name):
    adapter = small_adapter(small_encoder(), name, dtype="mixed_bfloat16")
    ours = [part for part in adapter._flatten_layers() if "tfglue" in type(part).__module__]
    assert adapter in ours and len(ours) > 1
    for layer in ours:
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert copy.get_config() == layer.get_config()
        assert copy.dtype_policy == layer.dtype_policy
        if hasattr(layer, "named_weights"):
            assert [w.shape for w in copy.named_weights().values()] == [
                w.shape for w in layer.named_weights().values()
            ]


@every_adapter
def test_initial_weights_depend_on_seed_task_and_name_alone(name):
    adapter = small_adapter(small_encoder(), name)
    drawn = {}
    for task, seed in (("a", 0), ("b", 0), ("a", 1), ("a", 0)):
        stirred(adapter)
        keras.utils.set_random_seed(len(drawn))
        adapter.initialize(task, seed)
        values = values_of(adapter)
        if (task, seed) in drawn:
            for weight, value in drawn[task, seed].items():
                np.testing.assert_array_equal(values[weight], value)
        drawn[task, seed] = values
    stddev = adapter.config.initial_stddev(adapter.shape)
    for weight, value in drawn["a", 0].items():
        kind = weight.rpartition(".")[2]
        if kind in ("gamma", "beta", "bias", "amplitude"):
            assert np.all(value == (kind == "gamma"))
        elif weight.endswith(adapter.zero_at_start):
            assert not value.any()
        else:
            assert 0 < np.abs(value).max() <= 2 * stddev
            assert not np.allclose(value, drawn["b", 0][weight])
            assert not np.allclose(value, drawn["a", 1][weight])


@every_adapter
@pytest.mark.parametrize("setting", ["encoder", "encoder_except_norms"])
def test_freezing_the_encoder_leaves_adapters_and_heads_to_train(name, setting):
    model = adapted_model(name)
    freeze(model.encoder, setting)
    adapter = {f"adapters.sim.{weight}" for weight in model.adapters["sim"].named_weights()}
    head = {"heads.sim.dense.kernel", "heads.sim.dense.bias"}
    norms = {n for n in model.trained_weights() if n.startswith("encoder") and "layer_norm" in n}
    assert bool(norms) == (setting == "encoder_except_norms")
    assert adapter and set(model.trained_weights("sim")) == adapter | head | norms
