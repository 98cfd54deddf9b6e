"""The user's own SQuAD-like JSON as a task."""

import json

import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.tasks.files import task_from_files
from tfglue.tasks.serialization import task_from_dict, task_to_dict


def write(path, answerable=2, unanswerable=0, **changes):
    qas = []
    for number in range(answerable + unanswerable):
        golds = [{"text": "Ada", "answer_start": 0}] if number < answerable else []
        qas.append({"id": f"q{number}", "question": "Who?", "answers": golds})
        if not golds:
            qas[-1]["is_impossible"] = True
    if qas:
        qas[-1].update(changes)
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": "Ada left", "qas": qas}]}]}))
    return str(path)


def test_json_files_are_questions_with_spans_for_answers(tmp_path):
    train, dev = write(tmp_path / "train.json", 3), write(tmp_path / "dev.JSON", 1)
    task, lines = task_from_files("mine", train, dev)
    assert (task.name, task.kind, task.negatives) == ("mine", "span", False)
    assert task.text_fields == ("question", "context")
    assert (task.metrics, task.labels) == (tasks.get("squad").metrics, ())
    assert lines == [
        "train: 3 questions, 0 of them unanswerable; dev: 1 questions, 0 of them unanswerable",
        "kind span (inferred), negatives false: every question has an answer",
    ]
    assert task_from_dict(task_to_dict(task)) == task


@pytest.mark.parametrize("unanswerable", [(1, 0), (0, 1)])
def test_any_question_without_an_answer_in_train_or_dev_makes_a_task_that_takes_them(
    tmp_path, unanswerable
):
    paths = [
        write(tmp_path / f"{split}.json", 1, count)
        for split, count in zip(("train", "dev"), unanswerable, strict=True)
    ]
    task, lines = task_from_files("mine", *paths)
    assert task.negatives
    assert lines[1].endswith("negatives true: some questions have no answer")


def test_a_test_file_decides_nothing_and_may_be_without_answers(tmp_path):
    train, test = write(tmp_path / "train.json"), write(tmp_path / "test.json", 1, 1)
    task, lines = task_from_files("mine", train, test_file=test)
    assert not task.negatives
    assert "test: 2 questions, 1 of them unanswerable" in lines[0]
    asked = {"id": "a", "question": "Who?"}
    content = {"data": [{"paragraphs": [{"context": "Ada", "qas": [asked]}]}]}
    (tmp_path / "test.json").write_text(json.dumps(content))
    _, lines = task_from_files("mine", train, test_file=test)
    assert lines[0].endswith("test: 1 questions, their answers unknown")
    (tmp_path / "dev.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"dev\.json: question 'a' .*no key 'answers'"):
        task_from_files("mine", train, str(tmp_path / "dev.json"))


def test_answerable_needs_both_sorts_of_questions(tmp_path):
    task, lines = task_from_files("mine", write(tmp_path / "a.json", 2, 1), kind="answerable")
    declared = tasks.get("squad2_answerable")
    assert (task.kind, task.negatives) == ("answerable", True)
    assert (task.labels, task.metrics) == (declared.labels, declared.metrics)
    assert lines[1].startswith("kind answerable (as asked), negatives true")
    for counts, told in [((2, 0), "2 questions, 0 of"), ((0, 2), "2 questions, 2 of")]:
        with pytest.raises(UserError, match=f"with and without an answer; there are {told}"):
            task_from_files("mine", write(tmp_path / "a.json", *counts), kind="answerable")


def test_a_declared_task_takes_such_files_and_no_tables(tmp_path):
    path = write(tmp_path / "train.json", 1, 1)
    squad2 = tasks.get("squad2")
    task, lines = task_from_files("squad2", path, base=squad2)
    assert task is squad2
    assert lines == ["train: 2 questions, 1 of them unanswerable"]
    (tmp_path / "rows.tsv").write_text("question\tlabel\na\tb\n")
    with pytest.raises(UserError, match=r"rows\.tsv: .*the name must end in \.json"):
        task_from_files("squad2", str(tmp_path / "rows.tsv"), base=squad2)
    with pytest.raises(UserError, match=r"train\.json: unknown format; .*\.tsv"):
        task_from_files("rte", path, base=tasks.get("rte"))


def test_all_problems_of_the_files_are_found_before_training(tmp_path):
    train = write(tmp_path / "train.json")
    wrong = {"answers": [{"text": "left", "answer_start": 0}]}
    for path in (train, write(tmp_path / "dev.json")):
        write(tmp_path / "dev.json")
        write(tmp_path / "train.json")
        with open(path, "r+", encoding="utf-8") as stream:
            content = json.load(stream)
            content["data"][0]["paragraphs"][0]["qas"][1].update(wrong)
            stream.seek(0)
            json.dump(content, stream)
        with pytest.raises(UserError, match=rf"{path}: question 'q1' .*'left' is not at char"):
            task_from_files("m", train, str(tmp_path / "dev.json"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "regress"}, r"--kind regress: \.json files hold questions, of the kinds span"),
        ({"kind": "spam"}, r"--kind spam: unknown; did you mean 'span'\? \(classify, regress"),
        ({"text_fields": ("question",)}, "--text_fields names columns; questions, words and tags"),
        ({"label_field": "label"}, "--label_field names columns; questions, words and tags"),
        ({"name": "a b"}, "--task 'a b': a task's name"),
        ({"name": "rte", "base": tasks.get("squad"), "kind": "answerable"},
         "task 'squad' is of kind span"),
    ],
)
def test_bad_flags_are_errors(tmp_path, options, message):
    train = write(tmp_path / "train.json")
    with pytest.raises(UserError, match=message):
        task_from_files(**{"name": "m", "train_file": train, **options})


def test_mixed_formats_and_tables_of_a_question_kind_are_errors(tmp_path):
    rows = tmp_path / "rows.tsv"
    rows.write_text("text\tlabel\na\tb\nc\td\n")
    told = r"rows\.tsv: questions are read from JSON; the name must end in \.json"
    with pytest.raises(UserError, match=told):
        task_from_files("m", write(tmp_path / "train.json"), str(rows))
    with pytest.raises(UserError, match=told):
        task_from_files("m", str(rows), kind="span")


def test_a_file_without_questions_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"train\.json: there are no questions in it"):
        task_from_files("m", write(tmp_path / "train.json", 0))
