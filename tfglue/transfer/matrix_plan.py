"""What a matrix of transfer trains: every target from every source, and alone."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.flags import checked
from tfglue.grid_folder import GridFolder
from tfglue.resolution import resolve
from tfglue.task_choice import choose_tasks
from tfglue.tasks.task import Task
from tfglue.training_recipe import read_recipe
from tfglue.transfer.matrix_config import MatrixConfig
from tfglue.transfer.task_class import check_embeddable

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


def matrix_folder(path: Path) -> GridFolder:
    """The folder of a matrix."""
    return GridFolder(path, file="matrix.yaml", form="tfglue.transfer_matrix.v1", noun="matrix")


def read_settings(folder: GridFolder) -> dict[str, Any]:
    """The settings of the matrix in a folder. Raises UserError if there is none."""
    known = {name: value for name, value in folder.read().items() if value is not None}
    return asdict(MatrixConfig(**checked(known, MatrixConfig, where=str(folder.file))))


def _names(flag: str, text: str | None) -> list[str]:
    if not text:
        raise UserError(f"--{flag} is needed, or --tasks for both")
    found = [task.name for task in tasks.expand(text)]
    for name in found:
        if tasks.get(name).predicted_by:
            raise UserError(f"--{flag}: {name} has no training data")
        check_embeddable(tasks.get(name))
    return found


def pairs(plan: MatrixPlan) -> Iterator[tuple[str, str]]:
    """Every (source, target) that are two."""
    for target in plan.targets:
        for source in plan.sources:
            if source != target:
                yield source, target

