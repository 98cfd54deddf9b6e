"""Smoothing: the perturbation beside a NumPy reference, its bound, and what the term adds."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from tests.reference.numpy_bert import bert_encoder
from tests.training.small_model import (
    TASK_KINDS,
    small_features,
    small_model,
    small_step,
    values,
)
from tfglue.data.batches import padded_batch
from tfglue.errors import UserError
from tfglue.training.adversarial import Smoothing
from tfglue.training.loss_term import ForwardPass
from tfglue.training.seeds import dropout_seed
from tfglue.training.smart_config import read_smart

SEED = dropout_seed(0, 0, 0)


def term(text, *tasks):
    return Smoothing(read_smart(text), tasks or ("nli", "sim"))


def passed(model, task="nli", rows=4, seed=SEED):
    batch = padded_batch(small_features(task), np.arange(rows))
    return ForwardPass(model, task, TASK_KINDS[task], batch, tf.constant(seed))


def reference_logits(weights, batch, delta, task):
    """What the model answers in NumPy, `delta` being added to the word embeddings."""
    encoder = {
        name.removeprefix("encoder."): value.astype(np.float64)
        for name, value in weights.items() if name.startswith("encoder.")
    }
    token_ids = batch["token_ids"].numpy()
    words = encoder["embeddings.word"][token_ids] + delta
    encoder["embeddings.word"] = words.reshape(-1, words.shape[-1])
    places = np.arange(token_ids.size).reshape(token_ids.shape)
    _, pooled = bert_encoder(
        encoder, places, batch["segment_ids"].numpy(), batch["padding_mask"].numpy(), 2, 2
    )
    head = f"heads.{task}.dense"
    return pooled @ weights[f"{head}.kernel"] + weights[f"{head}.bias"]


def reference_divergence(name, first, second):
    if name == "squared_error":
        return ((first - second) ** 2)[:, 0]
    p, q = (np.exp(log_softmax(one, axis=-1)) for one in (first, second))
    m = (p + q) / 2
    return {
        "symmetric_kl": (p * np.log(p / q) + q * np.log(q / p)).sum(-1),
        "kl": (p * np.log(p / q)).sum(-1),
        "jensen_shannon": ((p * np.log(p / m) + q * np.log(q / m)) / 2).sum(-1),
    }[name]


def reference_norm(text, delta):
    axes = -1 if "per=row" not in text else (1, 2)
    if text.startswith("inf"):
        return np.abs(delta).max(axis=axes, keepdims=True)
    return np.sqrt((delta**2).sum(axis=axes, keepdims=True))


CASES = [
    ("nli", "inf:bound=0.08,noise=0.05,step=0.1", "symmetric_kl"),
    pytest.param("nli", "inf:bound=0.08,noise=0.05,step=0.1,per=row,divergence=jensen_shannon",
                 "jensen_shannon", marks=pytest.mark.slow),
    pytest.param("nli", "l2:bound=0.3,noise=0.05,step=0.2,divergence=kl", "kl",
                 marks=pytest.mark.slow),
    ("sim", "l2:bound=0.5,noise=0.05,step=0.4,per=row", "squared_error"),
]


@pytest.mark.parametrize(("task", "text", "divergence"), CASES)
def test_the_perturbation_and_the_loss_are_those_of_the_paper(task, text, divergence):
    model, smoothing = small_model(), term(text)
    forward = passed(model, task, rows=2)
    batch, weights = forward.batch, values(model)
    mask = batch["padding_mask"].numpy()[:, :, None]

    def project(delta):
        norm = np.maximum(reference_norm(text, delta), 1e-30)
        if text.startswith("inf"):
            return np.clip(delta, -smoothing.config.bound, smoothing.config.bound)
        return delta * np.minimum(1, smoothing.config.bound / norm)

    def distance(delta):
        logits = reference_logits(weights, batch, delta, task)
        return reference_divergence(divergence, clean, logits)

    clean = reference_logits(weights, batch, 0.0, task)
    start = project(smoothing._noise(forward).numpy().astype(np.float64) * mask)
    gradient = np.zeros_like(start)
    for place in zip(*np.nonzero(np.broadcast_to(mask, start.shape)), strict=True):
        shift = np.zeros_like(start)
        shift[place] = 1e-5
        change = distance(start + shift)[place[0]] - distance(start - shift)[place[0]]
        gradient[place] = change / 2e-5
    norm = reference_norm(text, gradient)
    direction = np.divide(gradient, norm, out=np.zeros_like(gradient), where=norm > 0)
    expected = project(start + smoothing.config.step * direction)

    found = smoothing.perturbation(forward).numpy()
    assert np.abs(found - expected).max() < 2e-3 * smoothing.config.bound
    assert smoothing(forward).numpy() == pytest.approx(distance(expected), rel=5e-3)


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("per", ["token", "row"])
@pytest.mark.parametrize("norm", ["inf", "l2"])
def test_perturbations_lie_in_the_ball_and_padding_has_none(norm, per, steps):
    text = f"{norm}:bound=0.05,step=0.04,noise=0.3,per={per},steps={steps}"
    forward = passed(small_model(dropout=0.1), rows=9)
    delta = term(text).perturbation(forward).numpy()
    norms = reference_norm(text, delta)
    assert norms.max() <= 0.05 * (1 + 1e-6)
    assert norms.max() > 0.049  # Noise as large as this is cut, not made smaller.
    padding = forward.batch["padding_mask"].numpy() == 0
    assert padding.any() and not delta[padding].any()


def test_a_step_makes_answers_differ_more_than_noise_does():
    forward = passed(small_model(), rows=16)
    settings = "bound=0.05,step=0.05,noise=0.01"
    still, moved = (
        term(f"l2:{settings},steps={steps}")(forward).numpy() for steps in (0, 1)
    )
    assert np.all(moved > still)


def test_the_same_seed_gives_the_same_perturbation_and_another_one_another():
    model = small_model(dropout=0.1)
    one, same, other = (
        term("inf").perturbation(passed(model, seed=dropout_seed(0, update, 0))).numpy()
        for update in (3, 3, 4)
    )
    assert np.array_equal(one, same) and not np.allclose(one, other)


def test_with_the_same_dropout_masks_the_divergence_is_of_the_perturbation_alone():
    forward = passed(small_model(dropout=0.3), rows=8)
    tiny = "bound=1e-6,step=1e-6,noise=1e-6"
    assert term(f"inf:{tiny}")(forward).numpy().max() < 1e-8
    assert term(f"inf:{tiny},dropout=own")(forward).numpy().min() > 1e-4


@pytest.mark.parametrize("task", ["nli", pytest.param("sim", marks=pytest.mark.slow)])
def test_the_update_is_the_gradient_of_loss_and_term_with_the_perturbation_held_fixed(task):
    smoothing = term("l2:weight=3,bound=0.5,step=0.5,noise=0.05")
    model = small_model()
    forward = passed(model, task, rows=9)
    delta = smoothing.perturbation(forward)
    weights = {name: weight.value for name, weight in model.trained_weights(task).items()}
    before = values(model)
    inputs = {n: forward.batch[n] for n in ("token_ids", "segment_ids", "padding_mask")}
    with tf.GradientTape() as tape:
        clean = model(inputs, task=task)
        other = model(inputs, task=task, perturb_words=lambda words: words + delta)
        if task == "nli":
            own = tf.nn.sparse_softmax_cross_entropy_with_logits(forward.batch["labels"], clean)
            p, q = tf.nn.softmax(clean), tf.nn.softmax(other)
            apart = tf.reduce_sum((p - q) * (tf.math.log(p) - tf.math.log(q)), -1)
        else:
            own = tf.square(clean[:, 0] - forward.batch["labels"])
            apart = tf.square(clean - other)[:, 0]
        total = tf.reduce_sum(own + 3 * apart)
    gradients = dict(zip(weights, tape.gradient(total, list(weights.values())), strict=True))
    step = small_step(model, clip_norm=0, terms=[smoothing])
    summed = step(task, [forward.batch], 9, [SEED])
    assert float(summed) == pytest.approx(float(total), rel=1e-4)
    parts = {name: float(value) for name, value in step.term_losses.items()}
    assert parts == {"smoothing": pytest.approx(float(3 * tf.reduce_sum(apart)), rel=1e-3)}
    assert parts["smoothing"] > 1e-3
    after = values(model)
    for name, gradient in gradients.items():
        expected = before[name] - 0.05 / 9 * tf.convert_to_tensor(gradient).numpy()
        assert np.allclose(after[name], expected, atol=2e-6), name


@pytest.mark.slow
def test_the_term_is_part_of_every_pass_of_an_accumulated_update():
    features, smoothing = small_features(), term("inf:bound=0.1,step=0.1,noise=0.05")
    batches = [padded_batch(features, rows) for rows in (np.arange(8), np.arange(8, 11))]
    seeds = [dropout_seed(0, 0, i) for i in range(2)]
    alone = []
    for batch, seed in zip(batches, seeds, strict=True):
        step = small_step(small_model(), terms=[smoothing])
        alone.append((float(step("nli", [batch], 8, [seed])), step.term_losses["smoothing"]))
    step = small_step(small_model(), terms=[smoothing])
    both = float(step("nli", batches, 11, seeds))
    assert both == pytest.approx(sum(loss for loss, _ in alone), rel=1e-5)
    term_sum = sum(float(part) for _, part in alone)
    assert float(step.term_losses["smoothing"]) == pytest.approx(term_sum, rel=1e-4)


@pytest.mark.slow
def test_a_task_that_was_not_named_trains_as_if_there_were_no_term():
    results = []
    for terms in ([], [term("inf", "sim")]):
        model = small_model(dropout=0.1)
        step = small_step(model, "adamw", terms=terms)
        step("nli", [padded_batch(small_features(), np.arange(16))], 16, [SEED])
        assert step.term_losses == {}
        results.append(values(model))
    assert all(np.array_equal(results[0][name], results[1][name]) for name in results[0])


@pytest.mark.slow
def test_bfloat16_smoothing_follows_float32():
    found = []
    for precision in ("float32", "mixed_bfloat16"):
        model = small_model()
        step = small_step(
            model, precision=precision, terms=[term("l2:bound=1,step=1,noise=0.1")]
        )
        step("nli", [padded_batch(small_features(), np.arange(16))], 16, [SEED])
        found.append(float(step.term_losses["smoothing"]))
    assert found[1] == pytest.approx(found[0], rel=0.15)


@pytest.mark.parametrize(
    ("text", "message"),
    [("l3", "norm of --smart 'l3'.*did you mean"), ("inf:bond=1", "did you mean 'bound'"),
     ("inf:bound=0", "bound: must be above 0"), ("l2:per=word", "expected one of: token, row"),
     ("inf:divergence=js", "expected one of: symmetric_kl")],
)
def test_settings_out_of_place_are_said(text, message):
    with pytest.raises(UserError, match=message):
        read_smart(text)


def test_none_is_no_smoothing():
    assert read_smart("none") is None and read_smart(None) is None
