"""Tables as comma-separated values."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def csv_text(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """A header and rows, quoted where they must be, one line feed after each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(list(columns))
    writer.writerows(rows)
    return text.getvalue()


def csv_of_records(records: Sequence[Mapping[str, Any]]) -> str:
    """Records as rows; every name that occurs is a column, empty where a record lacks it."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    return csv_text(columns, ([record.get(name, "") for name in columns] for record in records))
