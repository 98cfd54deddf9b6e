"""What is wrong with a folder for the GLUE leaderboard, one line a problem."""

import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from tfglue.errors import UserError, suggestion
from tfglue.submission import DIAGNOSTIC_REPORTS, HEADER, ZIP, LeaderboardFile, leaderboard
from tfglue.tasks.tables import parse_number

_LONGEST_INDEX = 9
_SHOWN = 40


def problems(
    folder: Path, whole: bool = True, replaced: Collection[str] | None = None
) -> list[str]:
    """Every problem of a submission folder, as ``file:line: what is wrong``.

    Checked are the names of the files, and of each file its line ends, header, the number, order
    and uniqueness of its rows, labels, and that scores are finite and in range; then that the zip
    is flat and holds the same bytes. A problem of a whole file or of the zip names no line.

    Args:
        folder: any folder, however it was made. Hidden entries do not count.
        whole: whether all files and the zip must be there; otherwise missing ones are no problem,
            here and in the zip.
        replaced: names of files that need no check, nor does the zip, since they are to be written
            anew; None checks all.

    Raises:
        UserError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    expected = leaderboard()
    found = []
    for path in sorted(folder.iterdir()):
        known = path.name in expected or path.name in (ZIP, *DIAGNOSTIC_REPORTS)
        if path.name.startswith("."):
            continue
        if not known or not path.is_file():
            near = suggestion(path.name, [*expected, ZIP]) if not known else ""
            noun = "file" if path.is_file() else "folder"
            found.append(f"{path}: a {noun} that is no part of a submission{near}")
        elif path.name in expected and path.name not in (replaced or ()):
            found += _file_problems(path, expected[path.name])
    if whole:
        for name, file in expected.items():
            if not (folder / name).exists():
                found.append(f"{folder / name}: missing ({file.rows:,} rows)")
        if not (folder / ZIP).exists():
            found.append(
                f"{folder / ZIP}: missing; python -m tfglue.submit --output {folder} makes it"
            )
    if (folder / ZIP).is_file() and replaced is None:
        found += _zip_problems(folder / ZIP, folder, expected, whole)
    return found


def _file_problems(path: Path, file: LeaderboardFile) -> Iterator[str]:
    data = path.read_bytes()
    if not data:
        yield f"{path}:1: the file is empty, expected {file.rows:,} rows below a header"
        return
    lines = data.split(b"\n")
    if lines[-1]:
        yield f"{path}:{len(lines)}: the last line has no line feed"
    else:
        lines.pop()
    returns = [number for number, line in enumerate(lines, 1) if line.endswith(b"\r")]
    if returns:
        more = f" (so do {len(returns) - 1:,} more lines)" if len(returns) > 1 else ""
        yield f"{path}:{returns[0]}: ends with CR LF, expected LF alone{more}"
        lines = [line.removesuffix(b"\r") for line in lines]
    first = 1
    if lines[0] != HEADER.encode():
        yield f"{path}:1: expected the header {HEADER!r}, found {_shown(lines[0])}"
        # A file without a header begins with its first row.
        first = 0 if lines[0].startswith(b"0\t") else 1
    rows = _RowCheck(file)
    for number, line in enumerate(lines[first:], first + 1):
        for problem in rows.problems(number, line):
            yield f"{path}:{number}: {problem}"
    if rows.count != file.rows:
        yield f"{path}:{len(lines)}: {rows.count:,} rows, expected {file.rows:,}"


class _RowCheck:
    """Checks the rows of one file in their order; one slip of the index is one problem."""

    def __init__(self, file: LeaderboardFile):
        self._file = file
        self._labels = set(file.labels)
        self._expected = 0
        self._lines: dict[int, int] = {}
        self.count = 0

    def problems(self, number: int, line: bytes) -> Iterator[str]:
        """What is wrong with the row on line `number`."""
        if not line.strip():
            yield "the line is blank"
            return
        self.count += 1
        try:
            fields = line.decode("utf-8").split("\t")
        except UnicodeDecodeError as error:
            yield f"not UTF-8 (byte 0x{line[error.start]:02x})"
            self._expected += 1
            return
        if len(fields) != 2:
            yield f"expected index and prediction with a tab between, found {len(fields)} columns"
        yield from self._index_problems(number, fields[0])
        if len(fields) == 2:
            yield from self._answer_problems(fields[1])

    def _index_problems(self, number: int, text: str) -> Iterator[str]:
        digits = text.isascii() and text.isdigit() and len(text) <= _LONGEST_INDEX
        if not digits or text != str(int(text)):
            yield f"index {_shown(text)} is not a whole number, expected {self._expected}"
            self._expected += 1
            return
        index = int(text)
        if index in self._lines:
            yield f"index {index} again (first on line {self._lines[index]})"
            return
        self._lines[index] = number
        if index != self._expected:
            yield f"index {index} out of order, expected {self._expected}"
        self._expected = max(self._expected, index + 1)

    def _answer_problems(self, text: str) -> Iterator[str]:
        if self._labels:
            if text not in self._labels:
                yield (
                    f"unknown label {_shown(text)}, expected {', '.join(self._file.labels)}"
                    f"{suggestion(text, self._file.labels)}"
                )
            return
        score = parse_number(text)
        lowest, highest = self._file.task.score_range
        if score is None or text != text.strip():
            yield f"{_shown(text)} is not a finite number"
        elif not lowest <= score <= highest:
            yield f"score {text} is outside {lowest:g} to {highest:g}"


def _zip_problems(
    path: Path, folder: Path, expected: Collection[str], whole: bool
) -> Iterator[str]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        yield f"{path}: cannot be read as a zip file ({error})"
        return
    with archive:
        counts = Counter(archive.namelist())
        for name, count in counts.items():
            if "/" in name or "\\" in name:
                yield f"{path}: '{name}' is in a folder; a submission is flat"
            elif name not in expected:
                yield f"{path}: '{name}' is no part of a submission{suggestion(name, expected)}"
            elif count > 1:
                yield f"{path}: '{name}' is in it {count} times"
            elif not (folder / name).is_file():
                yield f"{path}: '{name}' is in it, but not in the folder"
            else:
                yield from _member_problems(path, archive, folder / name)
        if whole:
            for name in expected:
                if (folder / name).is_file() and name not in counts:
                    yield f"{path}: '{name}' is in the folder, but not in it"


def _member_problems(path: Path, archive: zipfile.ZipFile, file: Path) -> Iterator[str]:
    # Sizes first, so that a forged zip cannot fill the memory.
    equal = archive.getinfo(file.name).file_size == file.stat().st_size
    if equal:
        try:
            equal = archive.read(file.name) == file.read_bytes()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            # RuntimeError: it is encrypted, or packed in a way that Python does not know.
            yield f"{path}: '{file.name}' cannot be unpacked ({error})"
            return
    if not equal:
        yield f"{path}: '{file.name}' differs from the file in the folder"


def _shown(text: str | bytes) -> str:
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
