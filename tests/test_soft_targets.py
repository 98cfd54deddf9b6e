"""Tables of predictions as targets: joined by id, and every gap said in one line."""

import numpy as np
import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.soft_targets import read_soft_targets

RTE = tasks.get("rte")
HEADER = "id\tlabel\tprobability_entailment\tprobability_not_entailment"
ROWS = ["0\tentailment\t0.75\t0.25", "1\tnot_entailment\t0.1\t0.9", "2\tentailment\t1.0\t0.0"]


def table(tmp_path, *lines):
    path = tmp_path / "train.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_are_joined_by_id_and_columns_by_label(tmp_path):
    swapped = "probability_not_entailment\tnote\tprobability_entailment\tid"
    path = table(tmp_path, swapped, "0.25\tx\t0.75\ta", "0.9\ty\t0.1\tb", "0\tz\t1\tc")
    found = read_soft_targets(path, RTE, ["c", "a"])
    assert np.array_equal(found, [[1.0, 0.0], [0.75, 0.25]])


@pytest.mark.parametrize("digits", [3, 4, 6])
def test_probabilities_with_few_digits_add_up_to_1_again(tmp_path, digits):
    exact = np.random.default_rng(0).dirichlet(np.ones(3), 200)
    header = "id\t" + "\t".join(f"probability_{label}" for label in tasks.get("mnli").labels)
    rows = [f"{n}\t" + "\t".join(f"{value:.{digits}f}" for value in row)
            for n, row in enumerate(exact)]
    found = read_soft_targets(table(tmp_path, header, *rows), tasks.get("mnli"),
                              [str(n) for n in range(200)])
    assert np.allclose(found.sum(axis=1), 1, atol=2e-6, rtol=0)
    assert np.allclose(found, exact, atol=2 * 10.0**-digits)


def test_scores_are_one_column(tmp_path):
    path = table(tmp_path, "id\tlabel\tscore", "x\t3.5\t3.5", "y\t0.25\t0.25")
    assert read_soft_targets(path, tasks.get("stsb"), ["y", "x"]).tolist() == [[0.25], [3.5]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, *ROWS[:2]], "no prediction for 1 of 3 training examples, id '2' the first"),
        ([HEADER], "no prediction for 3 of 3"),
        (["id\tlabel\tprobability_entailment"],
         "train.tsv:1: no column probability_not_entailment.*a teacher of rte must give every "
         r"class of it \(entailment, not_entailment\)"),
        ([f"{HEADER}\tprobability_neutral"],
         "train.tsv:1: probability_neutral is of a class that rte does not have"),
        (["label\tprobability_entailment"], "train.tsv:1: no column id"),
        (["id\tscore", "0\t1"], "no column probability_entailment"),
        ([HEADER, *ROWS, ROWS[0]], "train.tsv:5: id '0' comes twice"),
        ([HEADER, "0\tentailment\t0.75"], "train.tsv:2: expected 4 columns, found 3"),
        ([HEADER, "0\tentailment\tnan\t0.25"], "train.tsv:2: 'nan' is not a finite number"),
        ([HEADER, "0\tentailment\t0.75\t0.35"], "train.tsv:2: the probabilities do not add up"),
        ([HEADER, "0\tentailment\t1.5\t-0.5"], "train.tsv:2: the probabilities do not add up"),
    ],
)
def test_what_is_missing_or_wrong_is_said_in_one_line(tmp_path, lines, message):
    with pytest.raises(UserError, match=message) as raised:
        read_soft_targets(table(tmp_path, *lines), RTE, ["0", "1", "2"])
    assert "\n" not in str(raised.value)


def test_ids_that_examples_share_cannot_be_joined(tmp_path):
    with pytest.raises(UserError, match="training examples share ids"):
        read_soft_targets(table(tmp_path, HEADER, *ROWS), RTE, ["0", "1", "1"])
