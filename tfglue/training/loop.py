"""The training loop: one for one task or many, fresh or resumed."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfglue.errors import UserError
from tfglue.models.transfer_model import TransferModel
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.progress import TrainingProgress
from tfglue.training.schedule import WarmupSchedule
from tfglue.training.seeds import dropout_seed
from tfglue.training.selection import Selection
from tfglue.training.step import TrainStep
from tfglue.training.task_batches import TaskBatches

Metrics = dict[str, dict[str, dict[str, float]]]
"""task -> split -> metric -> value."""

_CHECKPOINT_SECONDS = 300.0
_CHECKPOINT_SECONDS_AT_EVALUATION = 30.0
_HISTORY_POINTS = 100


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal after its state was saved."""


@dataclass(frozen=True)
class LoopSettings:
    """What the loop itself needs to know.

    Args:
        seed: seed of dropout.
        total_updates: where training ends.
        updates_per_epoch: updates that make an epoch.
        evaluate_every: updates between evaluations; the end is always evaluated.
        patience: evaluations without improvement before training stops early; None for never.
        save_epochs: whether and which epochs `save_epoch` is called for (0 is before training).
    """

    seed: int
    total_updates: int
    updates_per_epoch: int
    evaluate_every: int
    patience: int | None = None
    save_epochs: frozenset[int] | None = frozenset()


