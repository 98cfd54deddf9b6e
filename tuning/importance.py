"""Which parameters the score of a trial hangs on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tuning.dimension import Dimension
from tuning.trial_record import TrialRecord

LEAST = 15
"""Trials below which nothing is said; a forest on fewer finds patterns in noise."""

_FOLDS = 5
_REPEATS = 20
_TREES = 200


@dataclass(frozen=True)
class Importance:
    """What a random forest makes of a search.

    Args:
        explained: share of the variance of scores that it predicts for trials it has not seen
            (cross-validated R²); about 0 or below, it has found nothing.
        permuted: parameter -> by how much the squared error rises, as a share of the variance, when
            the parameter's values are shuffled among the trials not seen; mean over folds and
            shuffles.
        rank_correlation: parameter -> Spearman's correlation of value and score; None for those
            without an order, and where all values or all scores are the same.
    """

    explained: float
    permuted: Mapping[str, float]
    rank_correlation: Mapping[str, float | None]


def importance(
    records: Sequence[TrialRecord], space: Mapping[str, Dimension]
) -> Importance | None:
    """Permutation importance (Breiman 2001) in a random forest from values to scores.

    Numbers enter by their place in their range, on the scale that they were drawn on.

    Args:
        records: trials with a score, all trained to their end or stopped.
        space: parameter -> dimension.

    Returns:
        None for fewer than `LEAST` trials, or where all have the same score.
    """
    scores = np.array([record.score for record in records])
    if len(records) < LEAST or np.ptp(scores) == 0:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    names = list(space)
    places = np.array(
        [[space[name].position(record.values[name]) for name in names] for record in records]
    )
    errors, variance, rises = 0.0, 0.0, np.zeros(len(names))
    for seen, unseen in KFold(_FOLDS, shuffle=True, random_state=0).split(places):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=0)
        forest.fit(places[seen], scores[seen])
        errors += np.sum((forest.predict(places[unseen]) - scores[unseen]) ** 2)
        variance += np.sum((scores[seen].mean() - scores[unseen]) ** 2)
        found = permutation_importance(
            forest, places[unseen], scores[unseen], scoring="neg_mean_squared_error",
            n_repeats=_REPEATS, random_state=0,
        )
        rises += found.importances_mean * len(unseen)
    return Importance(
        float(1 - errors / variance),
        {name: float(rise / variance) for name, rise in zip(names, rises, strict=True)},
        {
            name: _rank_correlation(places[:, column], scores) if _ordered(space[name]) else None
            for column, name in enumerate(names)
        },
    )


def _ordered(dimension: Dimension) -> bool:
    return not (dimension.values and isinstance(dimension.values[0], str))


def _rank_correlation(places: np.ndarray, scores: np.ndarray) -> float | None:
    from scipy.stats import spearmanr

    if np.ptp(places) == 0:
        return None
    found = float(spearmanr(places, scores).statistic)
    return found if math.isfinite(found) else None
