"""Checks the task folders under DIR: rows, columns, labels, encoding, official row counts.

    python -m data_prep.verify DIR

Every problem is listed with file and line, or with file and question. Exit status 2 if there is
any; row counts that differ from the published ones are notes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tfglue import tasks
from tfglue.command_line import Parser, run
from tfglue.data.examples import Examples
from tfglue.data.questions import Questions
from tfglue.data.reading import table_of
from tfglue.data.sources import FolderSource
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.task_folder import find_folder
from tfglue.errors import UserError
from tfglue.files import write_json
from tfglue.tasks.squad import ANSWERABLE_LABELS
from tfglue.tasks.tags import with_found_tags
from tfglue.tasks.task import SplitFile, Task

PROBLEMS_LISTED = 20
LABELS_SHOWN = 10


@dataclass
class SplitReport:
    """What was found in one file.

    Args:
        file: path of the file.
        rows: usable rows.
        unit: what a row is called.
        words: words in all rows; None where nobody counts them.
        skipped: rows that the declaration leaves out (broken rows, ignored labels).
        official_rows: usable rows of the published file; None if it is not known.
        columns: names in the header; empty without one.
        labels: rows of each class, the lowest and highest score, answerable and unanswerable
            questions, or words of each tag, the most frequent first.
        problem_count: number of problems.
        problems: the first `PROBLEMS_LISTED` of them, each with path, place and message.
        notes: what is worth knowing and no mistake.
    """

    file: str
    rows: int = 0
    unit: str = "rows"
    words: int | None = None
    skipped: int = 0
    official_rows: int | None = None
    columns: list[str] = field(default_factory=list)
    labels: dict[str, int | float] = field(default_factory=dict)
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_problem(self, problem: str) -> None:
        """Counts a problem, and lists it while there are few."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_LISTED:
            self.problems.append(problem)


def verify_split(source: FolderSource, split: str) -> SplitReport:
    """Reads a whole split and reports on it; never raises for what the file holds."""
    file = source.task.files[split]
    path = source.folder / file.name
    report = SplitReport(str(path), official_rows=file.rows)
    try:
        if isinstance(file, SplitFile):
            report.columns = list(table_of(path, file).columns or ())
        examples = source.read(split, on_problem=report.add_problem)
    except UserError as error:
        report.add_problem(str(error))
        return report
    report.rows = len(examples)
    if isinstance(examples, Questions):
        report.unit = "questions"
    if isinstance(examples, TaggedSentences):
        report.unit = "sentences"
        report.words = len(examples.words)
    report.skipped = examples.skipped
    report.labels = _labels(source.task, examples)
    if file.rows not in (None, report.rows):
        report.notes.append(f"{report.rows:,} {report.unit}, the published file has {file.rows:,}")
    if examples.skipped:
        report.notes.append(f"{examples.skipped:,} rows left out (broken, or an ignored label)")
    replaced = sum("\ufffd" in text for column in _texts(examples) for text in column)
    if replaced:
        report.notes.append(f"texts with U+FFFD, the mark of a lost character: {replaced:,}")
    return report


def verify_folder(root: Path) -> dict[str, dict[str, SplitReport]]:
    """Reports of every task folder under `root`: task name -> split -> report.

    Raises UserError if there is no known task folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    reports = {}
    for name in tasks.names():
        task = tasks.get(name)
        folder = find_folder(task, root)
        if folder is not None:
            reports[name] = _verify_task(task, folder)
    if not reports:
        folders = dict.fromkeys(tasks.get(name).folders[0] for name in tasks.names())
        raise UserError(f"{root}: no task folder is in it (looked for {', '.join(folders)})")
    return reports


def _verify_task(task: Task, folder: Path) -> dict[str, SplitReport]:
    try:
        # The same lines are read again for the report, and told then.
        task = with_found_tags(task, folder, on_problem=lambda problem: None)
    except UserError as error:
        path = folder / task.files["train"].name
        return {"train": SplitReport(str(path), problem_count=1, problems=[str(error)])}
    source = FolderSource(task, folder)
    return {split: verify_split(source, split) for split in source.splits()}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    return run(lambda: _verify(argv))


def _verify(argv: Sequence[str] | None) -> int:
    parser = Parser("python -m data_prep.verify", __doc__)
    parser.add_argument("folder", metavar="DIR", help="root of task folders, or one of them")
    parser.add_argument("--json", metavar="FILE", help="write the whole report there, too")
    flags = parser.parse_args(argv)

    reports = verify_folder(Path(flags.folder))
    # Tasks may share a file; it counts once.
    problems_of: dict[str, int] = {}
    for name, splits in reports.items():
        print(name)
        for split, report in splits.items():
            _print(split, report)
            known = problems_of.get(report.file, 0)
            problems_of[report.file] = max(known, report.problem_count)
        for split in tasks.get(name).files:
            if split not in splits:
                print(f"  {split}: no file")
    problems = sum(problems_of.values())
    print(f"{len(problems_of)} files of {len(reports)} tasks, {problems:,} problems")
    if flags.json:
        write_json(
            Path(flags.json),
            {
                name: {split: asdict(report) for split, report in splits.items()}
                for name, splits in reports.items()
            },
        )
    return 2 if problems else 0


def _texts(examples: Examples) -> tuple[list[str], ...]:
    if isinstance(examples, Questions):
        return examples.texts, examples.contexts
    if isinstance(examples, TaggedSentences):
        return (examples.words,)
    return examples.texts


def _labels(task: Task, examples: Examples) -> dict[str, int | float]:
    if not examples.labelled:
        return {}
    if isinstance(examples, Questions):
        answerable = int(examples.answerable.sum())
        counts = (answerable, len(examples) - answerable)
        return dict(zip(ANSWERABLE_LABELS, counts, strict=True))
    if isinstance(examples, TaggedSentences):
        counts = np.bincount(examples.tags, minlength=len(task.labels))
        most = np.argsort(-counts, kind="stable")
        return {task.labels[tag]: int(counts[tag]) for tag in most if counts[tag]}
    if task.kind == "regress":
        return {"lowest": float(examples.labels.min()), "highest": float(examples.labels.max())}
    counts = np.bincount(examples.labels, minlength=len(task.labels))
    return dict(zip(task.labels, map(int, counts), strict=True))


def _print(split: str, report: SplitReport) -> None:
    labels = [f"{name} {value:,}" for name, value in report.labels.items()]
    more = len(labels) - LABELS_SHOWN
    shown = ", ".join(labels[:LABELS_SHOWN]) + (f" and {more} more" if more > 0 else "")
    words = "" if report.words is None else f" of {report.words:,} words"
    print(
        f"  {split}: {report.rows:,} {report.unit}{words}, {shown or 'unlabelled'} ({report.file})"
    )
    if report.columns:
        print(f"    columns: {', '.join(report.columns)}")
    for note in report.notes:
        print(f"    note: {note}")
    for problem in report.problems:
        print(f"    problem: {problem}")
    if report.problem_count > len(report.problems):
        print(f"    and {report.problem_count - len(report.problems):,} problems more")


if __name__ == "__main__":
    raise SystemExit(main())
