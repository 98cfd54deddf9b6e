"""Losses of spans and tags against scikit-learn and NumPy."""

import numpy as np
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from tfglue.kinds import KINDS

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([7, 4, 1])
MASK = (np.arange(7) < LENGTHS[:, None]).astype(np.int32)


def test_words_of_a_row_add_up_and_other_pieces_count_for_nothing():
    logits = RANDOM.normal(size=(3, 7, 4)).astype(np.float32) * 3
    labels = RANDOM.integers(0, 4, (3, 7)).astype(np.int32)
    labels[:, ::3] = -1
    found = np.asarray(KINDS.get("tag").losses({"labels": labels}, logits))
    for row in range(3):
        words = labels[row] >= 0
        probabilities = np.exp(log_softmax(logits[row][words].astype(np.float64), axis=-1))
        expected = log_loss(labels[row][words], probabilities, labels=range(4), normalize=False)
        assert np.isclose(found[row], expected, rtol=1e-5)


def test_a_row_without_words_has_no_loss():
    logits = RANDOM.normal(size=(1, 3, 2)).astype(np.float32)
    labels = np.full((1, 3), -1, np.int32)
    assert np.asarray(KINDS.get("tag").losses({"labels": labels}, logits)) == 0


def span_losses(labels, logits):
    batch = {"labels": np.array(labels, np.int32), "padding_mask": MASK}
    return np.asarray(KINDS.get("span").losses(batch, logits))


def test_start_and_end_are_chosen_among_the_rows_own_tokens():
    logits = RANDOM.normal(size=(3, 7, 2)).astype(np.float32) * 3
    labels = [[2, 6], [0, 0], [0, 0]]
    found = span_losses(labels, logits)
    for row, length in enumerate(LENGTHS):
        own = log_softmax(logits[row, :length].astype(np.float64), axis=0)
        expected = -(own[labels[row][0], 0] + own[labels[row][1], 1]) / 2
        assert np.isclose(found[row], expected, atol=1e-5)


def test_padding_and_its_logits_change_nothing():
    logits = RANDOM.normal(size=(3, 7, 2)).astype(np.float32)
    padded = np.where(MASK[:, :, None] == 1, logits, 1e4).astype(np.float32)
    labels = [[1, 2], [1, 2], [0, 0]]
    assert np.allclose(span_losses(labels, logits), span_losses(labels, padded), atol=1e-5)


def test_windows_without_a_label_have_no_loss():
    logits = RANDOM.normal(size=(3, 7, 2)).astype(np.float32)
    found = span_losses([[1, 2], [-1, -1], [0, 0]], logits)
    assert found[1] == 0 and found[0] > 0
