"""One process at a time for a folder."""

import fcntl
import math
import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tfglue.errors import UserError

_POLL_SECONDS = 0.1
_HOLDER_CHARACTERS = 300
"""What a lock says of who has it is no longer."""


class Occupied(UserError):
    """Another process writes into a folder."""


@contextmanager
def locked(
    folder: Path, name: str = ".lock", *, patience: float = 0.0,
    say: Callable[[str], None] = print,
) -> Iterator[None]:
    """Keeps other processes from writing into the folder while the block runs.

    Args:
        folder: what is locked.
        name: the lock's file; a run and the experiment around it have one each.
        patience: seconds that are waited for a process that has the lock; `math.inf` for as long as
            it takes.
        say: told once who is waited for, and how long.

    Raises:
        Occupied: another process does so already.
        UserError: the folder cannot be made.
    """
    path = folder / name
    with _lock(folder, path, patience, say):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _lock(
    folder: Path, path: Path, patience: float, say: Callable[[str], None]
) -> IO[str]:
    until, waits = time.monotonic() + patience, False
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stream = path.open("a+", encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(f"{folder}: cannot be written ({error.strerror})") from None
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            holder = " ".join(stream.read(_HOLDER_CHARACTERS).split()) or "it does not say which"
            stream.close()
            if time.monotonic() < until:
                if not waits:
                    limit = f" {patience:g} s at most" if math.isfinite(patience) else ""
                    say(f"{folder}: waiting{limit} for another process ({holder}) to end")
                waits = True
                time.sleep(_POLL_SECONDS)
                continue
            raise Occupied(
                f"{folder}: another process is training into this folder or changes it "
                f"({holder}); wait until it has ended, or name another folder"
            ) from None
        # Whoever held the lock before deleted its file at the end, perhaps after we opened it; then
        # this lock is of a file that nobody else will find.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(stream.fileno()), path.stat()):
                with suppress(OSError):  # A full disk is for those to tell who write more.
                    os.ftruncate(stream.fileno(), 0)
                    os.write(stream.fileno(), _this_process().encode("utf-8", "replace"))
                return stream
        stream.close()


def _this_process() -> str:
    """What a lock says of who has it."""
    command = shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]])
    return f"process {os.getpid()} on {socket.gethostname()}: {command}"[:_HOLDER_CHARACTERS]
