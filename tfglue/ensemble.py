"""``python -m tfglue.ensemble``: several runs answer one task together."""

from collections.abc import Sequence
from pathlib import Path

from tfglue.command_line import Parser, run
from tfglue.ensemble_members import ENSEMBLE, EnsembleMembers
from tfglue.ensemble_report import FORMAT, EnsembleReport
from tfglue.errors import UserError
from tfglue.files import atomic_folder, check_writable, read_json
from tfglue.predictions.combination import MODES, check_mode

_DESCRIPTION = """Runs of one task answer together: their probabilities are combined by example.

  python -m tfglue.ensemble --runs saved_models/rte saved_models/rte-2 --output saved_models/both
  python -m tfglue.ensemble --runs HEAD_RUN ENCODER_RUN --mode max --data SQUAD --output both
      BERTVision's ensemble: a head on all layers, and the run whose encoder it reads
  python -m tfglue.ensemble --runs A B C@2 --task sst --data GLUE --split test --output out

OUTPUT gets predictions in the usual formats, metrics.json (ensemble and members), ensemble.csv and
.png, errors.csv (every example, every answer), only_one_right.csv, and second_best.json (classes
and spans). Members are asked anew; a split without labels gets predictions alone. Questions are
decoded by the settings of the first run, with the mean of the runs' null thresholds."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _ensemble(argv))


def _ensemble(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.ensemble", _DESCRIPTION)
    parser.add_argument(
        "--runs", nargs="+", required=True, metavar="RUN",
        help="two run folders or more, or RUN@epoch, RUN@task",
    )
    parser.add_argument(
        "--mode", default="mean",
        help=f"{', '.join(MODES)} of the probabilities, made to add up to 1 again, so that sum is "
        "mean; of scores the mean alone [mean]",
    )
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--task", help="task, where the runs have several in common")
    parser.add_argument("--data", help="as in training [the data each run was trained on]")
    parser.add_argument("--input", help="your own labelled file instead")
    parser.add_argument("--split", help="split to answer [dev]")
    parser.add_argument("--overwrite", action="store_true", help="replace the ensemble in --output")
    flags = parser.parse_args(argv)
    # What can be wrong is found before anything is computed.
    folder = _output(flags.output, flags.overwrite)
    members = EnsembleMembers.named(flags.runs, flags.task, flags.data, flags.input, flags.split)
    check_mode(flags.mode, members.task.kind)
    for member in members.runs:
        if member.folder.path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"--output: {folder} holds the run {member.name}; name another folder")
    answers = members.answers()
    together = members.combined(answers, flags.mode)
    named = dict(zip(members.names, answers, strict=True))
    report = EnsembleReport(named, together, members.split, flags.mode)
    with atomic_folder(folder) as temporary:
        report.write(temporary)
    print("\n".join([*report.lines(), f"written: {folder}"]))


def _output(name: str, overwrite: bool) -> Path:
    """The folder that ``--output`` names. Raises UserError where it is taken."""
    folder = Path(name)
    try:
        check_writable(folder)
        taken = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise UserError(f"--output {name}: {error.strerror}") from None
    if taken and not _is_ensemble(folder):
        raise UserError(f"--output: {folder} exists and is no ensemble; name another folder")
    if taken and not overwrite:
        raise UserError(
            f"--output: {folder} holds an ensemble; add --overwrite to replace it, or name another "
            "folder"
        )
    return folder


def _is_ensemble(folder: Path) -> bool:
    try:
        content = read_json(folder / "metrics.json")
    except UserError:
        return False
    about = content.get(ENSEMBLE) if isinstance(content, dict) else None
    return isinstance(about, dict) and about.get("format") == FORMAT


if __name__ == "__main__":
    raise SystemExit(main())
