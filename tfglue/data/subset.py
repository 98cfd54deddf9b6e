"""Low-data training: which rows a run with fewer examples sees."""

from collections.abc import Iterator

import numpy as np

from tfglue.data.examples import Examples

# The subset has its own seed, so that restarts with other seeds share it.
_SEED = 20110


def nested_order(strata: np.ndarray) -> np.ndarray:
    """One ordering of all rows; the first n of it are the subset of size n, for every n.

    Every prefix is stratified: classes (or quintiles of a score) stand in it in the proportions of
    the whole, as far as whole rows allow, and no row comes twice.

    Args:
        strata: one number an example, see `tfglue.data.examples.Examples.strata`.
    """
    random = np.random.default_rng(_SEED)
    rank = np.empty(len(strata))
    for stratum in np.unique(strata):
        rows = random.permutation(np.flatnonzero(strata == stratum))
        # Row k of a stratum of n stands at share (k + 1/2) / n of the way through.
        rank[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.lexsort((random.permutation(len(strata)), rank))


def subset_size(total: int, examples: int | None, fraction: float | None) -> int:
    """Rows to train on: `examples`, or the share `fraction` of `total` (at least one), or all."""
    if examples is not None:
        return min(examples, total)
    if fraction is not None:
        return max(1, round(fraction * total))
    return total


def subset(examples: Examples, rows: np.ndarray, count: int) -> np.ndarray:
    """Some of the rows of labelled examples, in the nested order.

    Args:
        examples: of which.
        rows: that may be chosen.
        count: how many; of examples with units, whole units up to so many, and at least one, those
            of the lowest stratum first.
    """
    units = examples.units[rows]
    if len(np.unique(units)) == len(units):
        return rows[nested_order(examples.strata[rows])[:count]]
    names, first, unit, sizes = np.unique(
        units, return_index=True, return_inverse=True, return_counts=True
    )
    order = nested_order(np.zeros(len(names), np.int64))
    order = order[np.argsort(examples.strata[rows][first][order], kind="stable")]
    chosen = order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), count, side="right")))]
    place = np.full(len(names), len(names))
    place[chosen] = np.arange(len(chosen))
    by_place = np.argsort(place[unit], kind="stable")
    return rows[by_place[: sizes[chosen].sum()]]


def first_examples(examples: Examples, count: int) -> Examples:
    """So many labelled examples of the nested order, as they stand in the file."""
    return examples.take(np.sort(subset(examples, np.arange(len(examples)), count)))


def whole_units(units: np.ndarray, sizes: Iterator[int]) -> Iterator[np.ndarray]:
    """Rows cut into parts that hold whole units, in the order in which units begin.

    Args:
        units: one number a row.
        sizes: of the parts, about: a part ends with the unit that reaches its size.
    """
    _, first, unit, counts = np.unique(
        units, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first[unit], kind="stable")
    ends = np.cumsum(counts[np.argsort(first)])
    begin = 0
    while begin < len(order):
        end = int(ends[min(np.searchsorted(ends, begin + next(sizes)), len(ends) - 1)])
        yield order[begin:end]
        begin = end
