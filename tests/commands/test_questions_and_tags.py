"""Questions and tags through the commands, as a user types them."""

import io
import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfglue import convert, evaluate, predict, tasks, train
from tfglue.data.sources import open_source
from tfglue.kept_predictions import KeptPredictions
from tfglue.run import Run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a tagging run and of a question-answering run, a few updates each."""
    root = tmp_path_factory.mktemp("runs")
    for task in ("ner", "squad2", "sst"):
        words = f"--task {task} --data sample --max_steps 3 --train_examples 40"
        assert train.main([*words.split(), "--output", str(root / task)]) == 0
    return root


def answers(monkeypatch, capsys, text, *argv):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert predict.main([*argv, "--input", "-"]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_a_question_is_answered_from_its_passage(runs, monkeypatch, capsys):
    passage = "Ada Lovelace wrote it in 1843, naïvely 😀."
    out = answers(monkeypatch, capsys, f"Who wrote it?\t{passage}\n", "--run", str(runs / "squad2"),
                  "--format", "json")
    record = json.loads(out)
    assert record["label"] == passage[record["start"] : record["end"]]
    assert 0 <= record["score"] <= 1


@pytest.mark.slow
def test_words_of_a_line_are_tagged_in_columns(runs, monkeypatch, capsys):
    out = answers(monkeypatch, capsys, "Ada met Grace .\nHello\n", "--run", str(runs / "ner"))
    lines = out.split("\n")
    assert [line.split("\t")[0] for line in lines[:4]] == ["Ada", "met", "Grace", "."]
    assert lines[4] == "" and lines[5].startswith("Hello\t")
    argv = ["--run", str(runs / "ner"), "--format", "json"]
    record = json.loads(answers(monkeypatch, capsys, "Ada met\n", *argv))
    assert record["words"] == ["Ada", "met"] and len(record["labels"]) == 2


@pytest.mark.slow
def test_a_split_goes_to_a_folder_of_the_run(runs, capsys):
    argv = ["--run", str(runs / "ner"), "--data", "sample", "--split", "test"]
    assert predict.main(argv) == 0 and predict.main(argv) == 0
    found = {path.name for path in (runs / "ner" / "predictions" / "ner" / "test").iterdir()}
    assert "predictions.txt" in found


@pytest.fixture
def copied(runs, tmp_path):
    """Runs of its own for a test that changes them."""
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "answers", "scores"),
    [
        ("squad2", "predictions.json", {"official.json", "answering.png", "answering.csv"}),
        ("ner", "predictions.txt", {"report.json"}),
    ],
)
def test_scores_stay_beside_the_answers_that_they_are_of_and_no_others(
    copied, capsys, task, answers, scores
):
    run = copied / task
    folder = run / "predictions" / task / "dev"
    argv = ["--run", str(run), "--data", "sample", "--split", "dev"]

    def standing():
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    trained = standing()
    assert scores < set(trained)
    assert predict.main(argv) == 0
    assert standing() == trained
    dev = open_source(tasks.get(task), "sample").read("dev", labelled=False)
    assert KeptPredictions(run).objection(task, "dev", dev) == ""

    head = run / "heads" / f"{task}.safetensors"
    save_file({name: -value for name, value in load_file(head).items()}, head)
    capsys.readouterr()
    assert predict.main(argv) == 2
    error = capsys.readouterr().err
    assert "add --overwrite" in error and str(folder) in error and error.count("\n") == 1
    assert standing() == trained
    assert predict.main([*argv, "--overwrite"]) == 0
    left = standing()
    assert not scores & set(left) and left[answers] != trained[answers]
    assert KeptPredictions(run).objection(task, "dev", dev) == ""


@pytest.mark.slow
def test_json_lines_are_kept_beside_the_table_and_go_with_it(copied, capsys):
    run = copied / "ner"
    place = run / "predictions" / "ner"
    argv = ["--run", str(run), "--data", "sample", "--split", "dev"]
    assert predict.main([*argv, "--format", "json"]) == 0
    lines = (place / "dev.jsonl").read_text().splitlines()
    assert set(json.loads(lines[0])) == {"id", "words", "labels", "probabilities"}
    noted = set(json.loads((place / "dev.json").read_text())["predictions"])
    assert noted == {".jsonl", "/predictions.txt", "/report.json"}
    head = run / "heads" / "ner.safetensors"
    save_file({name: -value for name, value in load_file(head).items()}, head)
    assert predict.main([*argv, "--overwrite"]) == 0
    assert not (place / "dev.jsonl").exists()


@pytest.mark.slow
def test_every_epoch_has_a_threshold_of_its_own_weights(tmp_path, capsys):
    # At a constant rate the first epoch of two is a run of one.
    words = "--task squad2 --data sample --schedule constant --warmup 0 --train_examples 64"
    for name, more in (("one", "--epochs 1 --save last"), ("two", "--epochs 2 --save all")):
        argv = [*words.split(), *more.split(), "--output", str(tmp_path / name)]
        assert train.main(argv) == 0
    one, first, second = (
        Run.open(tmp_path / name).calibration["squad2"]["null_score_diff_threshold"]
        for name in ("one", "two@1", "two@2")
    )
    assert one == first != second
    argv = ["--run", str(tmp_path / "two@1"), "--data", "sample", "--split", "dev"]
    assert predict.main(argv) == 0
    files = [tmp_path / folder / "predictions/squad2/dev/predictions.json"
             for folder in ("one", "two/epochs/1")]
    assert files[0].read_bytes() == files[1].read_bytes()
    calibration = tmp_path / "two/epochs/1/calibration.json"
    capsys.readouterr()
    for damage, message in (
        (lambda: calibration.write_text('{"squad2": {}}'), "'null_score_diff_threshold' is miss"),
        (calibration.unlink, "null_score_diff_threshold is known for the final weights alone"),
    ):
        damage()
        assert predict.main(argv) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


@pytest.mark.slow
def test_files_of_their_own_form_are_read_as_such(runs, tmp_path, capsys):
    columns = tmp_path / "words.conll"
    columns.write_text("Ada NNP B-PER\nmet VBD O\n\n")
    assert predict.main(["--run", str(runs / "ner"), "--input", str(columns)]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert [line.split()[:2] for line in lines[:2]] == [["Ada", "NNP"], ["met", "VBD"]]
    questions = write_questions(tmp_path / "q.json")
    argv = ["--run", str(runs / "squad2"), "--input", questions]
    assert predict.main(argv) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("q1\t")
    assert evaluate.main(argv) == 0


@pytest.mark.slow
def test_evaluation_gives_what_training_gave(runs, capsys):
    for task in ("ner", "squad2"):
        assert evaluate.main(["--run", str(runs / task)]) == 0
        again = json.loads((runs / task / "evaluation.json").read_text())[task]["dev"]
        first = json.loads((runs / task / "metrics.json").read_text())[task]["dev"]
        assert again == pytest.approx(first, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target"),
    [("ner", "sst"), ("squad2", "ner"), ("ner", "squad2"), ("sst", "ner"), ("squad2", "stsb")],
)
def test_the_encoder_goes_over_to_another_kind(runs, tmp_path, source, target):
    words = f"--task {target} --data sample --init {runs / source} --max_steps 0"
    assert train.main([*words.split(), "--output", str(tmp_path / "x")]) == 0
    before, after = (load_file(folder / "encoder.safetensors")
                     for folder in (runs / source, tmp_path / "x"))
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [("sst", "ner"), ("squad2", "sst")])
def test_a_task_of_another_kind_is_trained_first(tmp_path, source, target):
    steps = tmp_path / "steps.yaml"
    steps.write_text("max_steps: 3\ntrain_examples: 40\n")
    words = f"--task {target} --intermediate {source} --data sample --train_examples 40"
    argv = [*words.split(), "--intermediate_recipe", str(steps), "--learning_rate", "1e-12",
            "--max_steps", "1", "--output", str(tmp_path / "run")]
    assert train.main(argv) == 0
    # The target's one update is too small to be seen.
    before, after = (load_file(folder / "encoder.safetensors")
                     for folder in (tmp_path / "run" / "steps" / f"1-{source}", tmp_path / "run"))
    assert all(np.allclose(before[name], after[name], atol=1e-9) for name in before)
    kept = sorted(path.name for path in (tmp_path / "run" / "heads").iterdir())
    assert kept == [f"{target}.safetensors"]


@pytest.mark.slow
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
        ({"answers": [], "is_impossible": True}, "--negatives false", "question 'q1'"),
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


@pytest.mark.slow
def test_negatives_are_as_asked_in_ones_own_files_too(tmp_path, capsys):
    questions = write_questions(tmp_path / "q.json", answers=[], is_impossible=True)
    words = ["--train_file", questions, "--task", "squad", "--output", str(tmp_path / "run")]
    assert train.main([*words, "--max_steps", "0"]) == 2
    assert "--negatives true or task squad2 does" in capsys.readouterr().err
    more = ["--negatives", "true", "--null_score_diff_threshold", "0", "--max_steps", "0"]
    assert train.main([*words, *more]) == 0
    assert evaluate.main(["--run", str(tmp_path / "run"), "--input", questions]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "message"),
    [("Who wrote it?\t ", "the context is blank"), (" \tAda wrote it.", "the question is blank")],
)
def test_what_is_typed_must_not_be_blank(runs, monkeypatch, capsys, line, message):
    typed = f"Who?\tAda.\n{line}\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
    assert predict.main(["--run", str(runs / "squad2"), "--input", "-"]) == 2
    error = capsys.readouterr().err
    assert f"standard input:2: {message}" in error and error.count("\n") == 1


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
