"""Importance: what is found where it is known what matters."""

import numpy as np
import pytest

from tuning.dimension import Dimension
from tuning.importance import LEAST, importance
from tuning.trial_record import FINISHED, TrialRecord

SPACE = {
    "learning_rate": Dimension("learning_rate", "log", 1e-5, 1e-2),
    "warmup": Dimension("warmup", "uniform", 0.0, 0.3),
    "schedule": Dimension("schedule", "choice", values=("linear", "constant")),
}


def records(count, score):
    random = np.random.default_rng(1)
    made = []
    for trial in range(count):
        values = {
            "learning_rate": 1e-5 * 1000 ** random.uniform(), "warmup": 0.3 * random.uniform(),
            "schedule": str(random.choice(["linear", "constant"])),
        }
        found = float(score(values, random))
        made.append(TrialRecord(trial, values, FINISHED, found, (found,), ("r",), 1.0, 1.0))
    return made


def test_the_parameter_that_matters_is_found():
    found = importance(records(60, lambda v, _: np.log10(v["learning_rate"])), SPACE)
    assert found.explained > 0.9
    assert found.permuted["learning_rate"] > 0.9
    assert max(found.permuted["warmup"], found.permuted["schedule"]) < 0.05
    assert found.rank_correlation["learning_rate"] == 1.0
    assert abs(found.rank_correlation["warmup"]) < 0.5
    assert found.rank_correlation["schedule"] is None


@pytest.mark.slow
def test_a_choice_of_words_is_found_too():
    found = importance(records(60, lambda v, _: v["schedule"] == "linear"), SPACE)
    assert max(found.permuted, key=found.permuted.get) == "schedule"


@pytest.mark.slow
def test_of_noise_nothing_is_explained():
    found = importance(records(60, lambda _, random: random.normal()), SPACE)
    assert found.explained < 0.1 and max(found.permuted.values()) < 0.2


def test_few_trials_or_equal_scores_say_nothing():
    assert importance(records(LEAST - 1, lambda v, _: v["warmup"]), SPACE) is None
    assert importance(records(LEAST, lambda v, _: 0.5), SPACE) is None
