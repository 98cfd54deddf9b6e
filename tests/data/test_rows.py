import numpy as np
import pytest

from tfglue import tasks
from tfglue.data.rows import read_examples
from tfglue.errors import UserError
from tfglue.tasks.tables import Table

RTE = tasks.get("rte")
COLUMNS = ("sentence1", "sentence2")


def read(path, text, task=RTE, columns=COLUMNS, label="label", **options):
    path.write_text(text)
    return read_examples(Table(path, **options), task, columns, label)


def test_rows_become_examples_in_file_order(tmp_path):
    text = "index\tsentence1\tsentence2\tlabel\n7\ta\tb\tnot_entailment\n3\tc\td\tentailment\n"
    examples = read(tmp_path / "t.tsv", text)
    assert examples.ids == ["7", "3"]
    assert examples.texts == (["a", "c"], ["b", "d"])
    assert examples.labels.tolist() == [1, 0]
    assert examples.labels.dtype == np.int32
    assert examples.origin == str(tmp_path / "t.tsv")


def test_ids_are_row_numbers_without_an_id_column(tmp_path):
    snli = tasks.get("snli")
    text = "sentence1\tsentence2\tlabel\na\tb\tneutral\nc\td\t-\ne\tf\tcontradiction\n"
    examples = read(tmp_path / "t.tsv", text, snli)
    assert examples.ids == ["0", "2"]
    assert examples.labels.tolist() == [1, 2]
    assert examples.skipped == 1


def test_rows_are_read_without_labels_where_none_is_asked_for(tmp_path):
    text = "sentence1\tsentence2\tlabel\na\tb\twhatever\n"
    assert read(tmp_path / "t.tsv", text, label=None).labels is None


def test_labels_are_read_as_files_and_as_people_write_them(tmp_path):
    text = "id\tsentence\tlabel\nx\ta\t1\ny\tb\tnegative\n"
    examples = read(tmp_path / "t.tsv", text, tasks.get("sst"), ("sentence",))
    assert examples.labels.tolist() == [1, 0]
    assert examples.ids == ["x", "y"]


def test_unknown_labels_are_told_with_file_and_line(tmp_path):
    text = "sentence1\tsentence2\tlabel\na\tb\tentailment\na\tb\tentailed\n"
    expected = (
        r"t\.tsv:3: unknown label 'entailed', expected one of entailment, not_entailment; "
        r"did you mean 'entailment'"
    )
    with pytest.raises(UserError, match=expected):
        read(tmp_path / "t.tsv", text)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        ("abc", r":3: score 'abc' is not a number"),
        ("nan", r":3: score 'nan' is not a number"),
        ("", r":3: score '' is not a number"),
        ("5.1", r":3: score 5\.1 is outside 0 to 5"),
    ],
)
def test_bad_scores_are_told_with_file_and_line(tmp_path, score, message):
    text = f"sentence1\tsentence2\tscore\na\tb\t3.75\na\tb\t{score}\n"
    with pytest.raises(UserError, match=message):
        read(tmp_path / "t.tsv", text, tasks.get("stsb"), label="score")


def test_scores_are_float32(tmp_path):
    text = "sentence1\tsentence2\tscore\na\tb\t3.8\na\tb\t0\n"
    labels = read(tmp_path / "t.tsv", text, tasks.get("stsb"), label="score").labels
    np.testing.assert_array_equal(labels, np.array([3.8, 0], np.float32), strict=True)


def test_one_blank_sentence_is_allowed_and_two_are_not(tmp_path):
    text = "sentence1\tsentence2\tlabel\na\t\tentailment\n \t\tentailment\n"
    with pytest.raises(UserError, match=r"t\.tsv:3: the text is blank"):
        read(tmp_path / "t.tsv", text)


def test_a_file_of_ignored_rows_alone_is_an_error(tmp_path):
    text = "sentence1\tsentence2\tlabel\na\tb\t-\n"
    with pytest.raises(UserError, match="no row is left to use"):
        read(tmp_path / "t.tsv", text, tasks.get("snli"))


def test_problems_can_be_collected_and_their_rows_left_out(tmp_path):
    found = []
    text = "sentence1\tsentence2\tlabel\na\tb\tno\n\t\tentailment\na\nc\td\tentailment\n"
    examples = read(tmp_path / "t.tsv", text, on_problem=found.append)
    assert examples.texts == (["c"], ["d"])
    assert [problem.split(":")[1] for problem in found] == ["2", "3", "4"]
