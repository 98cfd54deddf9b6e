"""The picture of when to answer, and the numbers behind it."""

import csv

import numpy as np
import pytest

from tests.reference.perturbed_answers import drawn_answers, drawn_dataset
from tfglue.errors import UserError
from tfglue.metrics.answering_curve import answering_curve
from tfglue.metrics.classification import average_precision
from tfglue.metrics.question_scores import QuestionScores
from tfglue.metrics.span import question_scores, squad_scores
from tfglue.metrics.span_plot import plot_answering


def drawn(unanswerable, number=200):
    data = drawn_dataset(3, number, unanswerable)
    predictions, null_scores = drawn_answers(data, 3)
    questions = data[0]["paragraphs"][0]["qas"]
    golds = [[answer["text"] for answer in question["answers"]] for question in questions]
    ids = [question["id"] for question in questions]
    scores = question_scores([predictions[identity] for identity in ids], golds)
    numbers = np.array([null_scores[identity] for identity in ids])
    return scores, numbers, squad_scores(data, predictions, null_scores)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def test_every_row_is_what_answering_up_to_its_threshold_earns(tmp_path):
    scores, null_scores, official = drawn(0.5)
    plot_answering(scores, null_scores, tmp_path / "x.png", title="$t_1$", threshold=0.0)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    found = rows(tmp_path / "x.csv")
    assert [row["threshold"] for row in found] == sorted(set(null_scores))
    for row in found:
        chosen = null_scores <= row["threshold"]
        answerable = chosen & scores.has_answer
        assert row["has_answer"] == answerable.sum()
        assert row["no_answer"] == chosen.sum() - answerable.sum()
        for name, values in (
            ("exact", scores.exact), ("f1", scores.f1), ("oracle", scores.has_answer)
        ):
            earned = values[answerable].sum()
            assert row[f"precision_{name}"] == pytest.approx(earned / chosen.sum(), abs=1e-8)
            assert row[f"recall_{name}"] == pytest.approx(
                earned / scores.has_answer.sum(), abs=1e-8
            )
    for name in ("exact", "f1", "oracle"):
        area, last = 0.0, 0.0
        for row in found:
            area += row[f"precision_{name}"] * (row[f"recall_{name}"] - last)
            last = row[f"recall_{name}"]
        assert 100 * area == pytest.approx(official[f"pr_{name}_ap"], abs=1e-5)


def test_the_oracle_is_average_precision_of_telling_the_kinds_apart():
    scores, null_scores, _ = drawn(0.4)
    curve = answering_curve(scores.has_answer, scores.has_answer, null_scores)
    # scikit-learn's definition is independent of the script's and equal to it.
    expected = average_precision(scores.has_answer.astype(int), -null_scores)
    assert curve.average_precision == pytest.approx(expected, abs=1e-9)
    assert (curve.threshold[0], curve.precision[0], curve.recall[0]) == (-np.inf, 1, 0)
    assert curve.recall[-1] == 1


def test_average_precision_by_hand():
    assert average_precision(np.array([0, 1, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])) == (
        pytest.approx(0.5 * (1 / 2) + 0.5 * (2 / 3), abs=1e-12)
    )
    assert average_precision(np.zeros(3, int), np.arange(3)) == 0


def test_one_kind_of_question_or_one_score(tmp_path):
    scores, null_scores, _ = drawn(0.0, number=20)
    plot_answering(scores, np.zeros(20), tmp_path / "new" / "x.png", title="")
    (row,) = rows(tmp_path / "new" / "x.csv")
    assert (row["has_answer"], row["no_answer"]) == (20, 0)
    assert row["recall_f1"] == pytest.approx(scores.f1.mean(), abs=1e-8)
    nothing = QuestionScores(scores.exact, scores.f1, np.zeros(20, bool), np.ones(20, bool))
    with pytest.raises(UserError, match="no question has an answer"):
        plot_answering(nothing, null_scores, tmp_path / "y.png", title="")
    assert not (tmp_path / "y.csv").exists()
