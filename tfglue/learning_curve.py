"""``python -m tfglue.learning_curve``: scores against the size of the training set."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tfglue import tasks
from tfglue.command_line import Parser, quiet_tensorflow, run
from tfglue.config import TrainConfig
from tfglue.flags import add_flags, given
from tfglue.low_data.curve_config import ELSEWHERE, LEFT_OUT, CurveConfig
from tfglue.low_data.curve_plan import CurvePlan

_DESCRIPTION = """Train from several encoders or runs on growing parts of a task's training rows.

  python -m tfglue.learning_curve --task snli --data DATA --start plain=ENCODER \\
      --start refined=RUN --train_fraction 0.001,0.01,0.1,1 --seeds 3 --dry_run
      what it would cost; without --dry_run it is trained
  python -m tfglue.learning_curve --output FOLDER --resume
      go on where it stopped

Smaller parts lie in larger ones, and are the same rows for all starts and seeds. Settings of train
hold for every training. Writes learning_curve.png, its table as CSV and JSON, scores.csv (a row a
training) and README.md; every training is an ordinary run, of which results are kept."""

OUTPUT = "saved_models/learning_curve"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _learning_curve(argv))


def _learning_curve(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.learning_curve", _DESCRIPTION)
    parser.add_argument(
        "--start", action="append", default=argparse.SUPPRESS, metavar="NAME=PLACE",
        help="what a curve begins with: an encoder, or a finished run, whose encoder is taken; "
        "once for every curve",
    )
    add_flags(parser, CurveConfig)
    add_flags(parser, TrainConfig, leave_out=LEFT_OUT)
    for name in ELSEWHERE:
        # Known, so that who gives it hears what to give instead.
        parser.add_argument(f"--{name}", nargs="?", default=argparse.SUPPRESS,
                            help=argparse.SUPPRESS)
    parser.add_argument("--output", default=OUTPUT, help=f"folder [{OUTPUT}]")
    parser.add_argument("--resume", action="store_true", help="go on with those in --output")
    parser.add_argument("--overwrite", action="store_true", help="replace them")
    parser.add_argument("--dry_run", action="store_true", help="print the budget alone")
    flags = parser.parse_args(argv)
    of_training = {name: value for name, value in vars(flags).items() if name not in LEFT_OUT}
    settings = {
        **{name: value for name, value in vars(flags).items() if name in ("start", *ELSEWHERE)},
        **given(flags, CurveConfig),
        **given(argparse.Namespace(**of_training), TrainConfig),
    }
    if "task" in settings and "train_file" not in settings:
        tasks.expand(settings["task"])
    if not flags.resume:
        CurvePlan(settings)  # Mistakes are answered before TensorFlow is loaded.
    quiet_tensorflow()
    from tfglue.low_data.curve_experiment import learning_curve

    learning_curve(
        settings, Path(flags.output), resume=flags.resume, overwrite=flags.overwrite,
        dry_run=flags.dry_run,
    )


if __name__ == "__main__":
    raise SystemExit(main())
