"""Metrics by name, always over a whole split and never averaged over batches."""

from collections.abc import Callable, Sequence

import numpy as np

from tfglue.metrics import classification, regression
from tfglue.registry import Registry

METRICS: Registry[Callable[[np.ndarray, np.ndarray], float]] = Registry("metric")
for _metric in (
    classification.accuracy,
    classification.f1,
    classification.macro_f1,
    classification.accuracy_and_f1,
    classification.matthews_correlation,
    classification.average_precision,
    regression.pearson,
    regression.spearman,
    regression.pearson_and_spearman,
):
    METRICS.add(_metric.__name__, _metric)


def compute(
    names: Sequence[str], labels: np.ndarray, predictions: np.ndarray
) -> dict[str, float]:
    """Values of the named metrics.

    Args:
        names: registered metric names.
        labels: class ids or scores, (rows,).
        predictions: the same of the model.
    """
    return {name: METRICS.get(name)(labels, predictions) for name in names}
