import numpy as np
import tensorflow as tf

from tfglue.training.clipping import clipping_scale, dense_gradient, global_norm

RANDOM = np.random.default_rng(0)


def test_scaling_equals_numpy():
    gradients = [RANDOM.normal(size=(5, 4)).astype(np.float32), RANDOM.normal(size=7)]
    gradients = [g.astype(np.float32) for g in gradients]
    norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients))
    found = global_norm([tf.constant(g) for g in gradients])
    assert np.isclose(found, norm, rtol=1e-5)
    assert np.isclose(clipping_scale(found, 0.5), 0.5 / norm, rtol=1e-5)


def test_small_gradients_and_limit_zero_change_nothing():
    assert clipping_scale(tf.constant(0.5), 1.0) == 1
    assert clipping_scale(tf.constant(5.0), 0) == 1


def test_rows_that_come_twice_are_summed_before_the_norm():
    table = tf.Variable(tf.zeros([4, 2]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table, [1, 1, 3]) * tf.constant([[1.0, 2], [3, 4], [5, 6]]))
    gradient = dense_gradient(tape.gradient(loss, table), table)
    assert np.array_equal(gradient, [[0, 0], [4, 6], [0, 0], [5, 6]])


def test_a_weight_that_the_loss_does_not_touch_gets_zeros():
    assert np.array_equal(dense_gradient(None, tf.Variable([1.0, 2.0])), [0, 0])
