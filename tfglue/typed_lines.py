"""Lines of a file or of standard input, as commands read them."""

import sys
from pathlib import Path

from tfglue.errors import UserError
from tfglue.files import read_text


def typed_lines(name: str) -> list[str]:
    """Lines of the file, of standard input where the name is ``-``, without their ends.

    Raises:
        UserError: the file cannot be read, is no UTF-8, or is empty.
    """
    if name == "-":
        name = "standard input"
        if sys.stdin is None:
            raise UserError("--input -: standard input is closed")
        data = sys.stdin.buffer.read()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise UserError(f"{name}:{line}: not UTF-8") from None
    else:
        text = read_text(Path(name))
    lines = text.removesuffix("\n").split("\n") if text else []
    if not lines:
        raise UserError(f"{name}: empty; expected one text or tab-separated pair a line")
    return [line.removesuffix("\r") for line in lines]
