"""Metrics against formulas written out, on whole sets."""

import math

import numpy as np
import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.metrics import METRICS, compute

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 2, 500)
PREDICTIONS = np.where(RANDOM.random(500) < 0.7, LABELS, 1 - LABELS)


def counts(labels, predictions):
    true = np.sum((labels == 1) & (predictions == 1))
    false = np.sum((labels == 0) & (predictions == 1))
    missed = np.sum((labels == 1) & (predictions == 0))
    return true, false, missed, len(labels) - true - false - missed


def test_binary_metrics_equal_their_definitions():
    tp, fp, fn, tn = (float(count) for count in counts(LABELS, PREDICTIONS))
    f1 = 2 * tp / (2 * tp + fp + fn)
    accuracy = (tp + tn) / 500
    matthews = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    names = ("accuracy", "f1", "accuracy_and_f1", "matthews_correlation")
    expected = (accuracy, f1, (accuracy + f1) / 2, matthews)
    found = compute(names, LABELS, PREDICTIONS)
    assert list(found) == list(names)
    assert np.allclose(list(found.values()), expected, atol=1e-12)


def test_macro_f1_is_the_mean_over_classes():
    one = METRICS.get("f1")
    expected = (one(LABELS, PREDICTIONS) + one(1 - LABELS, 1 - PREDICTIONS)) / 2
    assert METRICS.get("macro_f1")(LABELS, PREDICTIONS) == pytest.approx(expected, abs=1e-12)


def test_correlations_equal_their_definitions_with_ties():
    x = RANDOM.normal(size=300).round(1)
    y = (x + RANDOM.normal(size=300)).round(1)

    def ranks(values):
        return np.array([(values < v).sum() + ((values == v).sum() + 1) / 2 for v in values])

    pearson, spearman = np.corrcoef(x, y)[0, 1], np.corrcoef(ranks(x), ranks(y))[0, 1]
    found = compute(("pearson", "spearman", "pearson_and_spearman"), x, y)
    assert np.allclose(
        list(found.values()), [pearson, spearman, (pearson + spearman) / 2], atol=1e-12
    )


def test_constant_predictions_have_no_correlation():
    constant = np.zeros(10, int)
    assert METRICS.get("matthews_correlation")(LABELS[:10], constant) == 0
    assert METRICS.get("f1")(LABELS[:10], constant) == 0
    assert METRICS.get("pearson_and_spearman")(np.arange(10.0), constant) == 0


def test_every_declared_metric_of_rows_is_registered():
    for name in tasks.names():
        if tasks.get(name).kind in ("classify", "regress"):
            assert all(metric in METRICS for metric in tasks.get(name).metrics)


def test_an_unknown_metric_gets_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'pearson'"):
        compute(("person",), LABELS, PREDICTIONS)
