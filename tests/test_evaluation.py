"""Which tasks rank evaluations."""

from types import SimpleNamespace

import pytest

from tfglue.errors import UserError
from tfglue.evaluation import Evaluation

SCORES = {"a": 0.9, "b": 0.5, "c": 0.1}


class Scored(Evaluation):
    """Evaluations whose scores are given."""

    def calibration(self):
        return {}

    def answers(self, calibration):
        return {
            name: {"dev": SimpleNamespace(score=lambda value=value: {"main": value, "loss": 9.0})}
            for name, value in SCORES.items()
        }


def prepared(without_dev=()):
    return {
        name: SimpleNamespace(
            examples={"train": [1]} | ({} if name in without_dev else {"dev": [1]}),
            task=SimpleNamespace(main_metric="main"),
        )
        for name in SCORES
    }


@pytest.mark.parametrize(
    ("best_on", "without_dev", "expected"),
    [((), (), 0.5), (("a", "b"), (), 0.7), (("c",), (), 0.1), ((), ("a",), 0.3)],
)
def test_evaluations_are_ranked_by_the_mean_of_the_tasks_that_count(best_on, without_dev, expected):
    evaluation = Scored(prepared(without_dev), None, best_on)
    metrics, score = evaluation()
    assert score == pytest.approx(expected)
    assert {name: found["dev"]["main"] for name, found in metrics.items()} == SCORES


def test_a_task_without_dev_rows_cannot_rank():
    with pytest.raises(UserError, match="no dev rows"):
        Scored(prepared(without_dev=("b",)), None, ("b",))
