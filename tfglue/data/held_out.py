"""A part of the training data set aside: a dev set where there is none, or rows to tune on."""

import numpy as np

from tfglue.data.examples import Examples

TUNING_SPLIT = "tuning"
"""Training examples set aside to tune what is decided after training."""

# Of its own, so that restarts with other seeds set the same part aside.
_SEED = 20111


def split_held_out(examples: Examples, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows to keep and rows set aside, each in their order; the same whenever it is asked.

    Args:
        examples: what is split; examples of one group (questions on one passage) stay together.
        share: of the examples that are set aside, about.

    Returns:
        ``(kept, held_out)``, row numbers; neither is empty where there are two groups.
    """
    names, group_of, sizes = np.unique(examples.groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(_SEED).permutation(len(names))
    before = np.cumsum(sizes[order]) - sizes[order]
    chosen = order[before < share * len(examples)][: max(1, len(names) - 1)]
    aside = np.isin(group_of, chosen)
    return np.flatnonzero(~aside), np.flatnonzero(aside)
