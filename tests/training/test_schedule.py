import keras
import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.training.schedule import LegacyStiltsSchedule, WarmupSchedule, build_schedule


def reference(step, peak, warmup, total, decay):
    if step < warmup:
        return peak * step / warmup
    return peak * (total - step) / (total - warmup) if decay else peak


@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("warmup", [0, 7, 99])
def test_rates_equal_the_formula(warmup, decay):
    schedule = WarmupSchedule(2e-5, warmup, 100, decay)
    found = [float(schedule(step)) for step in range(100)]
    expected = [reference(step, 2e-5, warmup, 100, decay) for step in range(100)]
    assert np.allclose(found, expected, rtol=1e-6, atol=0)


def test_the_rate_ends_at_zero_and_stays_there():
    schedule = WarmupSchedule(1.0, 10, 100)
    assert float(schedule(100)) == 0
    assert float(schedule(150)) == 0


def test_warmup_is_a_share_under_one_and_a_number_of_updates_from_one_on():
    assert build_schedule("linear", 1.0, 0.1, 234, 78).warmup_updates == 23
    assert build_schedule("linear", 1.0, 30, 234, 78).warmup_updates == 30
    assert build_schedule("constant", 1.0, 0, 234, 78).decay is False


def test_an_unknown_schedule_gets_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'linear'"):
        build_schedule("liner", 1.0, 0.1, 10, 5)


def legacy_factor(share, warmup):
    return share / warmup if share < warmup else 1 - share


def test_legacy_stilts_schedules_twice_and_starts_anew_with_every_epoch():
    schedule = build_schedule("legacy_stilts", 2e-5, 0.1, 90, 30)
    expected = [
        2e-5 * legacy_factor(step / 90, 0.1) * legacy_factor(step % 30 / 90, 0.1)
        for step in range(90)
    ]
    found = [float(schedule(step)) for step in range(90)]
    assert np.allclose(found, expected, rtol=1e-5, atol=1e-12)
    assert found[0] == found[30] == found[60] == 0
    assert max(found[31:60]) < max(found[:30])


def test_legacy_stilts_takes_warmup_in_updates_too():
    by_share = build_schedule("legacy_stilts", 1.0, 0.1, 90, 30)
    by_number = build_schedule("legacy_stilts", 1.0, 9, 90, 30)
    assert float(by_share(40)) == pytest.approx(float(by_number(40)))


@pytest.mark.parametrize(
    "schedule", [WarmupSchedule(3e-5, 5, 50), LegacyStiltsSchedule(3e-5, 0.1, 50, 20)]
)
def test_it_survives_serialization(schedule):
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    assert float(again(20)) == float(schedule(20))
