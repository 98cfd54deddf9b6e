import keras
import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.training.schedule import WarmupSchedule, build_schedule


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
    assert build_schedule("linear", 1.0, 0.1, 234).warmup_updates == 23
    assert build_schedule("linear", 1.0, 30, 234).warmup_updates == 30
    assert build_schedule("constant", 1.0, 0, 234).decay is False


def test_an_unknown_schedule_gets_the_nearest_name():
    with pytest.raises(UserError, match="did you mean 'linear'"):
        build_schedule("liner", 1.0, 0.1, 10)


def test_it_survives_serialization():
    schedule = WarmupSchedule(3e-5, 5, 50)
    config = keras.optimizers.schedules.serialize(schedule)
    again = keras.optimizers.schedules.deserialize(config)
    assert float(again(20)) == float(schedule(20))
