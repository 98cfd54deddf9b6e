"""The folder for the GLUE leaderboard: one TSV file for every test set, and a flat zip of them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.files import atomic_file, write_text
from tfglue.tasks.task import Submission, Task

HEADER = "index\tprediction"
ZIP = "submission.zip"
DIAGNOSTIC = "AX.tsv"
DIAGNOSTIC_REPORTS = ("ax_categories.json", "ax_categories.csv")

_TIME_STAMP = (1980, 1, 1, 0, 0, 0)  # The first that a zip can hold; it tells nothing.
_FILE_RIGHTS = 0o644 << 16
_UNIX = 3


@dataclass(frozen=True)
class LeaderboardFile:
    """One file of a submission: the task it answers, and what it must look like.

    Args:
        task: the declared task.
        submission: which of the task's files this is.
    """

    task: Task
    submission: Submission

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.submission.file

    @property
    def split(self) -> str:
        """The split that it answers."""
        return self.submission.split

    @property
    def rows(self) -> int:
        """Number of answers."""
        return self.task.files[self.split].rows

    @property
    def lines(self) -> int:
        """Number of lines, the header counted."""
        return self.rows + 1

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels as the file writes them; empty for scores."""
        return self.task.file_labels or self.task.labels

    def text(self, answers: Sequence[str]) -> str:
        """The file's content.

        Args:
            answers: one a row in the order of the test file: labels as the task or its files write
                them, or scores, which are clipped to the task's range.
        """
        written = {answer: self._written(answer) for answer in set(answers)}
        lines = [f"{index}\t{written[answer]}" for index, answer in enumerate(answers)]
        return "\n".join([HEADER, *lines]) + "\n"

    def majority_text(self) -> str:
        """The file's content when every row is answered with the majority label."""
        return self.text([self.submission.majority] * self.rows)

    def _written(self, answer: str) -> str:
        if self.labels:
            return self.labels[self.task.label_id(answer)]
        lowest, highest = self.task.score_range
        # Fixed-point, as in GLUE's own sample; its three digits would make ties.
        return f"{min(max(float(answer), lowest), highest):.6f}"


def leaderboard() -> dict[str, LeaderboardFile]:
    """Every file of a whole submission by its name, in alphabetical order."""
    declared = [tasks.get(name) for name in tasks.names()]
    files = [LeaderboardFile(task, item) for task in declared for item in task.submissions]
    return {file.name: file for file in sorted(files, key=lambda file: file.name.lower())}


def present(folder: Path) -> list[LeaderboardFile]:
    """The files of a submission that a folder holds."""
    return [file for name, file in leaderboard().items() if (Path(folder) / name).is_file()]


def write_submission(folder: Path, texts: Mapping[str, str], overwrite: bool) -> list[str]:
    """Adds files to a submission and makes its zip anew.

    Each file is written atomically, the zip last; equal files are left as they are. The same files
    give the same bytes of the zip.

    Args:
        folder: made if it is not there.
        texts: file name -> content.
        overwrite: whether files with other content are replaced.

    Returns:
        Names of the files that are new or were replaced.

    Raises:
        UserError: a file is there with other content, or a report of the diagnostic set would no
            longer be true; nothing is written then.
    """
    folder = Path(folder)
    changed = []
    for name, text in texts.items():
        path = folder / name
        if path.exists():
            if path.is_file() and path.read_bytes() == text.encode("utf-8"):
                continue
            if not overwrite:
                raise UserError(
                    f"{path}: holds other answers than these; add --overwrite to replace it"
                )
        changed.append(name)
    for name in DIAGNOSTIC_REPORTS:
        if DIAGNOSTIC in changed and name not in texts and (folder / name).exists():
            raise UserError(
                f"{folder / name}: of another {DIAGNOSTIC} than the one to be written; delete it, "
                "or add --ax_labels FILE"
            )
    for name in changed:
        write_text(folder / name, texts[name])
    content = _zip_content(folder)
    path = folder / ZIP
    if not path.is_file() or path.read_bytes() != content:
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
    return changed


def answers_of(text: str) -> list[str]:
    """The answers in the content of a valid file, in the order of its rows."""
    lines = text.removesuffix("\n").split("\n")
    return [line.partition("\t")[2] for line in lines[1:]]


def _zip_content(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in present(folder):
            entry = zipfile.ZipInfo(file.name, _TIME_STAMP)
            # The defaults depend on the system that writes.
            entry.create_system = _UNIX
            entry.external_attr = _FILE_RIGHTS
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (folder / file.name).read_bytes())
    return content.getvalue()
