"""Live progress on a terminal, plain lines in a log."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_LOG_SECONDS = 30.0
_BAR_SECONDS = 0.5


class TrainingProgress:
    """Shows updates, examples a second, loss and time left while a loop runs.

    Args:
        total: updates of the whole run.
        done: updates done before, in a resumed run.
    """

    def __init__(self, total: int, done: int = 0):
        self.total = total
        self._first = self._done = done
        self._examples = 0
        self._started = time.monotonic()
        self._spoke = self._started
        self._loss = float("nan")
        self._console = Console(file=sys.stdout)
        self._bar: Progress | None = None
        self._estimated = False

    @contextmanager
    def running(self) -> Iterator["TrainingProgress"]:
        """Shows the bar (on a terminal) for as long as the block runs."""
        self._started = self._spoke = time.monotonic()
        if not self._console.is_terminal:
            yield self
            return
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} updates"),
            TextColumn("{task.fields[rate]} examples/s  loss {task.fields[loss]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._bar_task = self._bar.add_task(
            "training", total=self.total, completed=self._done, rate="-", loss="-"
        )
        with self._bar:
            yield self
        self._bar = None

    @property
    def due(self) -> bool:
        """Whether a line or a refresh of the bar comes now, so that it wants the latest loss."""
        interval = _LOG_SECONDS if self._bar is None else _BAR_SECONDS
        return time.monotonic() - self._spoke >= interval

    def advance(self, examples: int) -> None:
        """Takes note of one update of so many examples."""
        self._done += 1
        self._examples += examples
        if self._done == self._first + 1:
            # The first update is mostly compilation: rates start after it.
            self._started = self._spoke = time.monotonic()
            self._examples = 0
        elapsed = time.monotonic() - self._started
        if not self._estimated and self._done >= self._first + 6 and elapsed >= 2.0:
            self._estimated = True
            self.say(f"expected: {clock(self._left())} for the updates left ({self._rate()})")
        if self._bar is not None:
            if self.due:
                self._spoke = time.monotonic()
            self._bar.update(
                self._bar_task, completed=self._done, rate=f"{self.rate:.0f}",
                loss=f"{self._loss:.4f}",
            )
        elif self.due:
            self.say(
                f"update {self._done}/{self.total}  loss {self._loss:.4f}  {self._rate()}  "
                f"{clock(self._left())} left"
            )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves what the block takes (an evaluation) out of the rate."""
        started = time.monotonic()
        yield
        self._started += time.monotonic() - started

    def loss(self, value: float) -> None:
        """Takes the latest mean training loss."""
        self._loss = value

    def evaluation(self, row: Mapping[str, Any], improved: bool) -> None:
        """Prints a row of the history that holds metrics."""
        metrics = "  ".join(f"{n} {value:.4f}" for n, value in row.items() if n.count(".") == 2)
        self.say(
            f"epoch {row['epoch']:.2f}  train_loss {row['train_loss']:.4f}  {metrics}"
            f"{'  (best so far)' if improved else ''}"
        )

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        self._spoke = time.monotonic()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    @property
    def rate(self) -> float:
        """Training examples a second since the first update."""
        return self._examples / max(time.monotonic() - self._started, 1e-9)

    def _rate(self) -> str:
        return f"{self.rate:.1f} examples/s"

    def _left(self) -> float:
        updates = max(self._done - self._first - 1, 1)
        return (time.monotonic() - self._started) / updates * (self.total - self._done)


def clock(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
