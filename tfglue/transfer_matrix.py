"""``python -m tfglue.transfer_matrix``: every target from every source, and who predicted it."""

from collections.abc import Sequence
from pathlib import Path

from tfglue import tasks
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.errors import UserError
from tfglue.flags import add_flags, given

_DESCRIPTION = """Train every target from every source, and score every way to predict the best one.

  python -m tfglue.transfer_matrix --tasks rte,mrpc,stsb,ner,squad2 --data DATA --encoder ENCODER \\
      --source_examples 4000 --target_examples 1000 --dev_examples 1000 --seeds 2 --dry_run
      what it would cost; without --dry_run it is trained
  python -m tfglue.transfer_matrix --output saved_models/transfer_matrix --resume
      go on where it stopped

Writes scores.csv (a row a training), matrix.json, methods.csv and choices.csv (how well TextEmb,
TaskEmb, estimators and baselines predicted them), pictures with their CSV, and report.html."""

OUTPUT = "saved_models/transfer_matrix"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _transfer_matrix(argv))


def _transfer_matrix(argv: Sequence[str] | None) -> None:
    from tfglue.transfer.matrix_config import MatrixConfig

    parser = Parser("python -m tfglue.transfer_matrix", _DESCRIPTION)
    add_flags(parser, MatrixConfig)
    parser.add_argument("--output", default=OUTPUT, help=f"folder [{OUTPUT}]")
    parser.add_argument("--resume", action="store_true", help="go on with the matrix in --output")
    parser.add_argument("--overwrite", action="store_true", help="replace it")
    parser.add_argument("--dry_run", action="store_true", help="print the budget alone")
    flags = parser.parse_args(argv)
    settings = given(flags, MatrixConfig)
    for name in ("tasks", "sources", "targets"):
        tasks.expand(settings.get(name) or "")
    if flags.dry_run and flags.resume:
        raise UserError("--dry_run and --resume exclude each other; give one")
    quiet_tensorflow()
    from tfglue.transfer.matrix_experiment import transfer_matrix

    transfer_matrix(
        settings, Path(flags.output), resume=flags.resume, overwrite=flags.overwrite,
        dry_run=flags.dry_run,
    )


if __name__ == "__main__":
    raise SystemExit(main())
