"""How every command parses its flags and ends: one line for a user's mistake, status 2."""

import argparse
import importlib
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence

from tfglue.errors import UserError, suggestion


class Parser(argparse.ArgumentParser):
    """argparse with whole flag names only, and errors of one line with the nearest flag."""

    def __init__(self, prog: str, description: str, **options):
        super().__init__(
            prog=prog,
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            **options,
        )

    def parse_args(self, args: Sequence[str] | None = None, namespace=None):
        """Parses as argparse does. Raises UserError for what it cannot parse."""
        words = list(sys.argv[1:] if args is None else args)
        known, unknown = self.parse_known_args(_joined_numbers(words), namespace)
        if unknown:
            name = unknown[0].split("=")[0]
            flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
            noun = "unknown flag" if name.startswith("-") else "unexpected argument"
            raise UserError(f"{noun} '{name}'{suggestion(name, flags)} (see --help)")
        return known

    def error(self, message: str):
        raise UserError(f"{message} (see --help)")


def run(body: Callable[[], int | None]) -> int:
    """Runs a command's body and returns its exit status.

    0 done, 2 the user's mistake or a file the system refuses (one line on standard error), 130
    interrupted. Anything else is a defect of ours and keeps its traceback (status 1).
    """
    try:
        return body() or 0
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"interrupted{': ' + str(interrupt) if str(interrupt) else ''}", file=sys.stderr)
        return 130


def _joined_numbers(words: Sequence[str]) -> list[str]:
    """``--rate -1e-5`` as ``--rate=-1e-5``: argparse takes such a number for a flag."""
    joined: list[str] = []
    for word in words:
        if re.fullmatch(r"-[.\d]\S*", word) and joined and joined[-1].startswith("--"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its start-up notices, which would hide our one line of error.

    They come from its C++ side before any log level is read, so standard error itself is set aside
    for the import. With TF_CPP_MIN_LOG_LEVEL set by the user, all of them are shown.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ or "tensorflow" in sys.modules:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    standard_error = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        importlib.import_module("tensorflow")
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)
