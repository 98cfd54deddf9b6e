"""The benchmark of intermediate tasks: which arms it trains, and for how many updates."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Runs the benchmark, training left out, and returns the training commands by arm."""

    def run(*words):
        made = []
        monkeypatch.setattr(subprocess, "run", lambda command, check: made.append(command))
        folders = ["--output", tmp_path / "arms", "--results", tmp_path / "results.json"]
        words = ["stilts.py", "--encoder", "E", "--data", "D", *folders, *words]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        runpy.run_path(str(ROOT / "benchmarks" / "stilts.py"), run_name="__main__")
        return {Path(command[command.index("--output") + 1]).name: command for command in made}

    return run


def test_all_arms_are_trained_unless_some_are_chosen(commands):
    assert list(commands()) == ["direct", "nli", "other", "long"]
    assert list(commands("--arms", "other,direct")) == ["direct", "other"]


def test_the_long_arm_needs_no_chain_to_know_its_updates(commands):
    (command,) = commands("--arms", "long").values()
    published = json.loads((ROOT / "docs/results/stilts.json").read_text())["long"]["updates"]
    # 6,000 rows of SNLI and of MNLI once, the 2,490 of RTE three times, 32 at a time.
    assert published == 188 + 188 + 3 * 78
    for flag in ("--max_steps", "--evaluate_every"):
        assert command[command.index(flag) + 1] == str(published)
    assert "--intermediate" not in command


def test_an_unknown_arm_is_named(commands, capsys):
    with pytest.raises(SystemExit) as end:
        commands("--arms", "direct,nil")
    assert end.value.code == 2
    assert "--arms: there is no arm 'nil' (direct, nli, other, long)" in capsys.readouterr().err
