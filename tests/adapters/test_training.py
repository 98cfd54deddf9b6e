"""Fifty steps with every adapter: what moves, what does not, and what comes back from a file."""

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tests.adapters.adapted_model import NAMES, adapted_model
from tests.training.small_model import small_features, small_step, values
from tfglue.data.batches import MODEL_INPUTS, padded_batch
from tfglue.errors import UserError
from tfglue.run_folder import RunFolder
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.freezing import freeze
from tfglue.training.seeds import dropout_seed
from tfglue.training.state import TrainingState

ROWS = np.arange(16)


AT_ONCE = ("pal", "lora")
"""Adapters whose fifty steps are no slow test."""


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[] if name in AT_ONCE else pytest.mark.slow)
            for name in NAMES],
)
def trained(request, tmp_path_factory):
    """A model after 50 steps of one of its two tasks, its weights before, and its run folder."""
    model = adapted_model(request.param, dropout=0.1)
    freeze(model.encoder, "encoder")
    step = small_step(model, "adamw", learning_rate=1e-2, weight_decay=0.01)
    # Momentum that moves the other task's weights as soon as they are updated at all.
    for name, weight in model.trained_weights().items():
        if ".sim." in name:
            momentum, _ = step.optimizer.slots_of(weight)
            momentum.assign(np.ones(momentum.shape))
    before = values(model)
    batch = padded_batch(small_features("nli"), ROWS)
    losses = [
        float(step("nli", [batch], 16, [dropout_seed(0, update, 0)])) for update in range(1, 51)
    ]
    folder = RunFolder(tmp_path_factory.mktemp(request.param))
    folder.save_weights(model)
    return model, before, losses, folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in AT_ONCE else pytest.mark.long) for name in NAMES],
)
def test_going_on_from_a_checkpoint_ends_with_the_same_weights(name, tmp_path):
    batch = padded_batch(small_features("nli"), ROWS)
    checkpoints = CheckpointFolder(tmp_path / "checkpoint")

    model = adapted_model(name, dropout=0.1)
    step = small_step(model, "adamw", learning_rate=1e-2, weight_decay=0.01)
    state = TrainingState(model.changing_weights(), step.optimizer, None)

    def train(updates):
        for update in updates:
            step("nli", [batch], 16, [dropout_seed(0, update, 0)])

    train(range(25))
    state.save(checkpoints)
    train(range(25, 50))
    whole = values(model)
    # What a checkpoint leaves out would stay as it is after fifty steps.
    assert state.restore(checkpoints)
    train(range(25, 50))
    after = values(model)
    for weight, value in whole.items():
        np.testing.assert_array_equal(after[weight], value, weight)


def inputs_of(task):
    batch = padded_batch(small_features(task), ROWS)
    return {name: batch[name] for name in MODEL_INPUTS}


def test_fifty_steps_learn_and_move_the_tasks_own_weights_alone(trained):
    model, before, losses, _ = trained
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    for name, value in values(model).items():
        own = name.startswith(("adapters.nli.", "heads.nli."))
        assert np.array_equal(before[name], value) != own, name


def test_loaded_from_its_files_it_predicts_the_same(trained):
    model, _, _, folder = trained
    again = adapted_model(model.adapters["nli"].config.name, dropout=0.1)
    folder.load_weights(again)
    for name, value in values(model).items():
        np.testing.assert_array_equal(again.named_weights()[name], value)
    for task in ("nli", "sim"):
        inputs = inputs_of(task)
        np.testing.assert_array_equal(again(inputs, task=task), model(inputs, task=task))


def test_a_tasks_adapter_is_a_file_of_its_own(trained):
    model, _, _, folder = trained
    for task, adapter in model.adapters.items():
        tensors = load_file(folder.path / "adapters" / f"{task}.safetensors")
        assert set(tensors) == set(adapter.named_weights())
    encoder = load_file(folder.path / "encoder.safetensors")
    assert set(encoder) == set(model.encoder.named_weights())


def test_gradients_reach_every_weight_of_a_reloaded_adapter(trained):
    model, _, _, folder = trained
    again = adapted_model(model.adapters["nli"].config.name)
    folder.load_weights(again)
    weights = again.adapters["nli"].named_weights()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.log_softmax(again(inputs_of("nli"), task="nli"))[:, 0])
    gradients = tape.gradient(loss, [weight.value for weight in weights.values()])
    for name, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, name
        assert name.endswith("key.bias") or np.abs(gradient).max() > 1e-6, name


def test_files_of_another_adapter_are_refused(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_weights(adapted_model("pal"))
    with pytest.raises(UserError, match=r"nli\.safetensors: \d+ tensors missing"):
        folder.load_weights(adapted_model("low_rank"))
