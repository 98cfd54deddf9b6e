"""Test sets and runs that several tests of submissions read."""

import shutil
from pathlib import Path

import pytest

from tests.leaderboard_runs import write_rows
from tfglue import tasks
from tfglue.run import Run


@pytest.fixture(scope="session")
def glue(tmp_path_factory) -> Path:
    """Test files with GLUE's numbers of rows for the tasks that tests here answer."""
    root = tmp_path_factory.mktemp("glue")
    for name in ("mnli", "ax", "stsb", "wnli"):
        task = tasks.get(name)
        for item in task.submissions:
            file = task.files[item.split]
            write_rows(root / task.folders[0] / file.name, file.text, file.rows)
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Makes untrained runs of tasks: their answers are as good as any here."""
    root = tmp_path_factory.mktemp("runs")

    def make(task: str) -> Path:
        if not (root / task).exists():
            Run.train(task=task, data="sample", max_steps=0, save="all", output=str(root / task))
        return root / task

    return make


@pytest.fixture
def copied(trained, tmp_path):
    """A run of its own for a test that changes it."""

    def copy(task: str) -> Path:
        path = tmp_path / "runs" / task
        shutil.copytree(trained(task), path)
        shutil.rmtree(path / "predictions" / task, ignore_errors=True)
        return path

    return copy
