"""Low-data training: which rows a run with fewer examples sees."""

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


def first_examples(examples: Examples, count: int) -> Examples:
    """So many labelled examples of the nested order, as they stand in the file."""
    return examples.take(np.sort(nested_order(examples.strata)[:count]))
