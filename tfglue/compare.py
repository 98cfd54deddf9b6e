"""``python -m tfglue.compare``: experiments side by side, as table and plot."""

from collections.abc import Sequence

from tfglue.command_line import Parser, run
from tfglue.files import write_json, write_text
from tfglue.report_folder import report_folder

_DESCRIPTION = """Set experiments side by side: scores on dev, spread over restarts, differences.

  python -m tfglue.compare saved_models/rte saved_models/rte-2
  python -m tfglue.compare direct=runs/rte through_mnli=runs/rte-mnli --output runs/comparison
  python -m tfglue.compare --glue runs/cola runs/sst runs/rte

An experiment is a run, or the restarts of one (train --seeds N). Those of one task are compared
with the first of them: a paired t-test if they have the same seeds, else Welch's."""

FILES = ("comparison.csv", "comparison.json", "comparison.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _compare(argv))


def _compare(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.compare", _DESCRIPTION)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a run or of restarts, or NAME=FOLDER"
    )
    parser.add_argument(
        "--glue", action="store_true", help="overall GLUE score of experiments, one a task"
    )
    parser.add_argument("--output", help=f"folder for {', '.join(FILES)}")
    parser.add_argument("--overwrite", action="store_true", help="replace these files")
    flags = parser.parse_args(argv)
    folder = report_folder(flags.output, FILES, flags.overwrite) if flags.output else None
    from tfglue.comparison import Comparison
    from tfglue.experiment_reading import read_experiments
    from tfglue.glue_score import GlueScore

    experiments = read_experiments(flags.runs)
    glue = GlueScore(experiments) if flags.glue else None
    comparison = Comparison(experiments)
    print("\n".join(comparison.lines()))
    if glue:
        print("\n".join(glue.lines()))
    if folder is None:
        return
    from tfglue.comparison_plot import plot_comparison

    table, report, plot = (folder / name for name in FILES)
    write_text(table, comparison.csv())
    write_json(report, comparison.to_dict() | ({"glue": glue.to_dict()} if glue else {}))
    plot_comparison(comparison, plot)
    print(f"written: {', '.join(str(folder / name) for name in FILES)}")


if __name__ == "__main__":
    raise SystemExit(main())
