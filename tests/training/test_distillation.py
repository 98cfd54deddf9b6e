"""Soft targets and hidden states: the terms beside NumPy references, and where they vanish."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from tests.training.small_model import (
    TASK_KINDS,
    small_features,
    small_model,
    small_step,
    values,
)
from tfglue.data.batches import padded_batch
from tfglue.training.distillation import SOFT_TARGETS, Distillation
from tfglue.training.divergence import jensen_shannon, kl, symmetric_kl
from tfglue.training.hidden_matching import TEACHER_STATES, HiddenMatching, matched_layers
from tfglue.training.loss_term import ForwardPass
from tfglue.training.prediction import Predictor
from tfglue.training.seeds import dropout_seed

SEED = dropout_seed(0, 0, 0)


def taught(features, **targets):
    return replace(features, targets=targets)


def answers_of(model, task, features):
    logits = Predictor(model, TASK_KINDS).outputs(task, features).logits.astype(np.float64)
    return (softmax(logits, axis=-1) if task == "nli" else logits).astype(np.float32)


def random_targets(task, rows=37):
    random = np.random.default_rng(5)
    if task == "nli":
        return softmax(2 * random.standard_normal((rows, 3)), axis=-1).astype(np.float32)
    return random.uniform(0, 5, (rows, 1)).astype(np.float32)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("task", ["nli", "sim"])
def test_the_term_is_that_of_the_paper(task, temperature):
    model, soft = small_model(), random_targets(task)
    batch = padded_batch(taught(small_features(task), soft_targets=soft), np.arange(11))
    forward = ForwardPass(model, task, TASK_KINDS[task], batch, tf.constant(SEED))
    z, q = forward.logits.numpy().astype(np.float64), soft[:11].astype(np.float64)
    if task == "nli":
        q = q ** (1 / temperature)
        q /= q.sum(-1, keepdims=True)
        student = log_softmax(z / temperature, axis=-1)
        expected = temperature**2 * (q * (np.log(q) - student)).sum(-1)
    else:
        expected = (z - q)[:, 0] ** 2
    found = Distillation(0.7, temperature, [task])(forward).numpy()
    assert np.allclose(found, 0.7 * expected, rtol=1e-4, atol=1e-6)
    assert found.max() > 0.01


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("task", ["nli", "sim"])
def test_a_student_equal_to_its_teacher_has_no_distillation_gradient(task, temperature):
    model, features = small_model(), small_features(task)
    features = taught(features, soft_targets=answers_of(model, task, features))
    batch = padded_batch(features, np.arange(37))
    weights = [weight.value for weight in model.trained_weights(task).values()]
    term = Distillation(1.0, temperature, [task])
    norms = []
    for moved in (False, True):
        if moved:
            weights[0].assign_add(0.05 * tf.random.stateless_normal(weights[0].shape, [1, 2]))
        with tf.GradientTape() as tape:
            forward = ForwardPass(model, task, TASK_KINDS[task], batch, tf.constant([0, 0]))
            loss = tf.reduce_sum(term(forward))
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)]
        norms.append((float(loss), float(tf.linalg.global_norm(gradients))))
    assert abs(norms[0][0]) < 1e-4 and norms[0][1] < 1e-4
    assert norms[1][1] > 100 * norms[0][1] and norms[1][0] > 1e-3


def test_certain_teachers_and_zero_probabilities_give_finite_losses():
    soft = np.eye(3, dtype=np.float32)[np.zeros(37, np.int32)]
    batch = padded_batch(taught(small_features(), soft_targets=soft), np.arange(8))
    forward = ForwardPass(small_model(), "nli", TASK_KINDS["nli"], batch, tf.constant(SEED))
    expected = -log_softmax(forward.logits.numpy().astype(np.float64), axis=-1)[:, 0]
    assert np.allclose(Distillation(1.0, 1.0, ["nli"])(forward), expected, rtol=1e-4)
    assert np.all(np.isfinite(Distillation(1.0, 2.0, ["nli"])(forward)))


def test_the_loss_is_that_of_the_labels_and_the_weighted_term():
    features = taught(small_features(), soft_targets=random_targets("nli"))
    batch = padded_batch(features, np.arange(12))
    plain = small_step(small_model())
    without = float(plain("nli", [batch], 12, [SEED]))
    step = small_step(small_model(), terms=[Distillation(2.0, 1.5, ["nli"])])
    whole = float(step("nli", [batch], 12, [SEED]))
    part = float(step.term_losses["distillation"])
    assert part > 0.1 and whole == pytest.approx(without + part, rel=1e-5)


@pytest.mark.slow
def test_rows_that_only_pad_a_batch_teach_nothing_and_passes_add_up():
    features = taught(small_features(), soft_targets=random_targets("nli"))
    found = []
    for cuts in ([np.arange(11)], [np.arange(5), np.arange(5, 11)]):
        model = small_model()
        step = small_step(model, terms=[Distillation(1.0, 2.0, ["nli"])])
        batches = [padded_batch(features, rows) for rows in cuts]
        step("nli", batches, 11, [SEED] * len(batches))
        found.append(values(model))
    assert all(np.allclose(found[0][n], found[1][n], atol=1e-6) for n in found[0])


def test_hidden_matching_is_the_distance_of_states_made_of_length_one():
    model, features = small_model(num_layers=2), small_features()
    random = np.random.default_rng(2)
    others = random.standard_normal((37, 2, 16)).astype(np.float32)
    batch = padded_batch(taught(features, teacher_states=others), np.arange(9))
    forward = ForwardPass(
        model, "nli", TASK_KINDS["nli"], batch, tf.constant(SEED), with_states=True
    )
    inputs = {n: batch[n] for n in ("token_ids", "segment_ids", "padding_mask")}
    states = model.encoder(inputs)["hidden_states"]
    own = np.stack([state.numpy()[:, 0] for state in states[1:]], axis=1)
    own /= np.linalg.norm(own, axis=-1, keepdims=True)
    theirs = others[:9] / np.linalg.norm(others[:9], axis=-1, keepdims=True)
    expected = 0.5 * ((own - theirs) ** 2).sum(-1).mean(-1)
    assert np.allclose(HiddenMatching(0.5, ["nli"])(forward), expected, rtol=1e-4)


def test_a_student_equal_to_its_teacher_has_its_states():
    model, features = small_model(dropout=0.0), small_features()
    states = Predictor(model, TASK_KINDS, 8).first_token_states("nli", features, [1, 2])
    features = taught(features, teacher_states=states, soft_targets=random_targets("nli"))
    step = small_step(model, terms=[HiddenMatching(1.0, ["nli"])])
    step("nli", [padded_batch(features, np.arange(9))], 9, [SEED])
    assert abs(float(step.term_losses["hidden"])) < 1e-6


@pytest.mark.parametrize(
    ("student", "teacher", "layers"),
    [(2, 6, (3, 6)), (3, 6, (2, 4, 6)), (6, 6, (1, 2, 3, 4, 5, 6)), (4, 2, (1, 1, 1, 2))],
)
def test_layers_are_matched_evenly(student, teacher, layers):
    assert matched_layers(student, teacher) == layers


def test_targets_follow_their_rows():
    features = taught(small_features(), **{SOFT_TARGETS: random_targets("nli")})
    rows = np.array([7, 3, 30])
    batch = padded_batch(features, rows)
    assert np.array_equal(batch[SOFT_TARGETS], features.targets[SOFT_TARGETS][rows])
    assert np.array_equal(
        features.take(rows).targets[SOFT_TARGETS], features.targets[SOFT_TARGETS][rows]
    )
    assert len(features.rows(5, 9).targets[SOFT_TARGETS]) == 4
    assert TEACHER_STATES not in batch


def test_divergences_are_those_of_probabilities():
    random = np.random.default_rng(0)
    first, second = random.standard_normal((2, 20, 4)) * 3
    p, q = softmax(first, axis=-1), softmax(second, axis=-1)
    m = (p + q) / 2

    def divergence(a, b):
        return (a * np.log(a / b)).sum(-1)

    both = [tf.constant(one, tf.float32) for one in (first, second)]
    assert np.allclose(kl(*both), divergence(p, q), rtol=1e-4)
    assert np.allclose(symmetric_kl(*both), divergence(p, q) + divergence(q, p), rtol=1e-4)
    expected = (divergence(p, m) + divergence(q, m)) / 2
    assert np.allclose(jensen_shannon(*both), expected, rtol=1e-3)
    furthest = jensen_shannon(tf.eye(2) * 99, tf.eye(2)[::-1] * 99)
    assert np.allclose(furthest, np.log(2))
