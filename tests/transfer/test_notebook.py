"""The notebook runs from top to bottom."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "source_selection.ipynb"


def cells() -> list[str]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert content["nbformat"] == 4
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_is_python_and_holds_no_output():
    for cell in cells():
        ast.parse(cell)
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in content["cells"])


@pytest.mark.long
def test_the_notebook_runs(capsys):
    names: dict = {}
    for cell in cells():
        exec(compile(cell, str(NOTEBOOK), "exec"), names)
    out = capsys.readouterr().out
    assert "sources for rte, by text + task" in out
    assert "['recommendation.csv', 'recommendation.html', 'recommendation.json'" in out
    assert "rank of the best 1" in out
