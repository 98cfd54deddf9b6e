"""Text files line by line, what is no UTF-8 text told with its line."""

from collections.abc import Callable, Iterator
from pathlib import Path

from tfglue.errors import UserError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(
    path: Path, problem: Callable[[int, str], None]
) -> Iterator[tuple[int, str | None]]:
    """Yields the lines of a file by number, from 1, without their ends.

    A line ends at a line feed alone, with a carriage return before it or not; a byte-order mark
    is dropped.

    Args:
        path: the file.
        problem: called with number and message for each line that is no text; such a line is
            yielded as None.

    Raises UserError for a file that is missing or cannot be read.
    """
    try:
        with open(path, "rb") as stream:
            for line, data in enumerate(stream, 1):
                if line == 1:
                    data = data.removeprefix(_BYTE_ORDER_MARK)
                data = data.removesuffix(b"\n").rstrip(b"\r")
                if b"\0" in data:
                    problem(line, "holds a NUL byte; save the file as UTF-8 text")
                    yield line, None
                    continue
                try:
                    yield line, data.decode("utf-8")
                except UnicodeDecodeError as error:
                    byte = data[error.start]
                    problem(line, f"not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8")
                    yield line, None
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
