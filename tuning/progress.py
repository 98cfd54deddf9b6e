"""What a search says while it runs: a line a trial, and how long it will go on."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tfglue.task_choice import Say
from tfglue.training.progress import clock
from tuning.hparams import write_hparams
from tuning.oracles import Resumable, ResumableHyperband
from tuning.plan import SearchPlan
from tuning.search_folder import SearchFolder, best_record
from tuning.trial_record import FINISHED, TrialRecord


class SearchProgress:
    """Lines for the one process that chooses trials.

    Args:
        plan: the search.
        folder: where it goes.
        say: takes each line.
    """

    def __init__(self, plan: SearchPlan, folder: SearchFolder, say: Say):
        self.plan = plan
        self.folder = folder
        self._say = say
        self._total: int | None = None
        self._epochs: int | None = None
        self._bar: Progress | None = None
        self._began = time.monotonic()
        self._before: tuple[int, float] = (0, 0.0)

    @contextmanager
    def running(self, oracle: Resumable) -> Iterator[None]:
        """Says what is to be done, and shows a bar (on a terminal) while the block runs."""
        config, plan = self.plan.config, self.plan
        self._total = config.trials
        budget = f"up to {config.trials} trials"
        if isinstance(oracle, ResumableHyperband):
            settings, self._epochs = oracle.budget(oracle.points)
            budget = f"{settings} settings, {self._epochs * plan.seeds} epochs in all"
        runs = f", {plan.seeds} runs each" if plan.seeds > 1 else ""
        ranked = f"ranked by {plan.metric} on {_rows(plan)}"
        self.say(f"search: {config.tuner}, {budget}{runs}; {ranked}")
        for dimension in plan.space.values():
            self.say(f"  {dimension.name}: {dimension}")
        self.say(f"folder: {self.folder.path}")
        over = self.folder.records()
        self._before = (len(over), sum(record.epochs for record in over))
        self._began = time.monotonic()
        if over:
            self.say(f"{len(over)} trials are over already")
        # Runs print into their logs by standing in for standard output; the bar keeps its own.
        console = Console(file=sys.stdout)
        if not console.is_terminal:
            yield
            return
        self._bar = Progress(
            TextColumn("trials"), BarColumn(),
            TextColumn("{task.completed}" + ("/{task.total}" if self._total else "")),
            TextColumn("{task.fields[best]}"), TimeElapsedColumn(), console=console,
            transient=True, redirect_stdout=False, redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=self._total, completed=len(over), best="")
        with self._bar:
            yield
        self._bar = None

    def ended(self, trial: int) -> None:
        """Says what a trial came to; called as each one ends."""
        records, record = self.folder.records(), self.folder.record(trial)
        best = best_record(records, self.plan)
        score = "no score" if record.score is None else f"{self.plan.metric} {record.score:.4f}"
        kind = "" if record.status == FINISHED else f" ({record.status})"
        known = f", best {best.score:.4f} (trial {best.trial})" if best else ""
        count = f", {len(records)} of {self._total}" if self._total else ""
        self.say(
            f"trial {trial}{count}: {score}{kind}{known}; {shown(record.values)}; "
            f"{record.seconds:.1f} s{self._left(records)}"
        )
        if self._bar is not None:
            self._bar.update(
                self._task, completed=len(records),
                best=f"best {best.score:.4f}" if best else "",
            )
        write_hparams(self.plan, self.folder, record)

    def say(self, line: str) -> None:
        """Prints a line above the bar."""
        if self._bar is None:
            self._say(line)
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _left(self, records: list[TrialRecord]) -> str:
        """How long what is left takes at the pace of this session."""
        trials, epochs = self._before
        if self._epochs is not None:
            done = sum(record.epochs for record in records) / self.plan.seeds
            begun, total = epochs / self.plan.seeds, self._epochs
        else:
            done, begun, total = len(records), trials, self._total
        if done <= begun or done >= total:
            return ""
        pace = (time.monotonic() - self._began) / (done - begun)
        return f", {clock(pace * (total - done))} left"


def shown(values: Mapping[str, Any]) -> str:
    """Values of a trial in one line."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _rows(plan: SearchPlan) -> str:
    share = plan.base.get("tune_split")
    return f"{100 * share:g} % of the training rows, held out" if share else "dev"
