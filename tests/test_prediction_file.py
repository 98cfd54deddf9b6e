"""Predictions read back: whole ones are taken, damaged ones name the line."""

import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.prediction_file import read_answers

PREDICTED = "id\tlabel\tprobability_entailment\tprobability_not_entailment\n"


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("0\tentailment\t0.75\t0.25\n1\tentail", ":3: expected 4 columns, found 2"),
        ("0\tentailment\t0.75\t0.25\n", ":2: 1 rows, expected 2"),
        (
            "0\tentailment\t0.75\t0.25\n2\tentailment\t0.75\t0.25\n",
            ":3: expected id '1', found '2'",
        ),
        ("0\tneutral\t0.75\t0.25\n1\tentailment\t0.75\t0.25\n", ":2: unknown label 'neutral'"),
        ("0\tentailment\t0.25\t0.75\n1\tentailment\t0.75\t0.25\n", ":2: label 'entailment' is not"),
        ("0\tentailment\tnan\t0.25\n1\tentailment\t0.75\t0.25\n", ":2: 'nan' is not a finite"),
        ("0\tentailment\t7.5\t0.25\n1\tentailment\t0.75\t0.25\n", ":2: the probabilities do not"),
        ("0\tentailment\t0.75\t0.25\n" * 3, ":3: expected id '1', found '0'"),
    ],
)
def test_damaged_predictions_name_the_line(tmp_path, rows, problem):
    path = tmp_path / "test.tsv"
    path.write_text(PREDICTED + rows)
    with pytest.raises(UserError) as error:
        read_answers(path, tasks.get("rte"), ["0", "1"])
    assert str(error.value).startswith(f"{path}{problem}")


def test_predictions_of_another_task_are_told_by_their_columns(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text(PREDICTED)
    with pytest.raises(UserError, match=r"test.tsv:1: expected the columns id, label, score"):
        read_answers(path, tasks.get("stsb"), [])


def test_whole_predictions_give_the_labels_in_order(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text(PREDICTED + "a\tnot_entailment\t0.25\t0.75\nb\tentailment\t1.0\t3e-12\n")
    assert read_answers(path, tasks.get("rte"), ["a", "b"]) == ["not_entailment", "entailment"]
