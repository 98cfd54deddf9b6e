"""Tables and counts of an ensemble, against members whose answers are chosen."""

import csv
import json

import numpy as np
import pytest

from tfglue.data.examples import TextExamples
from tfglue.ensemble_plot import _short
from tfglue.ensemble_report import EnsembleReport
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.rows import ClassPredictions, ScorePredictions
from tfglue.tasks.task import Task

TASK = Task("mood", "classify", ("text",), ("accuracy", "macro_f1"), labels=("bad", "fair", "good"))
SCORE = Task("near", "regress", ("text",), ("pearson",))
TEXTS = ["one", "one two", "one two three", "a, b", "one two three four five six"]
GOLD = np.array([0, 1, 2, 0, 1], np.int32)
# Class by class how likely each member finds it; the answers are 0 1 1 2 1, 0 2 2 2 0, 0 0 1 0 1.
LIKELY = {
    "first": [[7, 2, 1], [1, 8, 1], [0, 6, 4], [3, 1, 6], [2, 7, 1]],
    "second": [[6, 3, 1], [1, 2, 7], [1, 1, 8], [3, 1, 6], [6, 3, 1]],
    "third": [[8, 1, 1], [6, 3, 1], [1, 6, 3], [7, 1, 2], [1, 8, 1]],
}


def predictions(likely, labels=GOLD):
    examples = TextExamples(
        ids=[f"id{row}" for row in range(len(TEXTS))], origin="here", texts=(TEXTS,), labels=labels
    )
    logits = np.log(np.array(likely, np.float64) + 1e-9)
    losses = None if labels is None else np.full(len(TEXTS), 0.5, np.float32)
    return ClassPredictions(TASK, examples, Features(), Outputs(logits, losses))


class Features:
    """All that scores ask of rows."""

    loss_terms = np.ones(len(TEXTS), np.int64)


def report(labels=GOLD, mode="mean"):
    members = {name: predictions(likely, labels) for name, likely in LIKELY.items()}
    ensemble = predictions(np.mean([*LIKELY.values()], axis=0), labels)
    return EnsembleReport(members, ensemble, "dev", mode)


