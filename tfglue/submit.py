"""``python -m tfglue.submit``: files for the GLUE leaderboard from finished runs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.command_line import Parser, run
from tfglue.errors import UserError, suggestion
from tfglue.files import read_text
from tfglue.finished_run import FinishedRun
from tfglue.leaderboard_answers import Answers, answerable, owners, predict_rest, use_kept
from tfglue.submission import (
    DIAGNOSTIC,
    DIAGNOSTIC_REPORTS,
    LeaderboardFile,
    answers_of,
    leaderboard,
    present,
    write_submission,
)
from tfglue.submission_check import problems

if TYPE_CHECKING:
    from tfglue.diagnostic import CategoryScore, LabelledDiagnostics

_MAJORITY = "majority"

_DESCRIPTION = """Files for the GLUE leaderboard, and a flat zip of them.

  python -m tfglue.submit --runs saved_models/rte saved_models/mnli --data GLUE --output mine
  python -m tfglue.submit --runs saved_models/cola --data GLUE --wnli majority --output mine
      completes the same folder, later or in one go
  python -m tfglue.submit --validate mine
      says what is wrong with any such folder, one line a problem

An MNLI run answers MNLI-m, MNLI-mm and, where the diagnostic set is there, AX. Predictions are kept
in the run (RUN/predictions/<task>/<split>.tsv), and used again for the same texts and weights."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _submit(argv))


def _submit(argv: Sequence[str] | None) -> None:
    parser = Parser("python -m tfglue.submit", _DESCRIPTION)
    parser.add_argument("--runs", nargs="+", default=[], help="run folders, or RUN@epoch")
    parser.add_argument("--data", help="as in training [the data each run was trained on]")
    parser.add_argument("--output", help="folder of the submission; one that is valid is completed")
    parser.add_argument("--wnli", help="majority: answer WNLI with its majority label, no run")
    parser.add_argument(
        "--ax_labels", help="the labelled diagnostic file: Matthews correlation by category"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that differ")
    parser.add_argument("--validate", help="only check this folder")
    flags = parser.parse_args(argv)
    if flags.validate:
        given = {name for name, value in vars(flags).items() if value} - {"validate"}
        if given:
            raise UserError(f"--validate goes alone, without --{sorted(given)[0]}")
        _validate(Path(flags.validate))
        return
    if flags.output is None:
        raise UserError("--output names the folder to write (or --validate a folder to check)")
    if flags.wnli not in (None, _MAJORITY):
        raise UserError(
            f"--wnli: unknown value '{flags.wnli}'{suggestion(flags.wnli, (_MAJORITY,))} "
            f"(expected {_MAJORITY}, or a WNLI run in --runs)"
        )
    folder = Path(flags.output)
    owned = owners([FinishedRun.named(name) for name in flags.runs])
    if flags.wnli and "wnli" in owned:
        raise UserError(f"--wnli: {owned['wnli'].name} is a run of wnli; give one of the two")
    # All that can be wrong is found before anything is computed.
    files, absent = answerable(owned, flags.data)
    stand_ins = [file for file in leaderboard().values() if flags.wnli and file.submission.majority]
    gold = _gold(flags.ax_labels, folder, files)
    names = [item.file.name for item in files] + [file.name for file in stand_ins]
    _check_folder(folder, names, flags.overwrite)
    for line in use_kept(files, flags.overwrite):
        print(line)
    predict_rest(files)
    texts = {item.file.name: item.file.text(item.labels) for item in files}
    texts |= {file.name: file.majority_text() for file in stand_ins}
    scores = []
    if gold:
        from tfglue.diagnostic import to_csv, to_json

        scores = gold.scores(answers_of(texts.get(DIAGNOSTIC) or read_text(folder / DIAGNOSTIC)))
        texts |= dict(zip(DIAGNOSTIC_REPORTS, (to_json(scores), to_csv(scores)), strict=True))
    changed = write_submission(folder, texts, flags.overwrite)
    _report(folder, changed, absent)
    _report_categories(scores)


def _validate(folder: Path) -> None:
    found = problems(folder)
    for problem in found:
        print(problem)
    if found:
        noun = "problem" if len(found) == 1 else "problems"
        raise UserError(f"--validate {folder}: {len(found):,} {noun}")
    print(f"valid and whole: {_total(present(folder)):,} lines")


def _gold(path: str | None, folder: Path, files: Sequence[Answers]) -> "LabelledDiagnostics | None":
    if path is None:
        return None
    from tfglue.diagnostic import LabelledDiagnostics

    answered = any(item.file.name == DIAGNOSTIC for item in files)
    if not answered and not (folder / DIAGNOSTIC).is_file():
        raise UserError(
            f"--ax_labels: {folder / DIAGNOSTIC} is not there, and no run answers it; add an MNLI "
            "run and --data with the diagnostic set"
        )
    return LabelledDiagnostics.read(path)


def _check_folder(folder: Path, names: Sequence[str], overwrite: bool) -> None:
    """Raises UserError unless the folder is new, empty, or a submission to complete."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output: {folder} is not a folder")
    found = problems(folder, False, names if overwrite else None) if folder.exists() else []
    if found:
        more = f" (and {len(found) - 1:,} more problems)" if len(found) > 1 else ""
        raise UserError(f"{found[0]}{more}; mend it, or name a new folder with --output")
    if not names and not (folder.is_dir() and present(folder)):
        raise UserError("--runs names the runs to submit; there are none")


def _report(folder: Path, changed: Sequence[str], absent: Mapping[str, str]) -> None:
    there = present(folder)
    names = [file.name for file in there]
    for file in there:
        note = "written" if file.name in changed else "as it was"
        print(f"{file.name:<12} {file.lines:>9,} lines  {note}")
    missing = [name for name in leaderboard() if name not in names]
    for name in missing:
        if name in absent:
            print(f"{name}: not answered: {absent[name]}")
    total = f"{_total(there):,} lines in {folder}"
    if missing:
        whole = _total(leaderboard().values())
        print(f"missing: {', '.join(missing)}\ntotal: {total} (whole: {whole:,})")
    else:
        print(f"whole: {total}")


def _report_categories(scores: "Sequence[CategoryScore]") -> None:
    for score in scores:
        name = f"  {score.fine}" if score.fine else score.category
        print(f"{name:<32} {score.rows:>5} rows  {score.matthews_correlation:7.4f}")


def _total(files: Iterable[LeaderboardFile]) -> int:
    return sum(file.lines for file in files)


if __name__ == "__main__":
    raise SystemExit(main())
