"""Learning-rate schedules, counted in optimizer updates."""

from collections.abc import Callable

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


@keras.saving.register_keras_serializable(package="tfglue")
class LegacyStiltsSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The rate that the code of Phang et al. (2018) really trained with.

    It schedules twice: its optimizer multiplies the rate by f(i / n), i being the update of the
    run, and its loop by f(j / n), j being the update of the epoch, where f(x) = x / w while x < w,
    else 1 - x. So the rate falls to 0 and warms up anew with every epoch. It explains published
    numbers; for new work use `WarmupSchedule`.

    Args:
        peak: highest learning rate; never quite reached.
        warmup: w, the share of all updates that is warm-up.
        total_updates: n.
        updates_per_epoch: after so many updates j is 0 again.
    """

    def __init__(self, peak: float, warmup: float, total_updates: int, updates_per_epoch: int):
        super().__init__()
        self.peak = peak
        self.warmup = warmup
        self.total_updates = total_updates
        self.updates_per_epoch = updates_per_epoch

    def __call__(self, step):
        step = ops.cast(step, "float32")
        of_epoch = ops.mod(step, float(self.updates_per_epoch))
        return self.peak * self._factor(of_epoch) * self._factor(step)

    def _factor(self, step):
        done = step / self.total_updates
        falling = ops.maximum(1 - done, 0.0)
        return ops.where(done < self.warmup, done / max(self.warmup, 1e-12), falling)

    def get_config(self):
        return {
            "peak": self.peak,
            "warmup": self.warmup,
            "total_updates": self.total_updates,
            "updates_per_epoch": self.updates_per_epoch,
        }


def _warmup_updates(warmup: float, total_updates: int) -> int:
    return round(warmup * total_updates) if warmup < 1 else round(warmup)


def _linear(peak, warmup, total, per_epoch):
    return WarmupSchedule(peak, _warmup_updates(warmup, total), total)


def _constant(peak, warmup, total, per_epoch):
    return WarmupSchedule(peak, _warmup_updates(warmup, total), total, decay=False)


def _legacy_stilts(peak, warmup, total, per_epoch):
    share = warmup if warmup < 1 else warmup / max(total, 1)
    return LegacyStiltsSchedule(peak, share, max(total, 1), per_epoch)


SCHEDULES: Registry[Callable[..., keras.optimizers.schedules.LearningRateSchedule]] = Registry(
    "schedule"
)
SCHEDULES.add("linear", _linear)
SCHEDULES.add("constant", _constant)
SCHEDULES.add("legacy_stilts", _legacy_stilts)


def build_schedule(
    name: str, peak: float, warmup: float, total_updates: int, updates_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The named schedule; a `warmup` under 1 is a share of all updates, else a number of them."""
    return SCHEDULES.get(name)(peak, warmup, total_updates, updates_per_epoch)
