"""BertLayer equals a NumPy reference and keeps its contract under every dtype."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.reference.numpy_bert import bert_layer
from tfglue.errors import UserError
from tfglue.models.activation import ACTIVATIONS, get_activation
from tfglue.models.initialization import initialize_weights
from tfglue.models.layer import BertLayer

PADDING_MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]])


def make_layer(**options):
    layer = BertLayer(num_heads=4, hidden_dim=16, intermediate_dim=24, **options)
    generator = np.random.default_rng(1)
    for variable in layer.named_weights().values():
        variable.assign(generator.normal(0.3, 0.5, variable.shape))
    return layer


def make_inputs(dtype="float32"):
    x = np.random.default_rng(2).normal(size=(3, 6, 16)).astype("float32")
    return tf.cast(x, dtype), tf.cast((1 - PADDING_MASK[:, None, None, :]) * -1e9, dtype)


def arrays_of(layer):
    return {n: v.value.numpy().astype(np.float64) for n, v in layer.named_weights().items()}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_output_equals_the_numpy_reference(dtype, tolerance):
    layer = make_layer(dtype=dtype)
    x, mask = make_inputs(dtype)
    expected = bert_layer(arrays_of(layer), np.array(x, np.float64), PADDING_MASK, num_heads=4)
    np.testing.assert_allclose(layer(x, mask), expected, rtol=0, atol=tolerance)


def test_bfloat16_stays_near_the_reference_and_has_no_nan_in_wholly_masked_rows():
    layer = make_layer(dtype="mixed_bfloat16")
    x, _ = make_inputs("float32")
    _, mask = make_inputs("bfloat16")
    expected = bert_layer(arrays_of(layer), np.array(x, np.float64), PADDING_MASK, num_heads=4)
    outputs = layer(x, mask)
    assert outputs.dtype == tf.float32
    assert {variable.dtype for variable in layer.variables} == {"float32"}
    np.testing.assert_allclose(tf.cast(outputs, "float64"), expected, atol=0.1)
    assert np.isfinite(tf.cast(layer(x, tf.ones_like(mask) * -1e9), "float32")).all()


def test_padding_does_not_reach_tokens():
    layer = make_layer()
    x, mask = make_inputs()
    changed = tf.where(tf.cast(PADDING_MASK[..., None], bool), x, 100.0)
    tokens = PADDING_MASK.astype(bool)
    before, after = np.array(layer(x, mask)), np.array(layer(changed, mask))
    np.testing.assert_array_equal(before[tokens], after[tokens])
    assert not np.allclose(before[~tokens], after[~tokens])


def test_each_dropout_has_a_site_of_its_own_and_acts():
    x, mask = make_inputs()
    seed = np.array([1, 2], np.int32)
    layer = make_layer(first_dropout_site=7)
    assert [
        layer.probabilities_dropout.site,
        layer.attention_output_dropout.site,
        layer.feed_forward_dropout.site,
    ] == [7, 8, 9]
    plain = make_layer(dropout=0.0, attention_dropout=0.0)
    np.testing.assert_array_equal(plain(x, mask, dropout_seed=seed), plain(x, mask))
    for rates in ({"attention_dropout": 0.0}, {"dropout": 0.0}):
        layer = make_layer(**rates)
        np.testing.assert_array_equal(layer(x, mask), plain(x, mask))
        dropped = layer(x, mask, dropout_seed=seed)
        np.testing.assert_array_equal(dropped, layer(x, mask, dropout_seed=seed))
        assert not np.allclose(dropped, plain(x, mask))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_those_of_transformers(name):
    activations = pytest.importorskip("transformers.activations")
    torch = pytest.importorskip("torch")
    x = np.linspace(-6, 6, 200, dtype=np.float32)
    name_there = "gelu_pytorch_tanh" if name == "gelu_tanh" else name
    expected = activations.ACT2FN[name_there](torch.tensor(x)).numpy()
    np.testing.assert_allclose(get_activation(name)(x), expected, atol=1e-6)


def test_mistakes_are_named():
    with pytest.raises(UserError, match="did you mean 'gelu'"):
        BertLayer(2, 8, 8, activation="gelo")
    with pytest.raises(UserError, match="not a multiple"):
        BertLayer(3, 8, 8)


def test_saved_in_a_model_it_loads_as_it_was(tmp_path):
    layer = make_layer(activation="gelu_new", dropout=0.2, first_dropout_site=4)
    hidden_states = keras.Input((None, 16))
    mask = keras.Input((1, 1, None))
    model = keras.Model([hidden_states, mask], layer(hidden_states, mask))
    model.save(tmp_path / "layer.keras")
    loaded = keras.models.load_model(tmp_path / "layer.keras")
    inputs = list(make_inputs())
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    assert loaded.layers[-1].get_config() == layer.get_config()


def test_initial_weights_depend_on_seed_and_name_alone():
    named_weights = {
        "a.kernel": keras.Variable(np.full((200, 100), 9.0)),
        "b.kernel": keras.Variable(np.full((200, 100), 9.0)),
        "b.bias": keras.Variable(np.full(3, 9.0)),
        "norm.beta": keras.Variable(np.full(3, 9.0)),
        "norm.gamma": keras.Variable(np.full(3, 9.0)),
    }
    initialize_weights(named_weights, stddev=0.02, seed=5)
    first = {name: variable.value.numpy() for name, variable in named_weights.items()}
    np.testing.assert_array_equal(first["b.bias"], np.zeros(3))
    np.testing.assert_array_equal(first["norm.beta"], np.zeros(3))
    np.testing.assert_array_equal(first["norm.gamma"], np.ones(3))
    # A normal distribution cut at two standard deviations has 0.8796 of its deviation left.
    assert abs(first["a.kernel"].std() / (0.02 * 0.8796) - 1) < 0.02
    assert np.abs(first["a.kernel"]).max() <= 0.04
    assert abs(np.corrcoef(first["a.kernel"].ravel(), first["b.kernel"].ravel())[0, 1]) < 0.03

    keras.utils.set_random_seed(1)
    initialize_weights(dict(reversed(named_weights.items())), stddev=0.02, seed=5)
    for name, variable in named_weights.items():
        np.testing.assert_array_equal(variable.value, first[name])
    initialize_weights(named_weights, stddev=0.02, seed=6)
    assert not np.allclose(named_weights["a.kernel"].value, first["a.kernel"])
