"""Mistakes end the command in one line, before anything is trained."""

import importlib.abc
import shutil
import sys
from types import SimpleNamespace

import pytest

from tfglue.data.sources import SAMPLE_FOLDER
from tuning import search
from tuning.preflight import warn_of_seen_rows


def failed(argv, capsys):
    """The one line of standard error of a command that ends with status 2."""
    assert search.main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--task", "rtee"], "did you mean 'rte'?"),
        (["--tasks", "rte"], "did you mean '--task'?"),
        (["--task", "rte", "--tuner", "bayes"], "did you mean 'bayesian'?"),
        (["--task", "rte", "--model", "adapter_poler"], "did you mean 'adapter_pooler'?"),
        (["--task", "rte", "--trials", "0"], "--trials: must be at least 1, not 0"),
        (["--task", "rte", "--tune_split", "0.9"], "--tune_split: must be at most 0.5"),
        (["--task", "rte", "--workers", "0"], "--workers: must be at least 1"),
        (["--task", "rte", "--space", "lerning_rate=log:1:2"], "did you mean 'learning_rate'?"),
        (["--task", "rte", "--space", "learning_rate=log:1e-3:1e-5"], "a reversed range"),
        (["--task", "rte", "--objective", "acuracy"], "did you mean 'accuracy'?"),
        (["--task", "rte", "--resume"], "--resume needs --output"),
        (["--task", "rte", "--data", "/no/such/folder"], "/no/such/folder: no such folder"),
        (["--task", "rte", "--encoder", "bert_base_en_uncasd"], "did you mean"),
        (["--task", "rte", "--space", "max_length=int:64:600"], "tiny has 512 positions"),
        (["--task", "rte", "--space", "freeze=choice:none,encodr"], "did you mean 'encoder'?"),
        (["--task", "rte", "--tuner", "hyperband", "--epochs", "2.5"], "shares out whole epochs"),
        (["--task", "rte", "--tuner", "hyperband", "--epochs", "2"], "hyperband shares out"),
        (["--task", "rte", "--tuner", "hyperband", "--epochs", "9", "--evaluate_every", "4"],
         "hyperband pauses runs at the end of an epoch"),
        (["--task", "rte", "--space", "keep_layers=choice:bottom:1,bottom:99"], "N from 1 to 2"),
        (["--task", "rte", "--teachers", "/nosuch"], "/nosuch: no such run or table"),
        (["--task", "rte", "--text", "a.txt"], "unknown flag '--text'"),
        (["--task", "rte", "--output", "/dev/null/x"], "--output"),
        # What shows only where a model is made, and only with one of the values.
        (["--task", "rte", "--model", "adapter_pooler", "--space",
          "head.projected=choice:0,64,128"], "projected"),
        (["--task", "rte", "--model", "adapter", "--space",
          "adapter=choice:houlsby|pal|houlsby:layers=1+7"], "there is no layer 7"),
        (["--task", "rte", "--model", "adapter_pooler", "--space", "head.size=choice:0,8",
          "--space", "head.order=choice:projection_first,both"], "needs a size above 0"),
        (["--task", "ner", "--space", "head=choice:linear|convolution"], "convolution"),
        (["--task", "rte", "--space", "n_best_size=int:20:40"], "n_best_size: does not apply"),
        (["--task", "stsb", "--space", "balance=choice:false,true"], "--balance"),
    ],
)  # fmt: skip
def test_one_line_and_status_two(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "--space" not in argv:
        argv = [*argv, "--space", "learning_rate=log:1e-5:1e-3"]
    assert message in failed(argv, capsys)
    assert not list(tmp_path.glob("saved_models/**/run.yaml"))


@pytest.mark.parametrize("package", ["keras_tuner", "tensorboard", "scipy", "sklearn"])
def test_a_missing_package_comes_with_the_command_that_installs_it(package, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    error = failed(["--task", "rte"], capsys)
    assert 'pip install "tfglue[tune]"' in error or "pip install --upgrade" in error


class Refuses(importlib.abc.MetaPathFinder):
    """Stands for packages that are not there, or that cannot be loaded."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname == self.package:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)

    def __init__(self, package):
        self.package = package


@pytest.mark.parametrize(
    ("package", "message"),
    [("keras_tuner", "keras-tuner is not installed"), ("grpc", "No module named 'grpc'")],
)
def test_a_package_that_cannot_be_loaded_comes_with_the_command(
    package, message, capsys, monkeypatch
):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("tuning.session", "tuning.service"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Refuses(package), *sys.meta_path])
    error = failed(["--task", "rte"], capsys)
    assert message in error and 'pip install "tfglue[tune]"' in error


def test_a_folder_that_is_no_search(capsys, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "notes.txt").write_text("mine")
    error = failed(["--task", "rte", "--output", str(tmp_path / "x")], capsys)
    assert "exists and is not a search" in error


def test_two_searches_do_not_share_a_folder(capsys, tmp_path):
    from tfglue.folder_lock import locked

    with locked(tmp_path / "x", ".search.lock"):
        error = failed(["--task", "rte", "--output", str(tmp_path / "x")], capsys)
    assert "another process" in error


def test_a_best_that_could_not_be_scored_is_said_before_trials(capsys, tmp_path):
    (tmp_path / "RTE").mkdir()
    shutil.copy(SAMPLE_FOLDER / "RTE" / "train.tsv", tmp_path / "RTE")
    words = ["--task", "rte", "--data", str(tmp_path), "--output", str(tmp_path / "search")]
    assert "no dev split, on which the best" in failed(words, capsys)


@pytest.mark.parametrize(
    ("tune_splits", "updates", "named"),
    [
        ({"before": None, "last": None}, 10, ["before", "last"]),
        ({"before": 0.1, "last": 0.2}, 10, []),
        ({"before": 0.05, "last": 0.1}, 10, ["before"]),
        ({"before": 0.1, "last": None}, 0, []),
    ],
)
def test_whoever_trained_on_rows_that_trials_are_scored_on_is_named(tune_splits, updates, named):
    initial = SimpleNamespace(name="last", manifest={
        "parents": [
            {"run": "other", "tasks": ["mrpc"], "tune_split": None},
            {"run": "before", "tasks": ["rte"], "tune_split": tune_splits["before"]},
        ],
        "tasks": {"rte": {}}, "result": {"updates": updates},
        "config": {"tune_split": tune_splits["last"]},
    })
    plan = SimpleNamespace(task="rte", base={"tune_split": 0.1})
    said = []
    warn_of_seen_rows(plan, SimpleNamespace(initial=initial), said.append)
    assert [line.split()[1] for line in said] == named


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"KERASTUNER_ORACLE_IP": "127.0.0.1"}, "$KERASTUNER_ORACLE_PORT is not"),
        ({"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "8000"},
         "$KERASTUNER_TUNER_ID is not"),
        ({"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "http",
          "KERASTUNER_TUNER_ID": "chief"}, "$KERASTUNER_ORACLE_PORT: expected a number"),
        ({"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "8000",
          "KERASTUNER_TUNER_ID": "worker0"}, "--output is needed"),
        ({"KERASTUNER_ORACLE_PORT": "8000", "KERASTUNER_TUNER_ID": "chief"},
         "$KERASTUNER_ORACLE_IP is not"),
        ({"KERASTUNER_ORACLE_IP": "", "KERASTUNER_ORACLE_PORT": "8000",
          "KERASTUNER_TUNER_ID": "chief"}, "$KERASTUNER_ORACLE_IP is not"),
    ],
)  # fmt: skip
def test_variables_of_workers_are_whole(variables, message, capsys, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert message in failed(["--task", "rte"], capsys)
