"""Optimizers against NumPy, and the choice of weights that decay."""

import keras
import numpy as np
import pytest

from tfglue.training.optimizer import OPTIMIZERS as OPTIMIZER_RULES
from tfglue.training.optimizer import build_optimizer, decays
from tfglue.training.schedule import WarmupSchedule

NAMES = ("encoder.layers.0.attention.query.kernel", "encoder.layers.0.attention.query.bias",
         "encoder.embeddings.layer_norm.gamma", "encoder.embeddings.layer_norm.beta",
         "encoder.embeddings.word")
OPTIMIZERS = ("adamw", "adam_uncorrected", "adamax", "adamax_uncorrected", "radam", "sgd")
RATES = WarmupSchedule(0.01, 3, 20)
DECAY, EPSILON, B1, B2 = 0.1, 1e-6, 0.9, 0.999


def reference(name, start, gradients, decayed):
    w, m, v, u = start.astype(np.float64), 0.0, 0.0, 0.0
    for step, g in enumerate(gradients.astype(np.float64)):
        rate = 0.01 * (step / 3 if step < 3 else (20 - step) / 17)
        w = w * (1 - rate * DECAY * decayed)
        if name == "sgd":
            w = w - rate * g
            continue
        t = step + 1
        m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g * g
        if name.startswith("adamax"):
            u = np.maximum(B2 * u, abs(g) + EPSILON)
            corrected = m / (1 - B1**t) / u
            update = corrected if name == "adamax" else m / (u + EPSILON)
        elif name == "radam":
            update = rectified(m, v, t)
        elif name == "adamw":
            update = (m / (1 - B1**t)) / (np.sqrt(v / (1 - B2**t)) + EPSILON)
        else:
            update = m / (np.sqrt(v) + EPSILON)
        w = w - rate * update
    return w


def rectified(m, v, t):
    """RAdam as its authors' code writes it."""
    longest = 2 / (1 - B2) - 1
    length = longest - 2 * t * B2**t / (1 - B2**t)
    if length < 5:
        return m / (1 - B1**t)
    root = np.sqrt(
        (1 - B2**t) * (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    )
    return root / (1 - B1**t) * m / (np.sqrt(v) + EPSILON)


@pytest.mark.parametrize("scale", [1.0, 1e-5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_equal_numpy_and_only_matrices_decay(name, scale):
    random = np.random.default_rng(0)
    starts = [random.normal(size=(4, 3)).astype(np.float32) for _ in NAMES]
    # Gradients near epsilon show where epsilon is added.
    gradients = (scale * random.normal(size=(12, len(NAMES), 4, 3))).astype(np.float32)
    weights = {key: keras.Variable(w) for key, w in zip(NAMES, starts, strict=True)}
    optimizer = build_optimizer(name, RATES, weights, weight_decay=DECAY, epsilon=EPSILON)
    for step in range(12):
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients[step]],
                        list(weights.values()))
    for index, key in enumerate(NAMES):
        decayed = key.endswith(("kernel", "word"))
        expected = reference(name, starts[index], gradients[:, index], decayed)
        assert np.allclose(weights[key].numpy(), expected, atol=2e-6), key


def test_a_subset_of_the_weights_can_be_updated_and_the_rest_stays():
    weights = {key: keras.Variable(np.ones(3, np.float32)) for key in NAMES}
    optimizer = build_optimizer("adamw", RATES, weights, weight_decay=DECAY, epsilon=EPSILON)
    for _ in range(3):
        optimizer.apply([keras.ops.ones(3)], [weights[NAMES[0]]])
    assert not np.array_equal(weights[NAMES[0]].numpy(), np.ones(3))
    for key in NAMES[1:]:
        assert np.array_equal(weights[key].numpy(), np.ones(3))


def test_biases_and_layer_norms_do_not_decay():
    assert [decays(name) for name in NAMES] == [True, False, False, False, True]


def test_rectification_begins_with_the_sixth_update_and_ends_as_adam():
    rule = OPTIMIZER_RULES.get("radam")(EPSILON)
    one = keras.ops.ones((1,))
    for step in (1, 5, 6, 10_000):
        change, _ = rule(one, [one, one], 1.0, keras.ops.convert_to_tensor(float(step)))
        own = 1 / (1 - B1**step)
        if step > 5:
            own = rectified(np.ones(1), np.ones(1), step)[0]
        assert float(change[0]) == pytest.approx(own, rel=3e-4)
    assert float(change[0]) == pytest.approx(1, rel=1e-2)
