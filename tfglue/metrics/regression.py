"""Metrics of scores over a whole split, by SciPy."""

import numpy as np
from scipy import stats


def pearson(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Pearson correlation; 0 where either side is constant, so that a dead model scores 0."""
    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(stats.pearsonr(labels, predictions).statistic)


def spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Spearman rank correlation, ties averaged; 0 where either side is constant."""
    if _constant(labels) or _constant(predictions):
        return 0.0
    return float(stats.spearmanr(labels, predictions).statistic)


def pearson_and_spearman(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean of `pearson` and `spearman`."""
    return (pearson(labels, predictions) + spearman(labels, predictions)) / 2


def _constant(values: np.ndarray) -> bool:
    return len(values) < 2 or bool(np.all(values == values[0]))
