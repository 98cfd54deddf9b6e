"""Metrics of class ids over a whole split, by scikit-learn."""

import warnings

import numpy as np
from sklearn import metrics


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of equal ids."""
    return float(metrics.accuracy_score(labels, predictions))


def f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """F1 of class 1, as GLUE scores MRPC and QQP; 0 where class 1 is never predicted."""
    return float(metrics.f1_score(labels, predictions, pos_label=1, zero_division=0))


def macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Unweighted mean of every class's F1."""
    return float(metrics.f1_score(labels, predictions, average="macro", zero_division=0))


def accuracy_and_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean of `accuracy` and `f1`."""
    return (accuracy(labels, predictions) + f1(labels, predictions)) / 2


def matthews_correlation(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Matthews correlation; 0 where all predictions are of one class."""
    with warnings.catch_warnings():
        # scikit-learn warns of a split with one label; 0 is its (and our) defined answer.
        warnings.simplefilter("ignore")
        return float(metrics.matthews_corrcoef(labels, predictions))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Precision averaged over the steps of recall as the threshold falls; 0 without a label 1.

    Args:
        labels: 0 or 1, (rows,).
        scores: higher = rather 1, such as a probability or a logit, (rows,).
    """
    with warnings.catch_warnings():
        # scikit-learn warns of a split without positives; 0 is its (and our) defined answer.
        warnings.simplefilter("ignore")
        return float(metrics.average_precision_score(labels, scores))
