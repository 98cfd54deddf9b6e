"""How well each method predicted which source helps which target."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfglue.errors import UserError
from tfglue.transfer.matrix_scores import MatrixScores
from tfglue.transfer.ranking import (
    average_rank,
    by_score,
    min_max_scaled,
    ndcg,
    ranks,
    regret,
)

CHANCE = "chance"
"""Ties all sources: what guessing comes to on average."""

MEASURES = ("average_rank", "ndcg", "ndcg_scores", "regret_1", "regret_3")
"""Of a target: rank of the best source; NDCG on scaled gains, and on scores as published; share of
the best score that is lost by trying one source, or three."""

SCOPES = ("all", "in_class")

_RESAMPLES = 5000
_SEED = 2020

Predictions = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Method -> target -> source -> score, higher is better."""


def measures_of(predicted: Mapping[str, float], true: Mapping[str, float]) -> dict[str, float]:
    """The measures of one target.

    Sources that the method could not score stand last, tied. A measure that is not defined of the
    target (a share of a best score of 0) is NaN for every method, right or wrong.
    """
    ranking = by_score({name: predicted.get(name, -math.inf) for name in true})
    found = {
        "average_rank": average_rank(ranking, true),
        "ndcg": ndcg(ranking, min_max_scaled(true)),
    }
    try:
        found["ndcg_scores"] = ndcg(ranking, true)
    except UserError:
        found["ndcg_scores"] = math.nan  # Whatever the order, nothing is gained.
    for k in (1, 3):
        found[f"regret_{k}"] = regret(ranking, true, k) if max(true.values()) else math.nan
    return found


def evaluate_methods(
    predictions: Predictions, scores: MatrixScores, classes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A row a method and scope, with means over targets and 95 % bootstrap intervals.

    Targets are drawn anew with replacement, from the same numbers for every method, so that
    intervals say how much hangs on the choice of targets; spread over seeds is in the means
    already. Targets that a method has no scores for do not count for it, and those that a measure
    is not defined of count for none.

    Args:
        predictions: see `Predictions`; `CHANCE` is added.
        scores: what was true, means over seeds.
        classes: task -> CR, QA or SL. ``in_class`` judges targets with two sources or more of
            their class on these alone.
    """
    rows = []
    chance = {
        target: dict.fromkeys(scores.means(target), 0.0) for target in scores.scores
    }
    for scope in SCOPES:
        true = {target: _in_scope(target, scores, classes, scope) for target in scores.scores}
        true = {target: own for target, own in true.items() if len(own) >= 2}
        if not true:
            continue
        for method, by_target in {**predictions, CHANCE: chance}.items():
            targets = [target for target in true if by_target.get(target)]
            if not targets:
                continue
            values = [measures_of(by_target[target], true[target]) for target in targets]
            row: dict[str, Any] = {"method": method, "scope": scope, "targets": len(targets)}
            for name in MEASURES:
                own = np.array([value[name] for value in values])
                low, high = bootstrap_interval(own)
                row |= {name: _mean(own), f"{name}_low": low, f"{name}_high": high}
            rows.append(row)
    return rows


def choices(
    predictions: Predictions, scores: MatrixScores
) -> list[dict[str, Any]]:
    """A row a method and target: what it would have taken, and what that came to."""
    rows = []
    for method, by_target in predictions.items():
        for target, predicted in by_target.items():
            if target not in scores.scores or not predicted:
                continue
            true = scores.means(target)
            ranking = by_score({n: predicted.get(n, -math.inf) for n in true})
            taken, best = ranking[0][0], by_score(true)[0][0]
            rows.append({
                "method": method, "target": target, "choice": taken, "score": true[taken],
                "best": best, "best_score": true[best], "alone": scores.alone(target),
                **measures_of(predicted, true),
            })
    return rows


def agreement(predictions: Predictions) -> tuple[list[str], np.ndarray]:
    """Methods, and Spearman correlations of their rankings, means over targets they share.

    NaN where two methods share no target with two sources that differ.
    """
    methods = list(predictions)
    found = np.full((len(methods), len(methods)), math.nan)
    for i, one in enumerate(methods):
        for j, other in enumerate(methods):
            values = [
                value for target in predictions[one] if target in predictions[other]
                if (value := _spearman(predictions[one][target], predictions[other][target]))
                is not None
            ]
            if values:
                found[i, j] = np.mean(values)
    return methods, found


def bootstrap_interval(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The middle 95 % of means of samples drawn with replacement; NaN is left out.

    None for fewer than two values.
    """
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return None, None
    drawn = np.random.default_rng(_SEED).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def _in_scope(
    target: str, scores: MatrixScores, classes: Mapping[str, str], scope: str
) -> dict[str, float]:
    return {
        source: mean for source, mean in scores.means(target).items()
        if scope == "all" or classes.get(source) == classes.get(target)
    }


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _spearman(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    shared = sorted(set(one) & set(other))
    left, right = (
        ranks(by_score({name: scores[name] for name in shared})) for scores in (one, other)
    )
    left, right = (np.array([own[name] for name in shared]) for own in (left, right))
    if len(shared) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(left, right)[0, 1])
