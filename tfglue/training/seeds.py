"""Dropout seeds as a pure function of where training stands."""

import numpy as np


def dropout_seed(seed: int, update: int, microstep: int) -> np.ndarray:
    """Seed of one forward pass: int32 (2,).

    Nothing about dropout is stored in checkpoints; a resumed run computes the same seeds again.

    Args:
        seed: seed of the run.
        update: optimizer updates done before this one.
        microstep: forward passes done before in this update (under accumulation).
    """
    return np.random.SeedSequence([seed, update, microstep]).generate_state(2).view(np.int32)
