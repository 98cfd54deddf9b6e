"""``python -m tuning.local_worker FOLDER``: what ``tuning.search --workers`` starts."""

import os
import signal
import sys
import threading
import time

from tfglue.command_line import quiet_tensorflow, run

GRACE = 10.0
"""Seconds that a worker has to save its trial once the process that made it is gone."""


def main(argv: list[str]) -> int:
    """Trains trials of the search in a folder; returns the exit status."""

    def body() -> None:
        end_with_parent()
        quiet_tensorflow()
        from tuning.role import Role
        from tuning.search_folder import SearchFolder
        from tuning.session import run_worker

        run_worker(SearchFolder(argv[0]), Role.of_environment().name)

    return run(body)


def end_with_parent(grace: float = GRACE) -> None:
    """Ends this process as SIGTERM does once the process that made it is gone.

    Its standard input is a pipe from there, which closes whatever ends that process. Training
    answers the signal after the update under way, and nothing else may be in the way for long: a
    search that is resumed at once waits for the trials of its old workers.

    Args:
        grace: seconds after which the process is killed; what it trained since the last checkpoint
            is trained again.
    """

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