class TrainingLoop:
    """Runs updates, evaluations and checkpoints.

    Args:
        model: encoder and heads.
        step: does one update of a task.
        tasks: task name -> its batches.
        schedule: the learning rate, for the history.
        settings: see `LoopSettings`.
        evaluate: returns the metrics of the current weights and the score that ranks them; None
            where there is nothing to evaluate on.
        checkpoints: where states are saved.
        save_epoch: called with an epoch number when that epoch's weights are to be kept.
        save_history: called with all rows of the history after each evaluation.
        callbacks: Keras callbacks; they get epoch and batch events.
    """

    def __init__(
        self,
        model: TransferModel,
        step: TrainStep,
        tasks: Mapping[str, TaskBatches],
        schedule: WarmupSchedule,
        settings: LoopSettings,
        *,
        evaluate: Callable[[], tuple[Metrics, float]] | None,
        checkpoints: CheckpointFolder,
        save_epoch: Callable[[int], None],
        save_history: Callable[[Sequence[Mapping[str, Any]]], None],
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ):
        self.model = model
        self.step = step
        self.schedule = schedule
        self.settings = settings
        self.evaluate = evaluate
        self.checkpoints = checkpoints
        self.save_epoch = save_epoch
        self.save_history = save_history
        (self.task,) = tasks
        self.batches = tasks[self.task]
        self.weights = model.trained_weights()
        self.update = 0
        self.history: list[dict[str, Any]] = []
        self.selection = Selection(settings.patience)
        self.best_weights: dict[str, np.ndarray] = {}
        self.rate = 0.0
        self._loss_sum, self._loss_count = 0.0, 0
        self._pending: list[tuple[Any, int]] = []
        self._saved_at = time.monotonic()
        self._stop_signal: int | None = None
        model.optimizer = step.optimizer
        model.stop_training = False
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks),
            model=model,
            epochs=-(-settings.total_updates // settings.updates_per_epoch),
            steps=settings.updates_per_epoch,
        )

    def run(self) -> None:
        """Trains from where the state stands to the end.

        Raises:
            Interrupted: after SIGINT or SIGTERM, the state being saved.
            UserError: when the loss is no longer finite.
        """
        settings = self.settings
        progress = TrainingProgress(settings.total_updates, self.update)
        with self._signals(), progress.running():
            self.callbacks.on_train_begin()
            if self.update == 0 and self._keeps(0):
                self.save_epoch(0)
            stream = self.batches.updates(self.update)
            while self.update < settings.total_updates and not self._stopped():
                self._one_update(next(stream), progress)
                if self._stop_signal is not None:
                    self.save()
                    raise Interrupted
            self.save()
            self.callbacks.on_train_end()
        self.rate = progress.rate

    def _one_update(self, batches, progress: TrainingProgress) -> None:
        settings = self.settings
        epoch, in_epoch = divmod(self.update, settings.updates_per_epoch)
        if in_epoch == 0:
            self.callbacks.on_epoch_begin(epoch)
        self.callbacks.on_train_batch_begin(in_epoch)
        seeds = [dropout_seed(settings.seed, self.update, i) for i in range(len(batches))]
        loss, count = self.step(self.task, batches, seeds)
        self._pending.append((loss, count))
        self.update += 1
        self.callbacks.on_train_batch_end(in_epoch)
        if progress.due:
            self._settle()
            progress.loss(self._loss_sum / self._loss_count)
        progress.advance(count)

        last = self.update == settings.total_updates
        ends_epoch = self.update % settings.updates_per_epoch == 0
        evaluates = last or self.update % settings.evaluate_every == 0
        logs: dict[str, float] = {}
        if evaluates or self.update % max(1, settings.total_updates // _HISTORY_POINTS) == 0:
            logs = self._record(progress, evaluates and self.evaluate is not None)
        if ends_epoch or last:
            if self._keeps(epoch + 1):
                self.save_epoch(epoch + 1)
            self.callbacks.on_epoch_end(epoch, logs)
        since = time.monotonic() - self._saved_at
        if since > (_CHECKPOINT_SECONDS_AT_EVALUATION if evaluates else _CHECKPOINT_SECONDS):
            self.save()

    def _record(self, progress: TrainingProgress, evaluates: bool) -> dict[str, float]:
        """Adds a history row: mean loss since the last one, and metrics if `evaluates`."""
        self._settle()
        mean_loss = self._loss_sum / self._loss_count
        progress.loss(mean_loss)
        row: dict[str, Any] = {
            "update": self.update,
            "epoch": round(self.update / self.settings.updates_per_epoch, 6),
            "learning_rate": float(self.schedule(self.update - 1)),
            "train_loss": mean_loss,
        }
        self._loss_sum, self._loss_count = 0.0, 0
        if evaluates:
            with progress.paused():
                metrics, score = self.evaluate()
            for splits in metrics.values():
                for values in splits.values():
                    self._check_finite(sum(values.values()))
            improved = self.selection.observe(score, self.update)
            if improved:
                self.best_weights = {n: w.numpy() for n, w in self.weights.items()}
            row |= {
                f"{task}.{split}.{name}": value
                for task, splits in metrics.items()
                for split, values in splits.items()
                for name, value in values.items()
            }
            progress.say(_evaluation_line(row, improved))
        self.history.append(row)
        if evaluates:
            self.save_history(self.history)
        return {name: value for name, value in row.items() if name not in ("update", "epoch")}

    def save(self) -> None:
        """Writes a checkpoint of everything that decides how training goes on."""
        self._settle()
        optimizer = {
            f"{index:05d}": np.asarray(variable)
            for index, variable in enumerate(self.step.optimizer.variables)
        }
        state = {
            "update": self.update,
            "history": self.history,
            "selection": self.selection.state(),
            "loss_sum": self._loss_sum,
            "loss_count": self._loss_count,
        }
        weights = {name: weight.numpy() for name, weight in self.weights.items()}
        groups = {"weights": weights, "optimizer": optimizer, "best": self.best_weights}
        self.checkpoints.save(self.update, state, groups)
        self._saved_at = time.monotonic()

    def restore(self) -> bool:
        """Takes the latest checkpoint's state; returns False if there is none.

        Raises:
            UserError: if its tensors are not exactly those of this model and optimizer.
        """
        loaded = self.checkpoints.load()
        if loaded is None:
            return False
        state, groups = loaded
        optimizer = {
            f"{index:05d}": variable
            for index, variable in enumerate(self.step.optimizer.variables)
        }
        for group, variables in (("weights", self.weights), ("optimizer", optimizer)):
            found = {name: value.shape for name, value in groups.get(group, {}).items()}
            expected = {name: tuple(variable.shape) for name, variable in variables.items()}
            if found != expected:
                differing = sorted(found.items() ^ expected.items())[0][0]
                raise UserError(
                    f"{self.checkpoints.folder}: {group} of the checkpoint do not fit this run "
                    f"(first difference: {differing})"
                )
            for name, variable in variables.items():
                variable.assign(groups[group][name])
        self.best_weights = groups.get("best", {})
        if self.best_weights.keys() not in (set(), self.weights.keys()):
            raise UserError(f"{self.checkpoints.folder}: best weights do not fit this run")
        self.update = state["update"]
        self.history = state["history"]
        self.selection = Selection(**state["selection"])
        self._loss_sum, self._loss_count = state["loss_sum"], state["loss_count"]
        return True

    def _settle(self) -> None:
        # Reading a loss waits for its update, so losses are read in groups.
        for loss, count in self._pending:
            self._loss_sum += float(loss)
            self._loss_count += count
        self._pending.clear()
        self._check_finite(self._loss_sum)

    def _check_finite(self, value: float) -> None:
        if not np.isfinite(value):
            raise UserError(
                f"training diverged: the loss is {value} after {self.update} updates; "
                "lower --learning_rate or raise --warmup"
            )

    def _stopped(self) -> bool:
        return self.selection.exhausted or self.model.stop_training

    def _keeps(self, epoch: int) -> bool:
        return self.settings.save_epochs is None or epoch in self.settings.save_epochs

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Lets SIGINT and SIGTERM end training at the next update; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number, frame):
            if self._stop_signal is not None:
                raise KeyboardInterrupt
            self._stop_signal = number

        before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _evaluation_line(row: Mapping[str, Any], improved: bool) -> str:
    values = "  ".join(
        f"{name} {value:.4f}" for name, value in row.items() if name.count(".") == 2
    )
    return (
        f"epoch {row['epoch']:.2f}  train_loss {row['train_loss']:.4f}  {values}"
        f"{'  (best so far)' if improved else ''}"
    )
