"""The compiled update: the optimizer's own, and one program for all that are alike."""

import gc
import weakref

import keras
import numpy as np
import pytest

from tests.training.test_optimizer import DECAY, EPSILON, NAMES, OPTIMIZERS, RATES, reference
from tfglue.training.compiled_update import CompiledUpdate, _program
from tfglue.training.optimizer import RuleOptimizer, build_optimizer


def made(name: str, seed: int, decay: float = DECAY):
    """Weights, their first values, and an update of them."""
    random = np.random.default_rng(seed)
    starts = {key: random.normal(size=(4, 3)).astype(np.float32) for key in NAMES}
    weights = {key: keras.Variable(value) for key, value in starts.items()}
    optimizer = build_optimizer(name, RATES, weights, weight_decay=decay, epsilon=EPSILON)
    return weights, starts, CompiledUpdate(optimizer, list(weights.values()))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_equal_numpy(name):
    for seed in (1, 2):  # The second has the program of the first.
        weights, starts, update = made(name, seed)
        gradients = np.random.default_rng(9).normal(size=(12, len(NAMES), 4, 3)).astype(np.float32)
        for step in gradients:
            update([keras.ops.convert_to_tensor(g) for g in step], keras.ops.convert_to_tensor(0.5))
        assert int(update.optimizer.iterations) == 12
        for index, key in enumerate(NAMES):
            decayed = key.endswith(("kernel", "word"))
            expected = reference(name, starts[key], 0.5 * gradients[:, index], decayed)
            assert np.allclose(weights[key].numpy(), expected, atol=2e-6), key


def test_those_that_are_alike_share_one_program_that_keeps_no_weights():
    decay, ones = 0.123, keras.ops.ones((4, 3))
    left = []
    for seed in (1, 2, 3):
        weights, _, update = made("adamw", seed, decay)
        update([ones] * len(NAMES), keras.ops.ones(()))
        left += [weakref.ref(weight.value) for weight in weights.values()]
        left += [weakref.ref(slot.value) for w in weights.values()
                 for slot in update.optimizer.slots_of(w)]
        decays = tuple(decay * key.endswith(("kernel", "word")) for key in NAMES)
        program = _program(update.optimizer.rule, decays)
        assert program.experimental_get_tracing_count() == 1
        del weights, update
    gc.collect()
    assert not [ref for ref in left if ref() is not None]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_is_made_again_from_its_config(name):
    _, _, update = made(name, 1)
    again = RuleOptimizer.from_config(update.optimizer.get_config())
    assert again.rule == update.optimizer.rule and again.weight_decay == DECAY
    assert float(again.learning_rate) == float(update.optimizer.learning_rate)
