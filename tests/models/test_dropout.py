"""Dropout is a function of seed and site, and drops the share it should."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfglue.errors import UserError
from tfglue.models.dropout import Dropout

SEED = np.array([3, 4], np.int32)


def mask_of(rate=0.1, site=0, seed=SEED, shape=(64, 64), dtype="float32"):
    return np.array(tf.cast(Dropout(rate, site)(tf.ones(shape, dtype), seed=seed), "float32"))


def test_without_seed_or_rate_the_input_is_returned_as_it_is():
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_array_equal(Dropout(0.5, site=0)(x), x)
    np.testing.assert_array_equal(Dropout(0.0, site=0)(x, seed=SEED), x)


def test_the_mask_depends_on_seed_and_site_alone():
    first = mask_of(site=2)
    np.random.default_rng().random()
    keras.utils.set_random_seed(99)
    np.testing.assert_array_equal(first, mask_of(site=2))
    layer = Dropout(0.1, site=2)
    layer(tf.ones((3, 3)), seed=SEED)
    np.testing.assert_array_equal(first, layer(tf.ones((64, 64)), seed=SEED))
    assert not layer.variables


def test_eager_and_graph_draw_the_same_mask():
    layer = Dropout(0.3, site=5)
    graph = tf.function(lambda x, seed: layer(x, seed=seed))
    np.testing.assert_array_equal(graph(tf.ones((64, 64)), tf.constant(SEED)), mask_of(0.3, 5))


def test_masks_of_other_seeds_and_sites_are_independent():
    seeds = [(0, 0), (0, 1), (1, 0), (1, 1), (2**31 - 1, 0), (-(2**31), 7)]
    masks = [
        mask_of(0.5, site, np.array(seed, np.int32)).ravel() > 0
        for seed in seeds
        for site in (0, 1, 2, 37, 1_000_000)
    ]
    agreement = np.corrcoef(np.array(masks))
    np.fill_diagonal(agreement, 0)
    # 435 pairs of 4,096 coins: correlations have a standard deviation of 1/64.
    assert np.abs(agreement).max() < 5 / 64


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_share_of_zeros_is_the_rate_and_the_mean_is_kept(rate, dtype):
    mask = mask_of(rate, shape=(1000, 1000), dtype=dtype)
    # Four standard deviations of a million draws. Drawn in bfloat16 the share would be 0.1016.
    assert abs((mask == 0).mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / 1e6)
    kept = tf.cast(tf.constant(1 / (1 - rate), dtype), tf.float32).numpy()
    np.testing.assert_allclose(mask[mask > 0], kept, rtol=1e-6)


def test_bfloat16_input_keeps_its_mean():
    x = tf.cast(tf.random.stateless_uniform((1000, 1000), (1, 2), 0.5, 1.5), tf.bfloat16)
    dropped = Dropout(0.1, site=0)(x, seed=SEED)
    assert dropped.dtype == tf.bfloat16
    before, after = (float(tf.reduce_mean(tf.cast(v, tf.float64))) for v in (x, dropped))
    # The mask's own noise is 3.3e-4; a scale rounded to bfloat16 would shift the mean by 1.6e-3.
    assert abs(after / before - 1) < 1e-3


def test_gradients_pass_where_values_did():
    x = tf.Variable(tf.random.stateless_normal((50, 50), seed=(0, 0)))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(Dropout(0.3, site=5)(x, seed=SEED))
    np.testing.assert_allclose(tape.gradient(total, x), mask_of(0.3, 5, shape=(50, 50)), rtol=1e-6)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with pytest.raises(UserError, match="dropout rate"):
        Dropout(rate, site=0)


def test_config_round_trip():
    layer = Dropout(0.25, site=9, dtype="mixed_bfloat16")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (copy.rate, copy.site, copy.get_config()) == (0.25, 9, layer.get_config())
    np.testing.assert_array_equal(
        copy(tf.ones((9, 9)), seed=SEED), layer(tf.ones((9, 9)), seed=SEED)
    )
