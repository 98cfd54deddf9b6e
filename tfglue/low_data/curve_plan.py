"""What learning curves train: every start at every size with every seed."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.flags import checked
from tfglue.grid_folder import GridFolder
from tfglue.low_data.curve_config import ELSEWHERE, CurveConfig
from tfglue.low_data.sizes import Sizes
from tfglue.low_data.start import Start, read_starts

TAUGHT_BY = "taught_by"
"""Name under which a folder keeps the digests of its teachers."""


@dataclass(frozen=True)
class Cell:
    """One training.

    Args:
        start: what it begins with.
        size: one of the plan's sizes.
        seed: of head, order and dropout.
    """

    start: Start
    size: float
    seed: int

    @property
    def folder(self) -> Path:
        """Its run, relative to the learning curves; seeds lie as restarts do."""
        return Path("starts", self.start.name, Sizes.name(self.size), "seeds", str(self.seed))

    def __str__(self) -> str:
        return f"{self.start.name}, {Sizes.name(self.size)}, seed {self.seed}"


class CurvePlan:
    """All trainings, in the order they are done.

    Args:
        settings: ``start`` (a list of ``NAME=PLACE``), settings of `CurveConfig`, and those of
            every training by the names of `TrainConfig`.

    Raises:
        UserError: starts or sizes contradict themselves, or a setting has no place here.
    """

    def __init__(self, settings: Mapping[str, Any]):
        own = {item.name for item in fields(CurveConfig)}
        self.settings = dict(settings)
        for name in settings.keys() & ELSEWHERE.keys():
            raise UserError(f"--{name} does not go with learning curves: {ELSEWHERE[name]}")
        self.config = CurveConfig(**{n: v for n, v in settings.items() if n in own})
        self.starts = read_starts(settings.get("start", ()))
        self.sizes = Sizes.read(self.config.train_fraction, self.config.train_examples)
        self.training = {n: v for n, v in settings.items() if n not in own and n != "start"}
        if "," in self.training.get("task", ""):
            raise UserError(
                f"--task {self.training['task']}: learning curves are of one task; name one"
            )
        if self.training.get("max_steps") == 0:
            raise UserError("--max_steps 0: trains nothing; --dry_run prints the budget")
        if self.training.get("strategy") == "multi_worker":
            raise UserError("--strategy multi_worker trains one run at a time; use train")

    @property
    def seeds(self) -> range:
        """Seeds of every start at every size."""
        first = self.training.get("seed", 0)
        return range(first, first + self.config.seeds)

    @property
    def cells(self) -> list[Cell]:
        """Every training: whole curves with the first seed before the next, small sizes first."""
        return [
            Cell(start, size, seed)
            for seed in self.seeds for size in self.sizes.values for start in self.starts
        ]

    def cell_settings(self, start: Start, size: float, seed: int) -> dict[str, Any]:
        """What one training is given."""
        return {**self.training, **start.settings, self.sizes.setting: size, "seed": seed}


def curve_folder(path: Path) -> GridFolder:
    """The folder of learning curves."""
    return GridFolder(
        path, file="learning_curve.yaml", form="tfglue.learning_curve.v1", noun="learning curve"
    )


def read_settings(folder: GridFolder) -> dict[str, Any]:
    """The settings of the learning curves in a folder. Raises UserError if there are none."""
    stored = folder.read()
    where = str(folder.file)
    stored.pop(TAUGHT_BY, None)  # No setting, but compared with what teachers are now.
    starts = stored.pop("start", None)
    if not isinstance(starts, list):
        raise UserError(f"{where}: settings: start: expected a list; restore the file")
    own = {item.name for item in fields(CurveConfig)}
    return {
        "start": [str(start) for start in starts],
        **checked({n: v for n, v in stored.items() if n in own}, CurveConfig, where=where),
        **checked({n: v for n, v in stored.items() if n not in own}, TrainConfig, where=where),
    }
