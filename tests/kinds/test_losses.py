import numpy as np
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
