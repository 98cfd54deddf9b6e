"""The best evaluation so far, and when to stop waiting for a better one."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Selection:
    """State of early stopping; part of every checkpoint.

    Args:
        patience: evaluations without improvement after which training stops; None for never.
        best_score: highest main metric seen.
        best_update: optimizer updates done when it was seen; None before the first evaluation.
        stale: evaluations since then.
    """

    patience: int | None = None
    best_score: float = -math.inf
    best_update: int | None = None
    stale: int = 0

    def observe(self, score: float, update: int) -> bool:
        """Takes one evaluation; returns whether it is the best so far (ties keep the earlier)."""
        if self.best_update is None or score > self.best_score:
            self.best_score, self.best_update, self.stale = score, update, 0
            return True
        self.stale += 1
        return False

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.stale >= self.patience

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        state = asdict(self)
        if self.best_update is None:
            del state["best_score"]  # JSON has no infinity.
        return state
