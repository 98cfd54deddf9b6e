"""Which data the intermediate tasks of a chain get, and when none are named."""

import pytest
import yaml

from tfglue import train

TARGET = ["--epochs", "1", "--batch_size", "8", "--max_length", "32", "--seed", "3"]
NLI = "sentence1\tsentence2\tgold_label\n"


@pytest.fixture
def own(tmp_path):
    """A file of the user's own task."""
    path = tmp_path / "own.csv"
    rows = (f"a {'warm' if n % 2 else 'cold'} day {n},{n % 2}\n" for n in range(16))
    path.write_text("text,label\n" + "".join(rows))
    return path


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "step.yaml"
    path.write_text("epochs: 1\ntrain_examples: 16\nbatch_size: 8\n")
    return path


@pytest.fixture
def glue(tmp_path):
    """A folder of GLUE that holds MNLI alone."""
    folder = tmp_path / "GLUE" / "MNLI"
    folder.mkdir(parents=True)
    rows = "".join(f"a {n}\tb\t{('neutral', 'entailment')[n % 2]}\n" for n in range(16))
    for name in ("train", "dev_matched", "dev_mismatched"):
        (folder / f"{name}.tsv").write_text(NLI + rows)
    return folder.parent


def trained(tmp_path, own, recipe, *words):
    """Trains the user's own task through others and returns the two runs' settings and data."""
    output = tmp_path / "run"
    argv = ["--train_file", own, *TARGET, "--intermediate_recipe", recipe, "--output", output]
    assert train.main([str(word) for word in [*argv, *words]]) == 0
    (step,) = (output / "steps").iterdir()
    return [yaml.safe_load((run / "run.yaml").read_text()) for run in (step, output)]


def origin(manifest, task):
    return manifest["data"][task]["train"]["origin"]


def fails(capsys, *argv):
    capsys.readouterr()
    assert train.main([str(word) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.mark.slow
def test_data_is_of_the_intermediate_tasks_of_an_own_target(tmp_path, own, recipe):
    words = ("--intermediate", "cola", "--data", "sample")
    step, target = trained(tmp_path, own, recipe, *words)
    assert step["config"]["data"] == "sample" and "CoLA" in origin(step, "cola")
    assert target["config"]["data"] is None and origin(target, "own") == str(own)
    assert [parent["tasks"] for parent in target["parents"]] == [["cola"]]
    assert train.main(["--output", str(tmp_path / "run"), "--resume"]) == 0


@pytest.mark.slow
def test_glue_dir_serves_the_intermediate_tasks_that_it_holds(
    tmp_path, own, recipe, glue, monkeypatch, capsys
):
    monkeypatch.setenv("GLUE_DIR", str(glue))
    step, _ = trained(tmp_path, own, recipe, "--intermediate", "mnli")
    assert origin(step, "mnli") == str(glue / "MNLI" / "train.tsv")
    words = ("--train_file", own, "--output", tmp_path / "other", "--intermediate")
    assert "$GLUE_DIR" in fails(capsys, *words, "cola")
    assert "--intermediate snli: its data are not named" in fails(capsys, *words, "mnli,snli")
    assert not (tmp_path / "other").exists()


def test_the_sample_is_not_taken_unasked_before_data_of_the_users_own(tmp_path, own, capsys):
    output = tmp_path / "run"
    words = ("--train_file", own, "--intermediate", "cola", "--output", output)
    error = fails(capsys, *words)
    assert "--intermediate cola: its data are not named" in error
    assert f"before files {own}; name them with --data" in error
    assert "no folder of task 'cola'" in fails(capsys, *words, "--data", tmp_path)
    assert not output.exists()


def test_nor_is_it_before_a_task_of_glue_dir(tmp_path, glue, monkeypatch, capsys):
    monkeypatch.setenv("GLUE_DIR", str(glue))
    words = ("--task", "mnli", "--intermediate", "snli", "--output", tmp_path / "run")
    assert "--intermediate snli: its data are not named" in fails(capsys, *words)


def test_without_intermediate_tasks_own_files_are_all_the_data(own, tmp_path, capsys):
    words = ("--train_file", own, "--data", "sample", "--output", tmp_path / "run")
    for more in ((), ("--seeds", "2")):
        assert "go together with --intermediate alone" in fails(capsys, *words, *more)
