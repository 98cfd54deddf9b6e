"""Questions and tags through the commands, as a user types them."""

import io
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tfglue import convert, evaluate, predict, train


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a tagging run and of a question-answering run, a few updates each."""
    root = tmp_path_factory.mktemp("runs")
    for task in ("ner", "squad2"):
        words = f"--task {task} --data sample --max_steps 3 --train_examples 40"
        assert train.main([*words.split(), "--output", str(root / task)]) == 0
    return root


def answers(monkeypatch, capsys, text, *argv):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert predict.main([*argv, "--input", "-"]) == 0
    return capsys.readouterr().out


def test_a_question_is_answered_from_its_passage(runs, monkeypatch, capsys):
    passage = "Ada Lovelace wrote it in 1843, naïvely 😀."
    out = answers(monkeypatch, capsys, f"Who wrote it?\t{passage}\n", "--run", str(runs / "squad2"),
                  "--format", "json")
    record = json.loads(out)
    assert record["label"] == passage[record["start"] : record["end"]]
    assert 0 <= record["score"] <= 1


def test_words_of_a_line_are_tagged_in_columns(runs, monkeypatch, capsys):
    out = answers(monkeypatch, capsys, "Ada met Grace .\nHello\n", "--run", str(runs / "ner"))
    lines = out.split("\n")
    assert [line.split("\t")[0] for line in lines[:4]] == ["Ada", "met", "Grace", "."]
    assert lines[4] == "" and lines[5].startswith("Hello\t")
    argv = ["--run", str(runs / "ner"), "--format", "json"]
    record = json.loads(answers(monkeypatch, capsys, "Ada met\n", *argv))
    assert record["words"] == ["Ada", "met"] and len(record["labels"]) == 2


def test_a_split_goes_to_a_folder_of_the_run(runs, capsys):
    argv = ["--run", str(runs / "ner"), "--data", "sample", "--split", "test"]
    assert predict.main(argv) == 0 and predict.main(argv) == 0
    found = {path.name for path in (runs / "ner" / "predictions" / "ner" / "test").iterdir()}
    assert "predictions.txt" in found


def test_evaluation_gives_what_training_gave(runs, capsys):
    for task in ("ner", "squad2"):
        assert evaluate.main(["--run", str(runs / task)]) == 0
        again = json.loads((runs / task / "evaluation.json").read_text())[task]["dev"]
        first = json.loads((runs / task / "metrics.json").read_text())[task]["dev"]
        assert again == pytest.approx(first, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "target"), [("ner", "sst"), ("squad2", "ner"), ("ner", "squad2")]
)
def test_the_encoder_goes_over_to_another_kind(runs, tmp_path, source, target):
    words = f"--task {target} --data sample --init {runs / source} --max_steps 0"
    assert train.main([*words.split(), "--output", str(tmp_path / "x")]) == 0
    before, after = (load_file(folder / "encoder.safetensors")
                     for folder in (runs / source, tmp_path / "x"))
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("task", "name"),
    [("ner", "BertForTokenClassification"), ("squad2", "BertForQuestionAnswering")],
)
def test_runs_are_written_for_transformers(runs, tmp_path, task, name):
    argv = ["--run", str(runs / task), "--output", str(tmp_path / "out")]
    assert convert.main(argv) == 0
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [name]
    transformers = pytest.importorskip("transformers", reason="needs the extra 'reference'")
    pytest.importorskip("torch", reason="needs the extra 'reference'")
    assert getattr(transformers, name).from_pretrained(tmp_path / "out")


def write_questions(path, **changes):
    question = {
        "id": "q1", "question": "Who wrote it?",
        "answers": [{"text": "Ada", "answer_start": 0}], "is_impossible": False,
    } | changes
    paragraph = {"context": "Ada wrote it.", "qas": [question]}
    path.write_text(json.dumps({"data": [{"title": "x", "paragraphs": [paragraph]}]}))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "flags", "message"),
    [
        ({"answers": [{"text": "Ada", "answer_start": 4}]}, "", "q1"),
        ({"answers": [], "is_impossible": True}, "--task squad", "q1"),
        ({"question": "Who " * 90}, "--max_length 20", "leaves no room for the passage"),
        ({"question": " "}, "", "blank"),
        ({}, "--null_score_diff_threshold tunned", "did you mean 'tuned'"),
        ({}, "--labels tags.txt", "--labels"),
    ],
)
def test_mistakes_about_questions_get_one_line(tmp_path, capsys, changes, flags, message):
    file = write_questions(tmp_path / "q.json", **changes)
    argv = ["--train_file", file, "--dev_file", file, "--output", str(tmp_path / "run")]
    assert train.main([*argv, *flags.split()]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "flags", "message"),
    [
        ("Ada B-PER\nmet\n\n", "", "words.conll:2"),
        ("Ada B-PER\nmet B-FOO\n\n", "--task ner", "words.conll:2"),
        ("", "", "there are no words"),
    ],
)
def test_mistakes_about_tags_get_one_line(tmp_path, capsys, text, flags, message):
    file = tmp_path / "words.conll"
    file.write_text(text)
    argv = ["--train_file", str(file), "--kind", "tag", "--output", str(tmp_path / "run")]
    assert train.main([*argv, *flags.split()]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
