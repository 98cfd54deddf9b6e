"""Learning-rate schedules, counted in optimizer updates."""

import keras
from keras import ops

from tfglue.registry import Registry


@keras.saving.register_keras_serializable(package="tfglue")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then linear decay to 0 or a constant rate.

    Update i (from 0) of w warm-up and n total updates is taken with the peak rate times i / w while
    i < w, then times (n - i) / (n - w) if `decay`, else times 1. Google's BERT code decays from the
    start of training, so its rate jumps when warm-up ends; this one has no jump.

    Args:
        peak: highest learning rate.
        warmup_updates: length of the warm-up.
        total_updates: length of the run.
        decay: whether the rate falls to 0 at `total_updates`.
    """

    def __init__(self, peak: float, warmup_updates: int, total_updates: int, decay: bool = True):
        super().__init__()
        self.peak = peak
        self.warmup_updates = warmup_updates
        self.total_updates = total_updates
        self.decay = decay

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = step / max(1, self.warmup_updates)
        if self.decay:
            left = max(1, self.total_updates - self.warmup_updates)
            falling = ops.maximum((self.total_updates - step) / left, 0.0)
        else:
            falling = 1.0
        return self.peak * ops.where(step < self.warmup_updates, rising, falling)

    def get_config(self):
        return {
            "peak": self.peak,
            "warmup_updates": self.warmup_updates,
            "total_updates": self.total_updates,
            "decay": self.decay,
        }


SCHEDULES: Registry[bool] = Registry("schedule")
SCHEDULES.add("linear", True)
SCHEDULES.add("constant", False)


def build_schedule(
    name: str, peak: float, warmup: float, total_updates: int
) -> WarmupSchedule:
    """The named schedule; a `warmup` under 1 is a share of all updates, else a number of them."""
    updates = round(warmup * total_updates) if warmup < 1 else round(warmup)
    return WarmupSchedule(peak, updates, total_updates, decay=SCHEDULES.get(name))
