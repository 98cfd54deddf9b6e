"""Mistakes in commands on embeddings: one line, status 2, nothing trained."""

from dataclasses import asdict

import pytest

from tests.commands.test_bad_input import fails
from tests.transfer.made_library import write, write_bare
from tfglue import embed, train, transfer_matrix
from tfglue.transfer.matrix_config import MatrixConfig
from tfglue.transfer.matrix_plan import matrix_folder


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--method", "txt", "--task", "rte"], "did you mean 'text'?"),
        (["--method", "text"], "--task, --text or --train_file is needed"),
        (["--method", "task", "--task", "rte"], "needs --run"),
        (["--method", "text", "--task", "rtee"], "did you mean 'rte'?"),
        (["--method", "text", "--task", "rte", "--granularity", "token"],
         "--granularity does not go with --method text"),
        (["--method", "task", "--run", "x", "--per", "window"],
         "--per does not go with --method task"),
        (["--method", "task", "--run", "x", "--train_examples", "5"], "it was trained on"),
        (["--method", "text", "--text", "none.txt"], "none.txt: no such file"),
        (["--method", "text", "--task", "rte", "--run", "x", "--encoder", "tiny"],
         "exclude each other"),
        (["--method", "text", "--task", "rte", "--train_examples", "0"], "must be at least 1"),
        (["--method", "task", "--run", "x", "--draws", "5"], "--draws goes with --fisher sampled"),
        (["--method", "task", "--run", "x", "--epochs", "2", "--fisher", "sampled"],
         "--epochs goes with --finetune or --granularity batch"),
        (["--method", "task", "--run", "x", "--finetune", "head", "--learning_rate", "nan"],
         "--learning_rate: must be above 0"),
        (["--method", "task", "--run", "x", "--fisher", "sampled", "--seed", "-1"],
         "--seed: must be at least 0"),
        (["--method", "task", "--run", "x", "--fisher", "expected", "--granularity", "batch"],
         "use --fisher sampled, or another granularity"),
    ],
)
def test_embed(argv, message, capsys):
    assert message in fails(capsys, embed, *argv)


def test_texts_of_unequal_columns(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("one\ttwo\nthree\n")
    words = ["--method", "text", "--text", tmp_path / "a.txt"]
    assert "a.txt:2: expected one text or a tab-separated pair" in fails(capsys, embed, *words)
    (tmp_path / "a.txt").write_text("one\n \nthree\n")
    assert "a.txt:2: an empty text" in fails(capsys, embed, *words)


def test_a_folder_of_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    words = ["--method", "text", "--task", "rte", "--output", tmp_path, "--overwrite"]
    assert "holds other files" in fails(capsys, embed, *words)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--intermediate", "auto"], "needs --library"),
        (["--intermediate", "auto", "--library", "none"], "--library none: no such folder"),
        (["--intermediate", "mnli", "--library", "x"], "--library goes with --intermediate auto"),
        (["--center"], "--center goes with --intermediate auto"),
        (["--intermediate", "auto", "--library", "x", "--init", "run"], "not --init"),
    ],
)
def test_train(argv, message, capsys):
    assert message in fails(capsys, train, "--task", "rte", "--data", "sample", *argv)


def test_a_library_that_cannot_be_compared_with_is_refused(tmp_path, capsys):
    write(tmp_path / "mixed", "a", per="window")
    write(tmp_path / "mixed", "b", 1, per="question")
    write_bare(tmp_path / "bare", "mnli")
    words = ["--task", "rte", "--data", "sample", "--intermediate", "auto", "--output",
             tmp_path / "out", "--library"]
    assert "differ in per" in fails(capsys, train, *words, tmp_path / "mixed")
    assert "has no manifest.json, so the target" in fails(capsys, train, *words, tmp_path / "bare")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--sources is needed"),
        (["--tasks", "rte,sst"], "at least two sources"),
        (["--tasks", "rte,sst,ax"], "ax has no training data"),
        (["--tasks", "rte,sst,qnli_rank"], "candidates of a query share one loss"),
        (["--tasks", "rte,sst,mnlli"], "did you mean 'mnli'?"),
        (["--tasks", "rte,sst,mnli", "--seeds", "0"], "--seeds: must be at least 1"),
        (["--tasks", "rte,sst,mnli", "--recipe", "stiltz"], "did you mean 'stilts'?"),
        (["--resume", "--output", "none"], "holds no matrix"),
    ],
)
def test_matrix(argv, message, capsys):
    assert message in fails(capsys, transfer_matrix, *argv)


def test_a_matrix_of_an_unknown_encoder_is_not_begun_and_replaces_none(tmp_path, capsys):
    folder = tmp_path / "matrix"
    words = ["--tasks", "rte,sst,mrpc", "--data", "sample", "--encoder", "tinny", "--output",
             folder]
    assert "did you mean 'tiny'?" in fails(capsys, transfer_matrix, *words)
    assert not folder.exists()
    matrix_folder(folder).write(asdict(MatrixConfig(tasks="rte,sst,ner", data="sample")))
    (folder / "scores.csv").write_text("hours of training")
    assert "did you mean 'tiny'?" in fails(capsys, transfer_matrix, *words, "--overwrite")
    assert (folder / "scores.csv").is_file()
