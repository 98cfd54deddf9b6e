"""keras-tuner's oracle service: one chief that chooses, workers that train, here or elsewhere.

A process learns its part from keras-tuner's own variables: ``KERASTUNER_ORACLE_IP`` and
``KERASTUNER_ORACLE_PORT`` say where the chief listens, ``KERASTUNER_TUNER_ID`` is ``chief`` there
and the name of the worker elsewhere.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer, exit_chief
from keras_tuner.src.distribute.oracle_client import OracleClient

from tfglue.errors import UserError
from tuning.oracles import Resumable
from tuning.role import IP, NAME, PORT

_ABSENT = (
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED,
)
_SECONDS = 0.2
_GRACE = 60.0
_MISTAKE = 2
"""Exit status of a command that says in one line what the user has to mend."""


def serve(oracle: Resumable, address: str, done: Callable[[], bool] | None = None,
          started: Callable[[int], None] = lambda port: None) -> None:
    """Answers workers until there is nothing left to try and all have heard so.

    keras-tuner's own server looks every 20 s whether it may end.

    Args:
        oracle: chooses what is tried.
        address: ``host:port``; port 0 takes a free one.
        done: whether all workers have ended; by default when all that came were sent away.
        started: called with the port.

    Raises:
        UserError: the address cannot be listened at.
        CannotWrite: the state of the search cannot be saved.
    """
    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if not port:
        raise UserError(f"{IP}, {PORT}: cannot listen at {address}; name a free port of this host")
    server.start()
    try:
        started(port)
        while True:
            # First, since keras-tuner locks the oracle for good where something goes wrong in it.
            if oracle.failure is not None:
                raise oracle.failure
            if done() if done else servicer.stop_triggered and exit_chief(oracle):
                return
            time.sleep(_SECONDS)
    finally:
        server.stop(grace=1).wait()


def client() -> OracleClient:
    """What a worker asks in the oracle's place; waits until the chief is there.

    Raises:
        UserError: it does not come.
    """
    with chief_errors():
        found = OracleClient(None)  # It would be asked for settings that no worker needs.
        found.get_space()
        return found


@contextmanager
def chief_errors() -> Iterator[None]:
    """Says in one line that the chief is gone, or what went wrong in it."""
    try:
        yield
    except grpc.RpcError as error:
        chief = f"{os.environ[IP]}:{os.environ[PORT]}"
        if error.code() not in _ABSENT:
            said = error.details().removeprefix("Exception calling application: ")
            raise UserError(
                f"the chief at {chief} ended: {said}; mend that, and start chief and workers again "
                "with --resume"
            ) from None
        raise UserError(
            f"no chief answers at {chief}; start it with the same command and {NAME}=chief"
        ) from None


class Workers:
    """Processes on this machine that train trials, and end with the one that made them.

    Args:
        command: of a worker.
        logs: folder of what they print.
        go_on: the command that resumes the search, for messages.
    """

    def __init__(self, command: Sequence[str], logs: Path, go_on: str):
        self.command = list(command)
        self.logs = logs
        self.go_on = go_on
        self._processes: list[subprocess.Popen] = []
        self._files: list[IO[str]] = []

    def start(self, count: int, port: int) -> None:
        """Starts so many, which ask the chief at a port of this machine."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            name = f"worker{number}"
            log = open(self.logs / f"{name}.log", "a", encoding="utf-8")  # noqa: SIM115
            self._files.append(log)
            self._processes.append(
                subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                    env={**os.environ, IP: "127.0.0.1", PORT: str(port), NAME: name},
                )
            )

    def done(self) -> bool:
        """Whether all have ended. Raises UserError if one ended before its time."""
        statuses = [process.poll() for process in self._processes]
        for number, status in enumerate(statuses):
            if status:
                log = self.logs / f"worker{number}.log"
                lines = log.read_text(encoding="utf-8").strip().splitlines() or [""]
                said = lines[-1].removeprefix("error: ")
                # A mistake of the user's is said in the last line; of a crash or a kill it is not.
                why = f"{log}: {said}" if status == _MISTAKE else f"see {log}"
                raise UserError(
                    f"worker{number} ended before its time (status {status}; {why}); go on with "
                    f"{self.go_on}"
                )
        return None not in statuses

    def stop(self) -> None:
        """Ends all; each saves the trial that it trains."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
        for log in self._files:
            log.close()
