"""What a matrix of transfer trains: every target from every source, and alone."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.files import read_yaml, write_text
from tfglue.flags import checked
from tfglue.form import check_form
from tfglue.resolution import resolve
from tfglue.task_choice import choose_tasks
from tfglue.tasks.task import Task
from tfglue.training_recipe import read_recipe
from tfglue.transfer.matrix_config import MatrixConfig

FORMAT = "tfglue.transfer_matrix.v1"
PLAN = "matrix.yaml"
ALONE = "none"
"""Stands for the source where a target is trained without one."""


@dataclass(frozen=True)
class Cell:
    """One training of a target.

    Args:
        target: task.
        source: task whose run it begins with, or `ALONE`.
        seed: of head, order and dropout.
    """

    target: str
    source: str
    seed: int

    @property
    def folder(self) -> Path:
        """Its run, relative to the matrix."""
        return Path("targets") / self.target / self.source / str(self.seed)


class MatrixPlan:
    """All trainings of a matrix, in the order they are done.

    Args:
        config: settings.

    Raises:
        UserError: too few tasks, an unknown one, or one that cannot be trained or has no data.
    """

    def __init__(self, config: MatrixConfig):
        self.config = config
        for name in (config.recipe, config.target_recipe):
            if name:
                read_recipe(name)
        self.sources = _names("sources", config.sources or config.tasks)
        self.targets = _names("targets", config.targets or config.tasks)
        for target in self.targets:
            if len([name for name in self.sources if name != target]) < 2:
                raise UserError(
                    f"--tasks: expected at least two sources beside the target {target}; name more"
                )

    @cached_property
    def cells(self) -> list[Cell]:
        """Every training of a target; those of the first seed first, alone before with a source."""
        seeds = range(self.config.seed, self.config.seed + self.config.seeds)
        return [
            Cell(target, source, seed)
            for seed in seeds
            for target in self.targets
            for source in (ALONE, *self.sources)
            if source != target
        ]

    @cached_property
    def declared(self) -> dict[str, Task]:
        """Task -> declaration, with the tags that were found in its data."""
        return {name: task for name, (task, _) in self._opened.items()}

    @cached_property
    def _opened(self) -> dict[str, tuple[Task, Any]]:
        names = dict.fromkeys((*self.sources, *self.targets))
        return {
            name: choose_tasks(self._common(name), lambda line: None)[0] for name in names
        }

    def source_settings(self, source: str) -> dict[str, Any]:
        """What training a source is given."""
        settings = {**self._common(source), "encoder": self.config.encoder}
        if self.config.source_examples:
            settings["train_examples"] = self.config.source_examples
        if self.config.recipe:
            settings["recipe"] = self.config.recipe
        return settings

    def target_settings(self, target: str, seed: int) -> dict[str, Any]:
        """What training a target is given, but for what it begins with."""
        settings = {
            **self._common(target), "seed": seed, "train_examples": self.config.target_examples,
        }
        recipe = self.config.target_recipe or self.config.recipe
        return settings | ({"recipe": recipe} if recipe else {})

    def _common(self, task: str) -> dict[str, Any]:
        settings = {
            "task": task, "data": self.config.data, "dev_examples": self.config.dev_examples,
            "seed": self.config.seed, "precision": self.config.precision,
        }
        return {name: value for name, value in settings.items() if value is not None}

    def budget(self) -> list[str]:
        """What all of it costs, in trainings and updates."""
        sources = [self._updates(name, self.source_settings(name)) for name in self.sources]
        of_target = {
            name: self._updates(
                name, {**self.target_settings(name, 0), "encoder": self.config.encoder}
            )
            for name in self.targets
        }
        updates = [of_target[cell.target] for cell in self.cells]
        return [
            f"{len(self.sources)} sources, {len(self.targets)} targets, {self.config.seeds} "
            f"seed{'s' if self.config.seeds > 1 else ''}: {len(sources)} trainings of sources, "
            f"{len(updates)} of targets ({len(self.targets) * self.config.seeds} of them alone)",
            f"updates: {sum(sources):,} of sources, {sum(updates):,} of targets",
            f"kept on disk: {len(self.sources)} encoders; targets keep their results, not their "
            "weights",
        ]

    def _updates(self, name: str, settings: Mapping[str, Any]) -> int:
        """Updates of one training; of questions and long sentences a little under the true number,
        since they have more windows than examples."""
        task, source = self._opened[name]
        config = resolve(settings, task)
        rows = len(source.read("train"))
        rows = min(rows, config.train_examples or rows)
        epoch = math.ceil(rows / (config.batch_size * config.accumulate))
        total = max(1, round(config.epochs * epoch))
        return total if config.max_steps is None else min(total, config.max_steps)

    def write(self, folder: Path) -> None:
        """Writes down what was asked for."""
        content = {"format": FORMAT, "settings": asdict(self.config)}
        write_text(folder / PLAN, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def check_same(self, folder: Path) -> None:
        """Raises UserError if the folder holds the matrix of other settings."""
        stored = read_settings(folder)
        for name, value in asdict(self.config).items():
            if stored.get(name) != value:
                raise UserError(
                    f"--resume: {name} was {stored.get(name)}, now {value} in {folder}; a matrix "
                    "goes on as it began: leave it out, or name another folder"
                )


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the matrix in a folder. Raises UserError if there is none."""
    path = folder / PLAN
    if not path.is_file():
        raise UserError(f"{folder}: holds no matrix (it has no {PLAN})")
    content = read_yaml(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT}; restore the file")
    check_form(content, {"settings": {str: object}}, str(path))
    known = {name: value for name, value in content["settings"].items() if value is not None}
    return asdict(MatrixConfig(**checked(known, MatrixConfig, where=str(path))))


def _names(flag: str, text: str | None) -> list[str]:
    if not text:
        raise UserError(f"--{flag} is needed, or --tasks for both")
    found = [task.name for task in tasks.expand(text)]
    for name in found:
        if tasks.get(name).predicted_by:
            raise UserError(f"--{flag}: {name} has no training data")
    return found


def claimed(plan: MatrixPlan, folder: Path, resume: bool, overwrite: bool) -> bool:
    """Whether the folder holds this very matrix already.

    Raises:
        UserError: it holds another, or one that neither flag speaks of.
    """
    there = (folder / PLAN).is_file()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output: {folder} is a file; name a folder")
    if folder.is_dir() and not there and any(folder.iterdir()):
        raise UserError(f"--output: {folder} is not empty and holds no matrix; name another folder")
    if resume and overwrite:
        raise UserError("--resume and --overwrite exclude each other; give one")
    if there and not (resume or overwrite):
        raise UserError(
            f"--output: {folder} holds a matrix; add --resume to go on with it, --overwrite to "
            "replace it, or name another folder"
        )
    if there and resume:
        plan.check_same(folder)
    return there and resume


def pairs(plan: MatrixPlan) -> Iterator[tuple[str, str]]:
    """Every (source, target) that are two."""
    for target in plan.targets:
        for source in plan.sources:
            if source != target:
                yield source, target