def table(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_scores_of_all_are_on_the_same_examples():
    found = report().metrics()
    assert found["main"] == {"mood": "accuracy"}
    accuracies = {
        name: own["accuracy"] for name, own in found["ensemble"]["members"].items()
    }
    assert accuracies == {"first": 0.6, "second": 0.4, "third": 0.6}
    # Means of rows: 7 2 1, 2.7 4.3 3, .7 4.3 5, 4.3 1 4.7, 3 6 1, so 0 1 2 2 1.
    assert found["mood"]["dev"]["accuracy"] == 0.8
    assert found["mood"]["dev"]["loss"] == 0.5


def test_examples_that_one_member_alone_gets_right():
    # Right: first 0 1 4, second 0 2, third 0 3 4; alone: 1, 2 and 3.
    found = report().metrics()["ensemble"]["right_answers"]
    assert (found["all"], found["any"], found["none"], found["ensemble"]) == (1, 5, 0, 4)
    assert found["only"] == {
        "first": {"examples": 1, "mean_words": 2.0, "ensemble_right": 1},
        "second": {"examples": 1, "mean_words": 3.0, "ensemble_right": 1},
        "third": {"examples": 1, "mean_words": 2.0, "ensemble_right": 0},
    }


def test_second_answers_where_the_best_is_wrong():
    found = report().second_best
    # Wrong: first 2 3 (seconds good, bad: right, right), second 1 3 4 (fair, bad, fair), third 1 2.
    assert [(own["wrong"], own["second_right"]) for own in found.values()] == [
        (2, 2), (3, 3), (2, 2), (1, 1)
    ]
    assert found["second"]["share"] == 1.0 and found["second"]["accuracy"] == 0.6


def test_tables_hold_every_answer(tmp_path):
    report().write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "metrics.json", "ensemble.csv", "ensemble.png", "errors.csv", "only_one_right.csv",
        "second_best.json", "predictions",
    }
    errors = table(tmp_path / "errors.csv")
    assert [row["id"] for row in errors] == ["id0", "id1", "id2", "id3", "id4"]
    assert [row["gold"] for row in errors] == ["bad", "fair", "good", "bad", "fair"]
    assert [row["second"] for row in errors] == ["bad", "good", "good", "good", "bad"]
    assert [row["second: right"] for row in errors] == ["1", "0", "1", "0", "0"]
    assert [row["ensemble: right"] for row in errors] == ["1", "1", "1", "0", "1"]
    assert errors[3]["text"] == "a, b" and errors[3]["words"] == "2"
    alone = table(tmp_path / "only_one_right.csv")
    assert [(row["id"], row["right"]) for row in alone] == [
        ("id1", "first"), ("id2", "second"), ("id3", "third")
    ]
    assert [row["words"] for row in alone] == ["2", "3", "2"]
    rows = table(tmp_path / "ensemble.csv")
    assert [row["run"] for row in rows] == ["first", "second", "third", "ensemble"]
    assert [row["alone_right"] for row in rows] == ["1", "1", "1", ""]
    predicted = (tmp_path / "predictions" / "mood" / "dev.tsv").read_text().splitlines()
    assert predicted[0] == "id\tlabel\tprobability_bad\tprobability_fair\tprobability_good"
    answers = [line.split("\t")[1] for line in predicted[1:]]
    assert answers == ["bad", "fair", "good", "good", "fair"]
    assert (tmp_path / "ensemble.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "metrics.json").read_text()) == report().metrics()


def test_the_table_names_every_run_and_what_was_gained():
    title, header, *rows, gain, right = report(mode="max").lines()
    assert title == "mood dev: 5 examples, mode max"
    assert header.split()[:4] == ["run", "accuracy", "macro_f1", "loss"]
    assert [row.split()[0] for row in rows] == ["first", "second", "third", "ensemble"]
    assert gain == "accuracy: ensemble +0.2000 against the best member"
    assert right == "right answers: 1 by all members, 5 by any, 0 by none"


def test_without_labels_there_are_predictions_alone(tmp_path):
    found = report(labels=None)
    found.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"metrics.json", "predictions"}
    assert found.lines() == ["mood dev: 5 examples, mode mean; no labels, so predictions alone"]
    assert found.metrics()["mood"] == {} and "right_answers" not in found.metrics()["ensemble"]


def test_scores_have_errors_and_nothing_right(tmp_path):
    gold = np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32)
    examples = TextExamples(ids=list("abcde"), origin="here", texts=(TEXTS,), labels=gold)

    def scored(values):
        outputs = Outputs(np.array(values, np.float32)[:, None], np.zeros(5, np.float32))
        return ScorePredictions(SCORE, examples, Features(), outputs)

    members = {"x": scored([1, 2, 3, 4, 6]), "y": scored([3, 2, 3, 4, 5])}
    EnsembleReport(members, scored([2, 2, 3, 4, 5.5]), "dev", "mean").write(tmp_path)
    errors = table(tmp_path / "errors.csv")
    assert [float(row["x: error"]) for row in errors] == [0, 0, 0, 0, 1]
    assert [float(row["ensemble: error"]) for row in errors] == [1, 0, 0, 0, 0.5]
    assert not (tmp_path / "only_one_right.csv").exists()
    assert not (tmp_path / "second_best.json").exists()


@pytest.mark.parametrize("labels", [GOLD, None])
def test_what_is_written_twice_is_the_same(tmp_path, labels):
    for name in ("a", "b"):
        report(labels).write(tmp_path / name)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_plot_leaves_out_what_names_have_in_common():
    assert list(_short(["runs/a/1", "runs/a/2"]).values()) == ["a/1", "a/2"]
    assert list(_short(["/x/runs/a", "/x/runs/b@3"]).values()) == ["runs/a", "runs/b@3"]
    assert list(_short(["a", "b"]).values()) == ["a", "b"]
    assert list(_short(["a", "/x/b"]).values()) == ["a", "/x/b"]
    assert [len(name) for name in _short(["a" * 80, "b" * 80]).values()] == [50, 50]
