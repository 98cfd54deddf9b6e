import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import log_loss

from tfglue.kinds import KINDS

RANDOM = np.random.default_rng(0)


def test_cross_entropy_equals_scikit_learn():
    logits = RANDOM.normal(size=(50, 3)).astype(np.float32) * 5
    labels = RANDOM.integers(0, 3, 50).astype(np.int32)
    probabilities = np.exp(logits.astype(np.float64))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = np.asarray(KINDS.get("classify").losses({"labels": labels}, logits))
    assert found.shape == (50,)
    assert np.isclose(found.mean(), log_loss(labels, probabilities, labels=[0, 1, 2]), rtol=1e-5)


def test_squared_error_is_on_the_scale_of_the_scores():
    labels = np.array([0.0, 5.0, 2.5], np.float32)
    logits = np.array([[1.0], [4.0], [2.5]], np.float32)
    losses = np.asarray(KINDS.get("regress").losses({"labels": labels}, logits))
    assert np.array_equal(losses, [1, 1, 0])


def test_half_precision_logits_give_float32_losses():
    import ml_dtypes

    logits = np.zeros((2, 3), ml_dtypes.bfloat16)
    assert KINDS.get("classify").losses({"labels": np.array([0, 1])}, logits).dtype == "float32"


def test_a_pair_of_segments_weighs_as_much_as_it_has_masked_tokens():
    logits = RANDOM.normal(size=(3, 4)).astype(np.float32)
    masked = np.array([[5, -1, 7], [-1, -1, 2], [-1, -1, -1]], np.int32)
    batch = {"labels": np.array([1, 0, 1], np.int32), "masked_labels": masked}
    found = np.asarray(KINDS.get("masked").losses(batch, logits))
    of_pairs = -log_softmax(logits[:, 2:].astype(float), axis=1)[[0, 1, 2], [1, 0, 1]]
    assert found == pytest.approx(logits[:, 0] + of_pairs * [2, 1, 0], abs=1e-6)
    # Of rows of sentences there is one loss alone.
    assert np.array_equal(KINDS.get("masked").losses(batch, logits[:, :2]), logits[:, 0])
