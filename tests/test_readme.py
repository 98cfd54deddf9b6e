"""The README says what is true: its table of tasks, its commands and its Python."""

import re
import shlex
from pathlib import Path

import pytest

from tfglue import tasks
from tfglue.__main__ import COMMANDS
from tfglue.command_line import Parser
from tfglue.config import TrainConfig
from tfglue.flags import add_flags
from tfglue.training_recipe import RECIPES, read_recipe

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def task_table() -> str:
    """The README's table of tasks, from the declarations."""
    rows = ["| task | kind | text | main metric | aliases |", "|---|---|---|---|---|"]
    for name in tasks.names():
        task = tasks.get(name)
        kind = task.kind if task.kind == "regress" else f"{task.kind} ({len(task.labels)})"
        rows.append(
            f"| {name} | {kind} | {', '.join(task.text_fields)} | {task.main_metric} | "
            f"{', '.join(task.aliases)} |"
        )
    return "\n".join(rows)


def test_the_table_of_tasks_is_that_of_the_declarations():
    between = README.split("<!-- tasks -->")[1].split("<!-- /tasks -->")[0].strip()
    assert between == task_table()


def train_commands():
    text = README.replace("\\\n", " ")
    found = re.findall(r"python -m tfglue\.train ([^`\n|]+)", text)
    found += [f"--task sst {flags}" for flags in re.findall(r"`(--[a-z_]+ [^`]*)`", text)
              if not flags.startswith(("--encoder", "--data", "--help", "--output"))]
    return found


@pytest.mark.parametrize("flags", train_commands())
def test_every_training_command_parses(flags):
    from tfglue.flags import given

    parser = Parser("train", "")
    add_flags(parser, TrainConfig)
    assert given(parser.parse_args(shlex.split(flags)), TrainConfig)


def test_the_readme_names_every_command():
    assert len(train_commands()) >= 8
    for command in COMMANDS:
        assert f"python -m tfglue.{command}" in README


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid_and_opens_with_its_command(path):
    assert read_recipe(path.stem).of("rte")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("#") and "python -m tfglue.train" in text and "measured" in text
    assert f"--recipe {path.stem}" in text
