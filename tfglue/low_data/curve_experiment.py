"""Learning curves from settings to their report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.experiment import written_out
from tfglue.files import check_writable
from tfglue.grid_run import training_grid
from tfglue.low_data.curve_budget import budget_lines
from tfglue.low_data.curve_config import MAY_CHANGE
from tfglue.low_data.curve_plan import TAUGHT_BY, CurvePlan, curve_folder, read_settings
from tfglue.low_data.curve_report import write_report
from tfglue.low_data.curve_training import CurveTraining
from tfglue.low_data.planned_runs import planned_curve
from tfglue.task_choice import Say


def learning_curve(
    settings: Mapping[str, Any],
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    say: Say = print,
) -> None:
    """Prints the budget, trains what is left to train, and writes the report after every run.

    Args:
        settings: checked, as `CurvePlan` takes them; with `resume` those of the folder hold.
        folder: of the learning curves.
        resume: go on with those in the folder.
        overwrite: replace them.
        dry_run: print the budget alone.
        say: takes each line of what is going on.

    Raises:
        UserError: for any mistake in settings, data, encoders or runs; nothing has been trained
            then.
        Interrupted: by a signal; the message says how to go on.
    """
    folder = Path(folder)
    grid = curve_folder(folder)
    stored = read_settings(grid) if resume else {}
    plan = CurvePlan(stored | dict(settings))
    # Written out, so that what was asked for is the same however it was said.
    plan = CurvePlan({**plan.settings, **written_out(plan.training)})
    if dry_run and not resume:
        goes_on = False
    else:
        check_writable(folder)
        goes_on = grid.claim(resume=resume, overwrite=overwrite)
    if goes_on:
        now = {n: v for n, v in plan.settings.items() if n not in MAY_CHANGE}
        grid.check_same(now, stored)
    planned = planned_curve(plan, say)
    if goes_on:
        _check_teachers(planned.taught_by, grid.read().get(TAUGHT_BY, {}), folder)
    training = CurveTraining(plan, planned, folder, say)
    finished = training.finished() if goes_on else []
    if finished and plan.config.keep_weights == "all" and stored.get("keep_weights") != "all":
        raise UserError(
            f"--keep_weights all: weights of {len(finished)} finished trainings are gone; leave it "
            "out, or start other learning curves"
        )
    for line in budget_lines(plan, planned, finished, folder):
        say(line)
    if dry_run:
        return
    with training_grid(folder, ".curves.lock", "tfglue.learning_curve"):
        if not goes_on:
            grid.clear()
        grid.write(plan.settings | {TAUGHT_BY: planned.taught_by})
        _train(training, plan, folder, say)


def _check_teachers(now: Mapping[str, str], then: Mapping[str, str], folder: Path) -> None:
    if then and now.keys() != then.keys():
        raise UserError(
            f"--resume: {folder} was begun with teachers {', '.join(then)}, not {', '.join(now)}; "
            "put back what was there, or start other learning curves"
        )
    for name, digest in now.items():
        # Who names teachers in a recipe had none of them on record once.
        if then.get(name, digest) != digest:
            raise UserError(
                f"--resume: teacher {name} is not what it was when {folder} was begun; put it "
                "back, or name another folder"
            )


def _train(training: CurveTraining, plan: CurvePlan, folder: Path, say: Say) -> None:
    rows, lines = [], []
    for row, new in training.rows():
        rows.append(row)
        scored = any(row["score"] is not None for row in rows)
        if scored and (new or len(rows) == len(plan.cells)):
            lines = write_report(folder, plan, training.planned, rows)
    if not lines:
        raise UserError("every training diverged; lower --learning_rate or raise --warmup")
    for line in lines:
        say(line)
    say(f"written: {folder / 'learning_curve.png'}, its table and README.md beside it")
