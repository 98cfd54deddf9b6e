"""The training loop: one for one task or many, fresh or resumed."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import keras
import numpy as np

from tfglue.data.reading_ahead import in_order
from tfglue.errors import UserError
from tfglue.models.transfer_model import TransferModel
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.evaluation_callback import EvaluationCallback
from tfglue.training.progress import TrainingProgress
from tfglue.training.seeds import dropout_seed
from tfglue.training.state import TrainingState
from tfglue.training.step import TrainStep
from tfglue.training.stop_signal import StopSignal
from tfglue.training.task_batches import MixedBatches, Update

Metrics = dict[str, dict[str, dict[str, float]]]
"""task -> split -> metric -> value."""

_CHECKPOINT_SECONDS_AT_EVALUATION = 30.0
_HISTORY_POINTS = 100


class Interrupted(KeyboardInterrupt):
    """Training was stopped by a signal after its state was saved."""


class Paused(Interrupted):
    """A callback asked for a pause; the state is saved, and resuming goes on from it."""


class Diverged(UserError):
    """The loss is no longer finite."""


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
        checkpoint_seconds: seconds between checkpoints; an evaluation is followed by one after
            30 s already.
        average_decay: of the moving average of the weights that is scored and kept in their place;
            None for none.
    """

    seed: int
    total_updates: int
    updates_per_epoch: int
    evaluate_every: int
    patience: int | None = None
    save_epochs: frozenset[int] | None = frozenset()
    checkpoint_seconds: float = 300.0
    average_decay: float | None = None


