"""Row files (TSV, CSV, JSON lines) as streams of rows, every problem told with file and line."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tfglue.errors import UserError, suggestion
from tfglue.tasks.task import Column
from tfglue.tasks.text_lines import read_lines

SUFFIXES = (".tsv", ".txt", ".csv", ".jsonl")

_LARGEST_FLOAT32 = 3.4028234e38
_TAB_AND_BREAKS = frozenset("\t\r\n")


class Table:
    """One row file, read line by line, so that size costs time and no memory.

    The suffix names the format. ``.tsv`` and ``.txt`` are tab-separated as GLUE's files are: quotes
    have no meaning and a line ends at a line feed alone. ``.csv`` follows RFC 4180, fields of
    several lines included. ``.jsonl`` holds one object a line. All are UTF-8, with or without a
    byte-order mark; blank lines are tolerated at the very end only.

    Args:
        path: the file.
        header: whether the first row of a TSV or CSV file names the columns.
        width: number of columns in a file without a header; by default as many as its first row.
        skip_broken_rows: rows of a wrong column count are left out and counted in `skipped`.
        on_problem: called with ``"path:line: message"`` for each bad row, which is then left out;
            by default the first one raises UserError.

    Attributes:
        columns: names of the columns (for JSON lines the keys of the first object), None without
            a header.
        skipped: rows that the last iteration left out because of `skip_broken_rows`.

    Raises UserError for a file that is missing, empty, or of an unknown format.
    """

    def __init__(
        self,
        path: Path | str,
        header: bool = True,
        width: int | None = None,
        skip_broken_rows: bool = False,
        on_problem: Callable[[str], None] | None = None,
    ):
        self.path = Path(path)
        self.skipped = 0
        self._format = self.path.suffix.lower()
        if self._format not in SUFFIXES:
            raise UserError(f"{path}: unknown format; the name must end in {', '.join(SUFFIXES)}")
        self._header = header and self._format != ".jsonl"
        self._skip_broken_rows = skip_broken_rows
        # A bad first row raises whatever the caller collects: without it no row can be read.
        self._on_problem = _raise
        first = next(self._records(), None)
        self._on_problem = on_problem or _raise
        if first is None:
            raise UserError(f"{path}: the file is empty")
        named = self._header or self._format == ".jsonl"
        self.columns = tuple(first[1]) if named else None
        self._width = len(first[1]) if named or width is None else width

    def problem(self, line: int, message: str) -> None:
        """Reports a problem of one line: raises UserError, or calls `on_problem`."""
        self._on_problem(f"{self.path}:{line}: {message}")

    def require(self, column: Column, flag: str = "") -> None:
        """Raises UserError if there is no column of that name; `flag` would name another."""
        if isinstance(column, str) and column not in self.columns:
            raise UserError(
                f"{self.path}: no column '{column}'{suggestion(column, self.columns)} "
                f"(columns: {', '.join(self.columns)}){flag and f'; name it with {flag}'}"
            )
        if isinstance(column, str) and self.columns.count(column) > 1:
            raise UserError(f"{self.path}: two columns are named '{column}'")

    def rows(self, columns: Sequence[Column]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yields the 1-based line where a row begins, and its values in the order of `columns`."""
        for column in columns:
            self.require(column)
        self.skipped = 0
        if self._format == ".jsonl":
            select, keys = self._json_values, columns
        else:
            select = self._delimited_values
            keys = [
                self.columns.index(column) if isinstance(column, str) else column
                for column in columns
            ]
        records = self._records()
        if self._header:
            next(records)
        line = None
        for line, record in records:
            values = select(line, record, keys)
            if values is not None:
                yield line, values
        if line is None:
            raise UserError(f"{self.path}: there are no rows below the header")

    def _delimited_values(
        self, line: int, fields: list[str], positions: Sequence[int]
    ) -> tuple[str, ...] | None:
        if len(fields) == self._width:
            return tuple(map(fields.__getitem__, positions))
        if self._skip_broken_rows:
            self.skipped += 1
            return None
        hint = (
            "a field that holds commas or line breaks needs quotes"
            if self._format == ".csv"
            else "tabs separate the fields, and quotes have no meaning"
        )
        self.problem(line, f"expected {self._width} columns, found {len(fields)}; {hint}")
        return None

    def _json_values(
        self, line: int, record: dict[str, Any], keys: Sequence[str]
    ) -> tuple[str, ...] | None:
        values = []
        for key in keys:
            if key not in record:
                self.problem(line, f"no key '{key}' (keys: {', '.join(record)})")
                return None
            text = _json_text(record[key])
            if text is None:
                self.problem(line, f"'{key}' must be text or a finite number")
                return None
            values.append(text)
        return tuple(values)

    def _records(self) -> Iterator[tuple[int, Any]]:
        if self._format == ".csv":
            return self._csv_records()
        if self._format == ".jsonl":
            return self._json_records()
        return ((line, text.split("\t")) for line, text in self._lines())

    def _csv_records(self) -> Iterator[tuple[int, list[str]]]:
        consumed: list[int] = []

        def feed() -> Iterator[str]:
            for line, text in self._lines():
                consumed.append(line)
                yield text + "\n"

        reader = csv.reader(feed(), strict=True)
        while True:
            consumed.clear()
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.problem(consumed[0], f"not valid CSV ({error}); is a quote left open?")
                continue
            yield consumed[0], fields or [""]

    def _json_records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, text in self._lines():
            try:
                record = json.loads(text)
            except json.JSONDecodeError as error:
                self.problem(line, f"not valid JSON ({error.msg} at column {error.colno})")
                continue
            except ValueError:
                self.problem(line, "not valid JSON (a number of thousands of digits)")
                continue
            except RecursionError:
                self.problem(line, "not valid JSON (nested too deeply)")
                continue
            if isinstance(record, dict):
                yield line, record
            else:
                self.problem(line, 'expected one JSON object a line, as {"text": ...}')

    def _lines(self) -> Iterator[tuple[int, str]]:
        """Yields numbered lines of text; blank lines at the very end are left out."""
        blank: list[int] = []
        for line, text in read_lines(self.path, self.problem):
            if text == "":
                blank.append(line)
                continue
            if blank:
                yield from ((number, "") for number in blank)
                blank.clear()
            if text is not None:
                yield line, text


def parse_number(text: str) -> float | None:
    """The number that a text spells, or None if it spells none that fits a float32."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) <= _LARGEST_FLOAT32 and "_" not in text else None


def holds_tab_or_break(text: str) -> bool:
    """Whether an id or label would break the tab-separated prediction files it ends up in."""
    return not _TAB_AND_BREAKS.isdisjoint(text)


def is_utf8_text(text: str) -> bool:
    """Whether UTF-8 text files can hold it: JSON can spell NUL and halves of surrogate pairs."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _json_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value if is_utf8_text(value) else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _raise(problem: str) -> None:
    raise UserError(problem)
