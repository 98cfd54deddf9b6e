"""Settings of a search: flags, and what ``search.yaml`` stores of them."""

from dataclasses import dataclass

from tfglue.flags import setting
from tuning.models import MODELS

TUNERS = ("bayesian", "random", "hyperband", "grid")
EARLY_STOPS = ("median", "none")


@dataclass(frozen=True)
class SearchConfig:
    """Every setting of one search beside those of training."""

    model: str = setting(
        "bert", "what is trained: all of the encoder, a head on all layers of a frozen one, or "
        "adapters in it", choices=tuple(MODELS),
    )
    tuner: str = setting("bayesian", "how settings are chosen", choices=TUNERS)
    trials: int | None = setting(
        None, "trials at most [20, or as many as a published space had; all points of a grid]",
        kind=int, least=1,
    )
    objective: str | None = setting(
        None, "metric of the task, or loss, that ranks trials [the task's main metric]"
    )
    tune_split: float = setting(
        0.1, "share of the training rows that trials are scored on; dev is computed once, for the "
        "best; 0 scores trials on dev itself", kind=float, least=0, most=0.5,
    )
    search_seed: int | None = setting(
        None, "seed of what the tuner draws [--seed]", kind=int, least=0, most=2**32 - 1
    )
    grid_points: int = setting(
        4, "points of a range that --tuner grid tries, its ends included", kind=int, least=2
    )
    factor: int = setting(
        3, "of --tuner hyperband: of so many settings one goes on, for so many times the epochs",
        kind=int, least=2,
    )
    iterations: int = setting(
        1, "of --tuner hyperband: how often it goes through all its brackets", kind=int, least=1
    )
    early_stop: str | None = setting(
        None, "median ends a run whose best score so far is below the median of what the others "
        "had on average by then [median; none with hyperband]", choices=EARLY_STOPS,
    )
    keep_weights: str = setting(
        "best", "whose weights stay on disk: those of the best trial, or of all",
        choices=("best", "all"),
    )
    workers: int = setting(1, "processes that train trials on this machine", kind=int, least=1)


MAY_CHANGE = ("trials", "iterations", "keep_weights", "workers", "checkpoint_seconds")
"""Settings that do not say what a trial is, so a resumed search may have others."""
