"""Training learning curves, one run after the other, and going on where it stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.grid_run import train_unless_finished
from tfglue.low_data.curve_plan import Cell, CurvePlan
from tfglue.low_data.planned_runs import PlannedCurve, differences
from tfglue.low_data.sizes import Sizes
from tfglue.manifest import identity
from tfglue.run_folder import RunFolder
from tfglue.scored_row import scored_row
from tfglue.task_choice import Say
from tfglue.training.loop import Diverged
from tfglue.training.progress import clock


class CurveTraining:
    """All runs of learning curves, in a folder.

    What is finished is never done again.

    Args:
        plan: what is trained.
        planned: what every training will be.
        folder: where.
        say: takes a line on every training.
    """

    def __init__(self, plan: CurvePlan, planned: PlannedCurve, folder: Path, say: Say):
        self.plan, self.planned, self.folder, self.say = plan, planned, Path(folder), say

    def finished(self) -> list[Cell]:
        """Trainings that are done.

        Raises:
            UserError: one of them is not what would be trained now: its data, encoder or settings
                were others.
        """
        return [cell for cell in self.plan.cells if self._is_finished(cell)]

    def rows(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Trains whatever is left; the row of every training, and whether it was trained now.

        Of one that diverges the row has no score.
        """
        cells, spent, expected = self.plan.cells, 0.0, 0.0
        finished = set(self.finished())
        left = sum(self.planned.run(cell).seconds for cell in cells if cell not in finished)
        for number, cell in enumerate(cells, start=1):
            if cell not in finished:
                self.say(f"{number} of {len(cells)}: {cell}")
                settings = self.plan.cell_settings(cell.start, cell.size, cell.seed)
                measured, seconds = self.planned.run(cell).seconds, None
                try:
                    seconds = train_unless_finished(settings, self.folder / cell.folder)
                except Diverged as error:
                    self.say(f"  no score: {error}")
                except UserError as error:
                    raise UserError(f"{cell}: {error}") from None
                if seconds is None:
                    left -= measured
                    yield self._row_without_score(cell), True
                    continue
                # What is left takes as much longer than was measured as what is done has taken.
                spent, expected, left = spent + seconds, expected + measured, left - measured
                row = self._row(cell)
                pace = f", about {clock(left * spent / expected)} left" if left > 0.5 else ""
                self.say(f"  {row['metric']} {row['score']:.4f}; {clock(seconds)}{pace}")
                yield row, True
            else:
                yield self._row(cell), False

    def _is_finished(self, cell: Cell) -> bool:
        place = RunFolder(self.folder / cell.folder)
        if not place.is_finished():
            return False
        wanted = self.planned.run(cell).identity
        differ = differences(wanted, identity(place.manifest()), cell.seed)
        if differ:
            raise UserError(
                f"{place.path}: this run was trained with other {', '.join(differ)} than a run "
                "would be now; put back what was there, or start other learning curves"
            )
        return True

    def _row(self, cell: Cell) -> dict[str, Any]:
        """The row of a finished training, its weights gone if they are not to be kept."""
        place, task = RunFolder(self.folder / cell.folder), self.planned.task
        # A kill while weights are dropped leaves some of them.
        if self.plan.config.keep_weights == "none" and place.keeps_weights:
            place.drop_weights()
        return self._facts(cell) | scored_row(place, self.folder, task.name, task.main_metric)

    def _row_without_score(self, cell: Cell) -> dict[str, Any]:
        return self._facts(cell) | {
            "seed": cell.seed, "run": str(cell.folder), "score": None, "metrics": {}, "floor": None,
            "degenerate": None, "seconds": None, "updates": None,
        }

    def _facts(self, cell: Cell) -> dict[str, Any]:
        planned = self.planned.run(cell)
        return {
            "start": cell.start.name, "size": Sizes.name(cell.size), "examples": planned.examples,
            "share": planned.share, "metric": self.planned.task.main_metric,
        }
