"""Ctrl-C and termination that wait for the update under way."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class StopSignal:
    """While its block runs, notes SIGINT and SIGTERM; a second one interrupts at once.

    Attributes:
        received: whether one has come.
    """

    def __init__(self):
        self.received = False
        self._handlers_before = {}

    def __enter__(self) -> "StopSignal":
        # Python lets only the main thread set handlers; elsewhere whoever runs us answers them.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers_before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def _note(self, number, frame) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = True


@contextmanager
def stopped_as_interrupted() -> Iterator[None]:
    """While its block runs, SIGTERM is the KeyboardInterrupt that SIGINT is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number, frame):
    raise KeyboardInterrupt
