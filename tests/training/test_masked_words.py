"""Masked words beside a task: the term by itself, and what of the task it leaves alone."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_model import (
    TASK_KINDS,
    small_features,
    small_model,
    small_step,
    values,
)
from tfglue.data.batches import masked_inputs, padded_batch
from tfglue.data.masking import Masking
from tfglue.models.initialization import initialize_weights
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel
from tfglue.training.loss_term import ForwardPass
from tfglue.training.masked_words import MaskedWords
from tfglue.training.prediction import Predictor
from tfglue.training.seeds import dropout_seed

SEED = dropout_seed(0, 0, 0)


def with_language_model(dropout=0.0) -> TransferModel:
    """The small model with a language model of the same first weights."""
    plain = small_model(dropout)
    head = MaskedHead.of(plain.encoder)
    initialize_weights(head.named_weights(), 0.2, 3)
    return TransferModel(plain.encoder, plain.heads, language_model=head)


def masked_features(task="nli", epoch=0):
    special = np.arange(50) < 5
    masking = Masking(0.3, False, 0, task, 4, special, np.zeros(50, bool))
    return replace(small_features(task), masking=masking).of_epoch(epoch)


def term(weight=1.0, per_row=1.0, task="nli"):
    return MaskedWords(weight, {task: per_row})


def mean_losses(model, batch):
    """The mean over each row's masked tokens of the language model's losses."""
    found = model(masked_inputs(batch), task="nli", masked=True).numpy()[:, 0]
    return found / np.maximum((batch["masked_labels"].numpy() >= 0).sum(1), 1)


def test_the_term_is_a_mean_over_the_rows_masked_tokens():
    model, batch = with_language_model(), padded_batch(masked_features(), np.arange(9))
    forward = ForwardPass(model, "nli", TASK_KINDS["nli"], batch, tf.constant(SEED))
    found = term(0.3, 2.0)(forward).numpy()
    np.testing.assert_allclose(found, 0.6 * mean_losses(model, batch), rtol=1e-5)
    assert found.min() > 0.6 * 1.0
    # The task's head sees the rows as they are.
    plain = model({n: batch[n] for n in ("token_ids", "segment_ids", "padding_mask")}, task="nli")
    np.testing.assert_array_equal(forward.logits, plain)


def test_an_update_is_that_of_the_sum_of_both_losses():
    features = masked_features()
    batch = padded_batch(features, np.arange(9))
    model = with_language_model()
    before = values(model)
    weights = [weight.value for weight in model.trained_weights("nli").values()]
    with tf.GradientTape() as tape:
        logits = model({n: batch[n] for n in ("token_ids", "segment_ids", "padding_mask")},
                       task="nli")
        own = tf.reduce_sum(TASK_KINDS["nli"].losses(batch, logits))
        counts = tf.reduce_sum(tf.cast(batch["masked_labels"] >= 0, tf.float32), axis=1)
        found = model(masked_inputs(batch), task="nli", masked=True)[:, 0]
        masked = tf.reduce_sum(0.25 * found / tf.maximum(counts, 1))
        total = (own + masked) / 9
    expected = [tf.convert_to_tensor(g) for g in tape.gradient(total, weights)]
    step = small_step(model, clip_norm=0.0, terms=[term(0.25)])
    loss = step("nli", [batch], 9, [SEED])
    assert float(loss) == pytest.approx(float(own + masked), rel=1e-5)
    assert float(step.term_losses["mlm"]) == pytest.approx(float(masked), rel=1e-5)
    after = values(model)
    names = list(model.trained_weights("nli"))
    assert "language_model.transform.kernel" in names
    for name, gradient in zip(names, expected, strict=True):
        np.testing.assert_allclose(
            after[name], before[name] - 0.05 * gradient.numpy(), atol=1e-6, err_msg=name
        )
        assert np.abs(gradient).max() > 0, name


def test_evaluation_sees_no_masked_tokens_and_no_language_model():
    model, plain = with_language_model(), small_model()
    features = small_features()
    assert np.array_equal(
        Predictor(model, TASK_KINDS).outputs("nli", features).logits,
        Predictor(plain, TASK_KINDS).outputs("nli", features).logits,
    )
    # Even of training rows with masked tokens the task's answers are those of the whole text.
    assert np.array_equal(
        Predictor(model, TASK_KINDS).outputs("nli", masked_features()).logits,
        Predictor(plain, TASK_KINDS).outputs("nli", features).logits,
    )


def test_a_task_without_the_term_leaves_the_language_model_as_it_is():
    model = with_language_model()
    before = values(model)
    step = small_step(model, terms=[term()])
    step("sim", [padded_batch(small_features("sim"), np.arange(8))], 8, [SEED])
    after = values(model)
    own = [name for name in before if name.startswith("language_model.")]
    assert own and all(np.array_equal(before[name], after[name]) for name in own)


@pytest.mark.slow
def test_words_of_tagged_rows_do_not_dilute_the_term():
    features = masked_features("ner")
    per_row = float(small_features("ner").loss_terms.mean())
    model = with_language_model()
    batch = padded_batch(features, np.arange(37))
    terms = int(features.loss_terms.sum())
    step = small_step(model, terms=[term(1.0, per_row, "ner")])
    step("ner", [batch], terms, [SEED])
    expected = mean_losses(with_language_model(), batch).mean()
    assert float(step.term_losses["mlm"]) / terms == pytest.approx(expected, rel=1e-5)


def test_dropout_of_the_two_passes_differs_and_is_a_function_of_the_seed():
    model = with_language_model(dropout=0.3)
    batch = padded_batch(masked_features(), np.arange(6))

    def found(seed):
        forward = ForwardPass(model, "nli", TASK_KINDS["nli"], batch, tf.constant(seed))
        return term()(forward).numpy()

    assert np.array_equal(found(SEED), found(SEED))
    assert not np.allclose(found(SEED), found(dropout_seed(0, 1, 0)))


@pytest.mark.slow
def test_bfloat16_follows_float32():
    losses = []
    for precision in ("float32", "mixed_bfloat16"):
        step = small_step(with_language_model(), precision=precision, terms=[term()])
        step("nli", [padded_batch(masked_features(), np.arange(16))], 16, [SEED])
        losses.append(float(step.term_losses["mlm"]))
    assert losses[0] == pytest.approx(losses[1], rel=2e-2) and losses[0] != losses[1]
