"""Benchmarks import what there is, and the commands of the docs name them and their flags."""

import ast
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def defined(path: Path) -> set[str]:
    """Names at the top level of a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def missing(path: Path) -> list[str]:
    """What a file imports from our packages that is not there; nothing is imported for it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        if node.module.split(".")[0] not in ("tfglue", "tuning", "data_prep"):
            continue
        place = ROOT.joinpath(*node.module.split("."))
        module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        for alias in node.names:
            own = module.is_file() and alias.name in defined(module)
            part = place / alias.name
            if not own and not part.is_dir() and not part.with_suffix(".py").is_file():
                found.append(f"{node.module}.{alias.name}")
    return found


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_a_benchmark_imports_what_there_is(path):
    assert missing(path) == []


def test_a_missing_import_would_be_found(tmp_path):
    path = tmp_path / "old.py"
    path.write_text("from tfglue.models.heads import LinearHead, PooledHead\n")
    assert missing(path) == ["tfglue.models.heads.PooledHead"]


def commands() -> list[list[str]]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCS)
    text = re.sub(r"\\\n\s*", "", text)
    return [shlex.split(found) for found in re.findall(r"python (benchmarks/[^`\n|&;>#]+)", text)]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_a_command_of_the_docs_names_a_benchmark_and_its_flags(words):
    script, *rest = words
    assert (ROOT / script).is_file()
    source = (ROOT / script).read_text(encoding="utf-8")
    for word in rest:
        if word.startswith("--"):
            assert f'"{word}"' in source, word


def test_the_docs_name_benchmarks():
    assert len(commands()) > 5
