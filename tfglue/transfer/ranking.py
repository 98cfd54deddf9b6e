"""Sources ranked for a target, rankings fused, and how good a ranking was (Vu et al. 2020, 4).

A ranking is a list of sources, the best first: names alone, or ``(name, score)`` pairs; or the
scores alone, source -> score. Equal scores share the mean of their ranks, in everything here; names
alone have no ties. A score that is NaN is refused everywhere, with UserError.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from tfglue.errors import UserError

Scores = Mapping[str, float]
Ranking = Sequence[str] | Sequence[tuple[str, float]] | Scores

RANK_FUSION_K = 60
"""How slowly reciprocal ranks fall, as published."""

_ROUNDING = 1e-12


def rank_sources(
    vectors: Mapping[str, ArrayLike], target: str | ArrayLike, center: bool = False
) -> list[tuple[str, float]]:
    """Sources by the cosine of their vectors with the target's, the highest first.

    Args:
        vectors: name -> embedding of one component, of any one shape.
        target: one of these names, which is then no source, or an embedding.
        center: subtract the mean of all vectors first. Averages of hidden states have a large
            common part, so that their plain cosines crowd near 1.

    Raises:
        UserError: vectors differ in size, have no direction (zeros, or equal to the mean), or are
            not finite numbers; there is no source, or no such target.
    """
    own = isinstance(target, str)
    if own and target not in vectors:
        raise UserError(f"no embedding of the target '{target}' (there are {', '.join(vectors)})")
    flat = {name: _flat(name, vector) for name, vector in vectors.items()}
    wanted = flat.pop(target) if own else _flat("the target", target)
    if not flat:
        raise UserError("there is no source beside the target; nothing can be ranked")
    everything = {**flat, (target if own else "the target"): wanted}
    for name, vector in everything.items():
        if vector.shape != wanted.shape:
            raise UserError(
                f"embedding of {name} has {vector.size} numbers, the target's {wanted.size}; "
                "expected embeddings of one encoder"
            )
        if not np.isfinite(vector).all():
            raise UserError(f"embedding of {name} holds NaN or infinite numbers")
    mean = np.mean(list(everything.values()), axis=0) if center else np.zeros(wanted.shape)
    for name, vector in everything.items():
        if np.abs(vector - mean).max() <= _ROUNDING * np.abs(mean).max():
            what = "is the mean of all" if center else "is all zeros"
            raise UserError(f"embedding of {name} {what}, so it has no direction to compare")
    flat, wanted = {name: vector - mean for name, vector in flat.items()}, wanted - mean
    unit = _unit(wanted)
    return by_score({name: float(_unit(vector) @ unit) for name, vector in flat.items()})


def by_score(scores: Scores) -> list[tuple[str, float]]:
    """Names and scores, the highest first; equal ones by their names."""
    _check_numbers(scores.items())
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def ranks(ranking: Ranking) -> dict[str, float]:
    """Name -> rank from 1; ties share the mean of theirs. Raises UserError for a name twice."""
    return {
        name: begin + (len(group) + 1) / 2
        for begin, group in _tied(ranking)
        for name in group
    }


def fuse(
    rankings: Sequence[Ranking] | Mapping[str, Ranking],
    k: float = RANK_FUSION_K,
    neutral: bool = False,
) -> list[tuple[str, float]]:
    """Reciprocal rank fusion (Cormack et al. 2009): the sum of ``1 / (k + rank)`` over rankings.

    Args:
        rankings: several; by name, which says nothing here, or not.
        k: how slowly what a rank gives falls.
        neutral: a ranking that leaves a source out gives it the mean of what it gives the others,
            since it says nothing of it. Otherwise it adds nothing, as published, and a source that
            few rankings know comes last however good they find it.

    Returns:
        Names and sums, the highest first.
    """
    if isinstance(rankings, Mapping):
        rankings = list(rankings.values()) if _is_of_targets(rankings) else [rankings]
    own = [{name: 1 / (k + rank) for name, rank in ranks(one).items()} for one in rankings]
    shares = {
        name: [
            found[name] if name in found else math.fsum(found.values()) / len(found)
            for found in own if name in found or (neutral and found)
        ]
        for name in dict.fromkeys(name for found in own for name in found)
    }
    # Rounded once: sums of the same shares in another order are a tie.
    return by_score({name: math.fsum(parts) for name, parts in shares.items()})


def average_rank(
    predicted: Ranking | Mapping[str, Ranking], scores: Scores | Mapping[str, Scores]
) -> float:
    """Where a ranking has the source that was truly best; 1 is perfect.

    Args:
        predicted: a ranking; or target -> ranking, and the mean over targets is taken, which is
            what a mapping to anything but numbers means.
        scores: what each source truly gave: source -> score; or that of every target. Ranked
            sources without a score do not count, so that a ranking can be judged on a part of the
            sources (those of the target's class, say).

    Raises:
        UserError: a source has a score and is not ranked, or nothing was ranked.
    """
    if _is_of_targets(predicted):
        return _mean_over_targets(average_rank, predicted, scores)
    found = ranks(_judged(predicted, scores))
    best = max(scores.values())
    return float(np.mean([found[name] for name, score in scores.items() if score == best]))


def ndcg(
    predicted: Ranking | Mapping[str, Ranking], scores: Scores | Mapping[str, Scores]
) -> float:
    """Normalised discounted cumulative gain, with ``(2^score - 1) / log2(rank + 1)``.

    Ties are given the mean over all their orders. Scores within [0, 1] differ little in ``2^score``
    and give .96 and more to poor rankings, and transfer gains may be negative, for which the
    measure is not made: `min_max_scaled` mends both.

    Args:
        predicted, scores: as in `average_rank`; scores are fractions, or scaled.

    Raises:
        UserError: as in `average_rank`, or no order of the sources gains anything.
    """
    if _is_of_targets(predicted):
        return _mean_over_targets(ndcg, predicted, scores)
    groups = _tied(_judged(predicted, scores))
    found = sum(
        float(np.mean([_gain(scores[name]) for name in group]))
        * sum(_discount(begin + place) for place in range(1, len(group) + 1))
        for begin, group in groups
    )
    ideal = sum(
        _gain(score) * _discount(place)
        for place, score in enumerate(sorted(scores.values(), reverse=True), start=1)
    )
    if not ideal > 0:
        raise UserError(
            "NDCG: no order gains anything; scale the scores to 0 ... 1 (min_max_scaled) first"
        )
    return found / ideal


def min_max_scaled(scores: Scores) -> dict[str, float]:
    """Scores moved to 0 (the worst) ... 1 (the best); all 1 where they are equal.

    Transfer gains ``(p_s - p) / p`` of one target grow with its scores in a straight line, so
    scaled gains are scaled scores.
    """
    _check_numbers(scores.items())
    low, high = min(scores.values()), max(scores.values())
    if low == high:
        return dict.fromkeys(scores, 1.0)
    return {name: (score - low) / (high - low) for name, score in scores.items()}


def regret(
    predicted: Ranking | Mapping[str, Ranking], scores: Scores | Mapping[str, Scores], k: int = 1
) -> float:
    """The share of the best score that is lost by trying the first k sources alone.

    ``(best - best of the first k) / best`` (Poth et al. 2021). Where a tie crosses the border, it
    is the mean over all its orders.

    Args:
        predicted, scores: as in `average_rank`.
        k: how many sources are tried, at least 1.

    Raises:
        UserError: as in `average_rank`; k is under 1; or the best score is 0 and others are not.
    """
    if k < 1:
        raise UserError(f"regret: k must be at least 1, not {k}")
    if _is_of_targets(predicted):
        return _mean_over_targets(lambda *one: regret(*one, k), predicted, scores)
    judged = _judged(predicted, scores)
    best = max(scores.values())
    tried: list[float] = []
    for _, group in _tied(judged):
        own = [scores[name] for name in group]
        left = k - len(tried)
        if len(own) >= left:
            lost = best - _expected_best(own, left, max(tried, default=-math.inf))
            break
        tried += own
    else:
        lost = 0.0  # All were tried.
    if lost == 0:
        return 0.0
    if best == 0:
        raise UserError("regret: a share of the best score, which is 0 here")
    return lost / abs(best)


def _expected_best(own: Sequence[float], count: int, floor: float) -> float:
    """Mean of the best of `count` that are drawn from `own` without replacement, and of `floor`."""
    ways = math.comb(len(own), count)
    descending = sorted(own, reverse=True)
    return sum(
        # Score i is the best of those drawn if the others come after it.
        max(score, floor) * math.comb(len(own) - 1 - place, count - 1) / ways
        for place, score in enumerate(descending)
    )


def _mean_over_targets(measure, predicted: Mapping, scores: Mapping) -> float:
    missing = sorted(set(predicted) ^ set(scores))
    if missing or not predicted:
        raise UserError(
            f"rankings and scores are not of the same targets ({', '.join(missing) or 'none'})"
        )
    return float(np.mean([measure(predicted[target], scores[target]) for target in predicted]))


def _is_of_targets(predicted) -> bool:
    """Whether it maps names to rankings, not sources to scores."""
    return isinstance(predicted, Mapping) and any(
        isinstance(value, (str, Sequence, Mapping)) for value in predicted.values()
    )


def _judged(predicted: Ranking, scores: Scores) -> list:
    """The ranking without sources that have no score."""
    _check_numbers(scores.items())
    if isinstance(predicted, Mapping):
        predicted = by_score(predicted)
    kept = [item for item in predicted if _name(item) in scores]
    left_out = sorted(set(scores) - {_name(item) for item in kept})
    if left_out:
        raise UserError(f"scores of sources that are not ranked: {', '.join(left_out)}")
    if not kept:
        raise UserError("the ranking has none of the sources that have scores")
    return kept


def _tied(ranking: Ranking) -> list[tuple[int, list[str]]]:
    """Groups of tied sources in order, each with the number of sources before it."""
    if isinstance(ranking, Mapping):
        ranking = by_score(ranking)
    _check_numbers(item for item in ranking if not isinstance(item, str))
    names = [_name(item) for item in ranking]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"a ranking names {name} twice")
    groups: list[tuple[int, list[str]]] = []
    score = None
    for place, (name, item) in enumerate(zip(names, ranking, strict=True)):
        own = None if isinstance(item, str) else float(item[1])
        if own is not None and own == score:
            groups[-1][1].append(name)
        else:
            groups.append((place, [name]))
        score = own
    return groups


def _name(item: str | tuple[str, float]) -> str:
    return item if isinstance(item, str) else item[0]


def _check_numbers(scores: Iterable[tuple[str, float]]) -> None:
    for name, score in scores:
        if math.isnan(score):
            raise UserError(f"the score of {name} is NaN, which has no rank")


def _flat(name: str, vector: ArrayLike) -> np.ndarray:
    try:
        found = np.asarray(vector, np.float64).ravel()
    except (TypeError, ValueError):
        raise UserError(f"embedding of {name} is no array of numbers") from None
    if not found.size:
        raise UserError(f"embedding of {name} is empty")
    return found


def _unit(vector: np.ndarray) -> np.ndarray:
    # Squares of small Fisher scores would vanish.
    vector = vector / np.abs(vector).max()
    return vector / np.linalg.norm(vector)


def _gain(score: float) -> float:
    return 2.0**score - 1


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)