class TrainingLoop:
    """Runs updates, evaluations and checkpoints.

    Args:
        model: encoder and heads.
        step: does one update of a task.
        batches: the stream of updates.
        schedule: the learning rate, for the history.
        settings: see `LoopSettings`.
        evaluate: returns the metrics of the current weights and the score that ranks them; None
            where there is nothing to evaluate on.
        checkpoints: where states are saved.
        save_epoch: called with an epoch number when that epoch's weights are to be kept.
        save_history: called with all rows of the history after each evaluation.
        callbacks: Keras callbacks; they get epoch and batch events, and an `EvaluationCallback`
            each evaluation.
    """

    def __init__(
        self,
        model: TransferModel,
        step: TrainStep,
        batches: MixedBatches,
        schedule: keras.optimizers.schedules.LearningRateSchedule,
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
        self.batches = batches
        self.state = TrainingState(
            model.changing_weights(), step.optimizer, settings.patience, settings.average_decay
        )
        self.rate = 0.0
        self._pending: list[tuple[str, Any, int, Mapping[str, Any]]] = []
        self._saved_at = time.monotonic()
        model.optimizer = step.optimizer
        model.stop_training = model.pause_training = False
        self.callbacks = keras.callbacks.CallbackList(
            list(callbacks),
            model=model,
            epochs=-(-settings.total_updates // settings.updates_per_epoch),
            steps=settings.updates_per_epoch,
        )

    def run(self) -> None:
        """Trains from where the state stands to the end; the model then has what is kept of it.

        Raises:
            Interrupted: after SIGINT or SIGTERM, the state being saved.
            Paused: a callback asked for it, the state being saved.
            Diverged: when the loss is no longer finite.
        """
        state, total = self.state, self.settings.total_updates
        progress = TrainingProgress(total, state.update)
        with StopSignal() as stop, progress.running():
            self.callbacks.on_train_begin()
            if state.update == 0 and self._keeps(0):
                self.save_epoch(0)
            batches = self.batches.updates(state.update)
            with closing(in_order(lambda _: next(batches), repeat(None))) as stream:
                while state.update < total and not self._stopped():
                    self._one_update(next(stream), progress)
                    if stop.received:
                        self.save()
                        raise Interrupted(f"saved after update {state.update} of {total}")
                    if self.model.pause_training and state.update < total:
                        self.save()
                        raise Paused(f"paused after update {state.update} of {total}")
            self.save()
            if state.average is not None:
                state.average.take_place()
            self.callbacks.on_train_end()
        self.rate = progress.rate

    def _one_update(self, update: Update, progress: TrainingProgress) -> None:
        state, settings = self.state, self.settings
        epoch, in_epoch = divmod(state.update, settings.updates_per_epoch)
        if in_epoch == 0:
            self.callbacks.on_epoch_begin(epoch)
        self.callbacks.on_train_batch_begin(in_epoch)
        seeds = [dropout_seed(settings.seed, state.update, i) for i in range(len(update.batches))]
        loss = self.step(update.task, update.batches, update.divisor, seeds)
        if state.average is not None:
            state.average.update()
        self._pending.append((update.task, loss, update.loss_terms, self.step.term_losses))
        state.update += 1
        self.callbacks.on_train_batch_end(in_epoch)
        if progress.due:
            progress.loss(self._mean_loss())
        progress.advance(update.rows)

        last = state.update == settings.total_updates
        ends_epoch = state.update % settings.updates_per_epoch == 0
        evaluates = last or state.update % settings.evaluate_every == 0
        logs: dict[str, float] = {}
        if evaluates or state.update % max(1, settings.total_updates // _HISTORY_POINTS) == 0:
            logs = self._record(progress, evaluates and self.evaluate is not None)
        if ends_epoch or last:
            if self._keeps(epoch + 1):
                with state.scored():
                    self.save_epoch(epoch + 1)
            self.callbacks.on_epoch_end(epoch, logs)
        limit = settings.checkpoint_seconds
        if evaluates:
            limit = min(limit, _CHECKPOINT_SECONDS_AT_EVALUATION)
        if time.monotonic() - self._saved_at > limit:
            self.save()

    def _record(self, progress: TrainingProgress, evaluates: bool) -> dict[str, float]:
        """Adds a history row: mean loss since the last one, and metrics if `evaluates`."""
        state = self.state
        row: dict[str, Any] = {
            "update": state.update,
            "epoch": round(state.update / self.settings.updates_per_epoch, 6),
            "learning_rate": float(self.schedule(state.update - 1)),
            "train_loss": self._mean_loss(),
        }
        progress.loss(row["train_loss"])
        if len(self.batches.tasks) > 1:
            row |= {
                f"train_loss.{task}": total / max(count, 1)
                for task, (total, count) in state.losses.items()
            }
            counts = self.batches.counts(state.update)
            row |= {f"updates.{task}": count for task, count in counts.items()}
        row |= {
            f"{name}_loss": total / max(count, 1)
            for name, (total, count) in state.term_losses.items()
        }
        state.losses.clear()
        state.term_losses.clear()
        if evaluates:
            with state.scored():
                self._evaluate(row, progress)
        else:
            state.history.append(row)
        return {name: value for name, value in row.items() if name not in ("update", "epoch")}

    def _evaluate(self, row: dict[str, Any], progress: TrainingProgress) -> None:
        """Adds a history row with metrics of the weights as they are now, and keeps the best."""
        state = self.state
        with progress.paused():
            metrics, score = self.evaluate()
        values = {
            f"{task}.{split}.{name}": value
            for task, splits in metrics.items()
            for split, named in splits.items()
            for name, value in named.items()
        }
        self._check_finite(sum(values.values()))
        improved = state.selection.observe(score, state.update)
        if improved:
            state.keep_best()
        row |= values
        progress.evaluation(row, improved)
        state.history.append(row)
        self.save_history(state.history)
        for callback in self.callbacks.callbacks:
            if isinstance(callback, EvaluationCallback):
                callback.on_evaluation(state.history)

    def save(self) -> None:
        """Writes a checkpoint of the state as it is after the last update."""
        self._mean_loss()
        self.state.save(self.checkpoints)
        self._saved_at = time.monotonic()

    def restore(self) -> bool:
        """Takes the latest checkpoint's state; see `TrainingState.restore`."""
        return self.state.restore(self.checkpoints)

    def _mean_loss(self) -> float:
        """Mean loss since the last row of the history, all updates done counted."""
        # Reading a loss waits for its update, so losses are read in groups.
        losses = self.state.losses
        for task, loss, count, terms in self._pending:
            _add(losses, task, loss, count)
            for name, part in terms.items():
                _add(self.state.term_losses, name, part, count)
        self._pending.clear()
        total = sum(total for total, _ in losses.values())
        self._check_finite(total)
        return total / max(sum(count for _, count in losses.values()), 1)

    def _check_finite(self, value: float) -> None:
        if not np.isfinite(value):
            raise Diverged(
                f"training diverged: the loss is {value} after {self.state.update} updates; "
                "lower --learning_rate or raise --warmup"
            )

    def _stopped(self) -> bool:
        return self.state.selection.exhausted or self.model.stop_training

    def _keeps(self, epoch: int) -> bool:
        return self.settings.save_epochs is None or epoch in self.settings.save_epochs


def _add(sums: dict[str, tuple[float, int]], name: str, loss: Any, count: int) -> None:
    total, before = sums.get(name, (0.0, 0))
    sums[name] = (total + float(loss), before + count)
