"""A matrix of transfer from settings to its report."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfglue.files import check_writable
from tfglue.grid_run import training_grid
from tfglue.models.checkpoints import load_encoder
from tfglue.task_choice import Say
from tfglue.transfer.matrix_config import MatrixConfig
from tfglue.transfer.matrix_plan import MatrixPlan, matrix_folder, read_settings
from tfglue.transfer.matrix_report import write_report
from tfglue.transfer.matrix_scores import MatrixScores
from tfglue.transfer.matrix_training import SCORES, MatrixTraining
from tfglue.transfer.task_class import task_class


def transfer_matrix(
    settings: Mapping[str, Any],
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    say: Say = print,
) -> None:
    """Prints the budget, trains what is left to train, and writes the report.

    Args:
        settings: checked, by the names of `MatrixConfig`; with `resume` those of the folder hold.
        folder: of the matrix.
        resume: go on with the matrix in the folder.
        overwrite: replace it.
        dry_run: print the budget alone.
        say: takes each line of what is going on.

    Raises:
        UserError: for any mistake in settings, data or encoder; nothing has been trained then.
        Interrupted: by a signal; the message says how to go on.
    """
    folder = Path(folder)
    grid = matrix_folder(folder)
    stored = read_settings(grid) if resume else {}
    settings = {n: value for n, value in stored.items() if value is not None} | dict(settings)
    plan = MatrixPlan(MatrixConfig(**settings))
    for line in plan.budget():
        say(line)
    if dry_run:
        return
    check_writable(folder)
    goes_on = grid.claim(resume=resume, overwrite=overwrite)
    if goes_on:
        grid.check_same(asdict(plan.config), stored)
    else:
        # A wrong name is answered before a matrix is begun, or another one replaced.
        load_encoder(plan.config.encoder, plan.config.seed)
    with training_grid(folder, ".matrix.lock", "tfglue.transfer_matrix"):
        if not goes_on:
            grid.clear()
            grid.write(asdict(plan.config))
        training = MatrixTraining(plan, folder, say)
        training.run()
        _report(training, plan, folder, say)


def _report(training: MatrixTraining, plan: MatrixPlan, folder: Path, say: Say) -> None:
    library = training.library()
    classes = {name: task_class(task.kind) for name, task in plan.declared.items()}
    member = next(iter(library.members("text").values()))
    facts = {"settings": asdict(plan.config), "encoder": member.manifest["encoder"]}
    scores = MatrixScores.read(folder / SCORES)
    lines = write_report(folder, scores, training.predictions(), classes, library, facts)
    for line in lines:
        say(line)
    say(f"written: {folder / 'matrix.json'}, report.html and pictures beside it")

