"""Files changed by hand: `compare` and `submit` say one line or go on, and never trace back."""

import contextlib
import copy
import json
import math
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.scored_runs import ENCODER, write_run, write_series
from tfglue import compare, submit, tasks
from tfglue.errors import UserError
from tfglue.finished_run import FinishedRun
from tfglue.leaderboard_answers import answerable, owners
from tfglue.tasks.serialization import task_to_dict

GONE = object()
VALUES = (GONE, None, "x", "7", -1, 2.5, True, [1], {}, {"a": 1}, 10**400, math.nan)
FEW = (GONE, None, "x", [1])


def damages(content: Any, values=VALUES) -> Iterator[tuple[str, Any]]:
    """Copies of the content, each with one place taken out or put wrong, and what was done."""
    for way in list(_ways(content)):
        for value in values:
            damaged = copy.deepcopy(content)
            if not way:
                damaged = None if value is GONE else value
            else:
                place = damaged
                for step in way[:-1]:
                    place = place[step]
                if value is GONE:
                    del place[way[-1]]
                else:
                    place[way[-1]] = value
            yield f"{way}: {'gone' if value is GONE else str(value)[:20]}", damaged


def _ways(content: Any, way: tuple = ()) -> Iterator[tuple]:
    yield way
    if isinstance(content, dict | list):
        for step in content if isinstance(content, dict) else range(len(content)):
            yield from _ways(content[step], (*way, step))


def one_line_or_done(capsys, command, argv, what: str) -> bool:
    """Runs the command, and returns whether it refused."""
    status = command.main([str(word) for word in argv])
    error = capsys.readouterr().err
    assert status == (2 if error else 0), what
    assert error == "" or (error.startswith("error: ") and error.count("\n") == 1), (what, error)
    return bool(error)


def test_restarts_put_wrong(tmp_path, capsys):
    series = write_series(tmp_path / "rte", "rte", {0: 0.55, 1: 0.47}, parents=("mnli",))
    other = write_series(tmp_path / "other", "rte", {0: 0.5, 1: 0.6})
    for path in (series, other):
        shutil.rmtree(path / "seeds")
    file = series / "restarts.json"
    refused = []
    for what, content in damages(json.loads(file.read_text())):
        file.write_text(json.dumps(content))
        if one_line_or_done(capsys, compare, [other, series], what):
            refused.append(what)
    for name in ("score", "seconds", "floor", "degenerate", "seed", "run"):
        assert f"('seeds', 1, '{name}'): [1]" in refused
    for name in ("score", "seconds", "floor"):
        assert f"('seeds', 0, '{name}'): 7" in refused


@pytest.mark.parametrize("name", ["metrics.json", "timing.json"])
def test_metrics_and_times_put_wrong(tmp_path, capsys, name):
    run = write_run(tmp_path / "rte", "rte", {"accuracy": 0.6, "loss": 0.7})
    whole = json.loads((run / name).read_text())
    refused = 0
    for what, content in damages(whole):
        (run / name).write_text(json.dumps(content))
        refused += one_line_or_done(capsys, compare, [run], what)
    assert refused > len(VALUES)


def test_plans_put_wrong(tmp_path, capsys):
    series = write_series(tmp_path / "rte", "rte", {0: 0.55, 1: 0.47})
    shutil.rmtree(series / "seeds")
    plan = {"format": "tfglue.experiment.v1", "settings": {"task": "rte", "seeds": 2}}
    refused = []
    for what, content in damages(plan):
        (series / "experiment.yaml").write_text(yaml.safe_dump(content))
        if one_line_or_done(capsys, compare, [series], what):
            refused.append(what)
    assert "('settings', 'seeds'): x" in refused and "(): [1]" in refused


def test_times_that_are_a_list_name_the_file(tmp_path, capsys):
    run = write_run(tmp_path / "rte", "rte", {"accuracy": 0.6})
    (run / "timing.json").write_text("[1]")
    assert compare.main([str(run)]) == 2
    error = capsys.readouterr().err
    assert f"{run}/timing.json: expected a mapping, not '[1]'; restore the file" in error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {}}, "config: 'max_length' is missing; restore the file"),
        ({"tasks": {}}, "'tasks' names no task"),
        ({"tasks": {"wnli": {"name": "wnli"}}}, "tasks: wnli: task: 'kind' is missing"),
        ({"tasks": {"rte": task_to_dict(tasks.get("wnli"))}}, "rte: is called 'wnli'"),
        ({"encoder": {"name": "tiny", "digest": "0", "config": ENCODER | {"num_heads": -1}}},
         "num_heads: expected at least 1, not -1"),
        ({"result": None}, "result: expected a mapping, not nothing"),
    ],
)
def test_a_damaged_run_is_not_submitted(tmp_path, capsys, change, message):
    run = write_run(tmp_path / "wnli", "wnli", {"accuracy": 0.6})
    content = yaml.safe_load((run / "run.yaml").read_text())
    (run / "run.yaml").write_text(yaml.safe_dump(content | change))
    argv = ["--runs", str(run), "--output", str(tmp_path / "out")]
    assert submit.main(argv) == 2
    error = capsys.readouterr().err
    assert f"{run}/run.yaml: " in error and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_yaml_put_wrong(tmp_path, capsys):
    run = write_run(tmp_path / "wnli", "wnli", {"accuracy": 0.6}, parents=("mnli",))
    whole = yaml.safe_load((run / "run.yaml").read_text())
    refused = []
    for what, content in damages(whole, FEW):
        (run / "run.yaml").write_text(yaml.safe_dump(content))
        if one_line_or_done(capsys, compare, [run], what):
            refused.append(what)
            continue
        with contextlib.suppress(UserError):
            answerable(owners([FinishedRun.named(str(run))]), None)
    assert "('config', 'data'): gone" in refused and "('parents', 0, 'tasks'): x" in refused
