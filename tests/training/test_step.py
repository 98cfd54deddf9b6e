"""The update: counts, accumulation, clipping, and which weights move."""

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_model import small_features, small_model, small_step, values
from tfglue.data.batches import Padding, padded_batch
from tfglue.training.seeds import dropout_seed

SEED = dropout_seed(0, 0, 0)


def batches_of(features, *groups):
    return [padded_batch(features, np.array(list(group))) for group in groups]


def inputs_of(batch):
    return {name: batch[name] for name in ("token_ids", "segment_ids", "padding_mask")}


def update(step, task, batches, seed=SEED):
    """Does an update; returns the summed loss and the number of examples."""
    examples = sum(len(batch["labels"]) for batch in batches)
    return float(step(task, batches, examples, [seed] * len(batches))), examples


def difference(left, right):
    return max(np.abs(left[name] - right[name]).max() for name in left)


@pytest.mark.parametrize(
    ("optimizer", "clip_norm"),
    [("adamw", 0.3), pytest.param("sgd", 0.3, marks=pytest.mark.slow),
     pytest.param("sgd", 0, marks=pytest.mark.slow)],
)
def test_accumulation_over_uneven_passes_equals_one_pass(optimizer, clip_norm):
    features = small_features()
    whole, parts = small_model(), small_model()
    one = small_step(whole, optimizer, clip_norm)
    many = small_step(parts, optimizer, clip_norm)
    for _ in range(3):
        loss, _ = update(one, "nli", batches_of(features, range(17)))
        parts_loss, _ = update(many, "nli", batches_of(features, range(8), range(8, 16), [16]))
        assert loss == pytest.approx(parts_loss, rel=1e-5)
    assert difference(values(whole), values(parts)) < 1e-5


def test_the_update_is_the_gradient_of_the_mean_loss():
    model, features = small_model(), small_features()
    (batch,) = batches_of(features, range(9))
    before = values(model)
    weights = {name: weight.value for name, weight in model.trained_weights("nli").items()}
    with tf.GradientTape() as tape:
        logits = model(inputs_of(batch), task="nli")
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(batch["labels"], logits)
        )
    gradients = dict(zip(weights, tape.gradient(loss, list(weights.values())), strict=True))
    summed, examples = update(small_step(model, clip_norm=0), "nli", [batch])
    assert summed / examples == pytest.approx(float(loss), rel=1e-5)
    after = values(model)
    for name, gradient in gradients.items():
        expected = before[name] - 0.05 * tf.convert_to_tensor(gradient).numpy()
        assert np.allclose(after[name], expected, atol=1e-6), name


@pytest.mark.slow
def test_the_loss_of_a_task_counts_as_often_as_its_weight_says():
    features = small_features()
    before = values(small_model())
    moved = {}
    for weight in (1.0, 2.5):
        model = small_model()
        step = small_step(model, clip_norm=0, loss_weights={"nli": weight, "sim": 9.0})
        update(step, "nli", batches_of(features, range(9)))
        moved[weight] = {name: value - before[name] for name, value in values(model).items()}
    for name, difference_of_one in moved[1.0].items():
        assert np.allclose(moved[2.5][name], 2.5 * difference_of_one, atol=1e-6), name
    assert any(np.abs(value).max() > 1e-4 for value in moved[1.0].values())


@pytest.mark.slow
def test_weights_of_other_tasks_do_not_move_even_with_momentum_and_decay():
    model = small_model()
    step = small_step(model, "adamw", weight_decay=0.1)
    nli, sim = small_features(), small_features("sim")
    update(step, "sim", batches_of(sim, range(8)))
    before = values(model)
    for _ in range(3):
        update(step, "nli", batches_of(nli, range(8)))
    after = values(model)
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert not any(name.startswith("heads.sim") for name in moved)
    assert any(name.startswith("heads.nli") for name in moved)
    assert any(name.startswith("encoder") for name in moved)


@pytest.mark.slow
def test_dropout_depends_on_the_seed_alone():
    features = small_features()
    results = []
    for seed in (dropout_seed(0, 5, 0), dropout_seed(0, 5, 0), dropout_seed(0, 6, 0)):
        model = small_model(dropout=0.2)
        update(small_step(model), "nli", batches_of(features, range(16)), seed)
        results.append(values(model))
    assert difference(results[0], results[1]) == 0
    assert difference(results[0], results[2]) > 1e-4


@pytest.mark.slow
def test_bfloat16_training_follows_float32_closely_and_keeps_float32_variables():
    features = small_features()
    exact, half = small_model(), small_model()
    steps = small_step(exact), small_step(half, precision="mixed_bfloat16")
    for _ in range(5):
        losses = [update(s, "nli", batches_of(features, range(16)))[0] for s in steps]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert 0 < difference(values(exact), values(half)) < 0.02
    assert all(value.dtype == np.float32 for value in values(half).values())
    inputs = inputs_of(batches_of(features, range(4))[0])
    assert half(inputs, task="nli").dtype == "float32"
    assert half.encoder(inputs)["pooled_output"].dtype == "float32"


def test_rows_that_only_pad_a_batch_change_nothing():
    features, rows = small_features(), np.arange(5)
    exact, padded = small_model(), small_model()
    batch = padded_batch(features, rows)
    wide = padded_batch(features, rows, Padding(row_multiple=8, lengths=(16, 24)))
    assert wide["token_ids"].shape == (8, 24) and batch["token_ids"].shape[0] == 5
    losses = [
        float(small_step(model)("nli", [made], 5, [SEED]))
        for model, made in ((exact, batch), (padded, wide))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert difference(values(exact), values(padded)) < 1e-6
