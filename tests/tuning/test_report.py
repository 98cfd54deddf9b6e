"""What a report says of the best trial: commands that can be run as they are."""

import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tfglue.activations.store import write_manifest
from tfglue.command_line import Parser
from tfglue.config import TrainConfig
from tfglue.flags import add_flags, given
from tuning.plan import make_plan
from tuning.report import best_command
from tuning.report_text import report_lines
from tuning.search_folder import SearchFolder
from tuning.trial_record import FINISHED, TrialRecord

BEST = TrialRecord(3, {"learning_rate": 0.003}, FINISHED, 0.7, (0.7,), ("trials/0003",), 2.0, 9.0)
RUN = SimpleNamespace(manifest=lambda: {"config": {"epochs": 2.0, "seed": 5}})


@pytest.fixture
def store(tmp_path):
    form = {"layers": [0], "width": 4, "dtype": "float32", "tokens": "all", "projected": False}
    write_manifest(tmp_path, {
        "encoder": {"digest": "x", "name": "runs/encoder", "num_layers": 2}, "task": "rte",
        "max_length": 32, "form": form, "splits": {},
    })  # fmt: skip
    return str(tmp_path)


def settings_of(command):
    parser = Parser("train", "")
    add_flags(parser, TrainConfig)
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "tfglue.train"]
    return given(parser.parse_args(words[3:]), TrainConfig)


def commands(search, **train):
    plan = make_plan(search, {"task": "rte", "data": "sample", **train},
                     ["learning_rate=log:1e-4:1e-2"])
    return [settings_of(best_command(plan, BEST, RUN, all_rows)) for all_rows in (False, True)]


def test_the_best_is_made_again_in_a_folder_of_its_own():
    again, whole = commands({}, train_fraction=0.5, dev_examples=9)
    assert again["output"] == "saved_models/rte-best" != whole["output"]
    assert (again["learning_rate"], again["epochs"], again["seed"]) == (0.003, 2.0, 5)
    assert (again["tune_split"], again["train_fraction"], again["dev_examples"]) == (0.1, 0.5, 9)
    assert not {"tune_split", "train_fraction", "dev_examples"} & whole.keys()


def test_on_all_rows_a_store_of_some_rows_is_of_no_use_but_its_encoder_is(store):
    search = {"model": "adapter_pooler"}
    for rows in ({"train_fraction": 0.5}, {"train_examples": 20}, {"dev_examples": 9}):
        again, whole = commands(search, activations=store, **rows)
        assert again["activations"] == store and "activations" not in whole
        assert (whole["init"], whole["freeze"]) == ("runs/encoder", "encoder")
        assert whole["head"] == again["head"]
    again, whole = commands(search, activations=store)
    assert again["activations"] == whole["activations"] == store


@pytest.mark.parametrize("metric", ["f1", "accuracy_and_f1", "loss"])
def test_the_table_is_one(metric):
    plan = make_plan({"objective": metric}, {"task": "mrpc", "data": "sample"},
                     ["learning_rate=log:1e-4:1e-2"])
    other = replace(BEST, trial=12, score=0.5, scores=(0.5,), seconds=1234.5)
    one = {"mean": 0.7, "std": None}
    report = {"by_status": {"finished": 2}, "trials": 2, "epochs": 4.0, "seconds": 9.0, "dev": {},
              "settings_scored_on_dev": [3], "importance": None,
              "best": {"trial": 3, "values": {}, "tune": one, "command": "", **dict.fromkeys(
                  ("run", "command_on_all_rows"), "")}}
    _, header, *rows = report_lines(plan, SearchFolder("s"), report, [BEST, other])[:4]
    ends = [header.index(name) + len(name) for name in ("trial", metric, "epochs", " s")]
    best, worse = ("0.5000", "0.7000") if metric == "loss" else ("0.7000", "0.5000")
    for row, score in zip(rows, (best, worse), strict=True):
        assert row[: ends[1]].split()[1] == score and row[: ends[1]].endswith(score)
        assert all(row[end] == " " != row[end - 1] for end in ends)
