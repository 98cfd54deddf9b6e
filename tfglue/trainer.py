"""Training from settings to a finished run folder."""

import shlex
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import keras
import tensorflow as tf

from tfglue import tasks
from tfglue.budget import budget_lines, check_disk
from tfglue.config import TrainConfig, evaluation_interval, saved_epochs
from tfglue.data.batches import BatchPlan
from tfglue.errors import UserError
from tfglue.files import atomic_folder, write_text
from tfglue.flags import checked
from tfglue.manifest import build_manifest
from tfglue.model_card import model_card
from tfglue.models.initialization import initialize_weights
from tfglue.models.transfer_model import TransferModel
from tfglue.output import check_same_inputs, claim_output, free_output, locked, resumed_settings
from tfglue.predictions import Predictions
from tfglue.preparation import Prepared, Say, prepare
from tfglue.results import write_results
from tfglue.run import Run, build_model
from tfglue.run_folder import RunFolder
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.loop import Interrupted, LoopSettings, Metrics, TrainingLoop
from tfglue.training.optimizer import build_optimizer
from tfglue.training.prediction import Predictor
from tfglue.training.schedule import build_schedule
from tfglue.training.step import TrainStep
from tfglue.training.task_batches import TaskBatches


def train(
    given: Mapping[str, Any],
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    say: Say = print,
) -> Run:
    """Trains one task and writes its run folder.

    Args:
        given: settings by the names of `TrainConfig`; what is not given is filled from recipes.
        callbacks: Keras callbacks beside the ones we add.
        say: takes each line of what is going on.

    Returns:
        The finished run, holding the weights it saved.

    Raises:
        UserError: for any mistake in settings, data or encoder; nothing is overwritten.
        Interrupted: after SIGINT or SIGTERM; the message says how to go on.
    """
    given = checked(given, TrainConfig, where="settings")
    given = {name: value for name, value in given.items() if value is not None}
    if declared := tasks.find(given.get("task", "")):
        given["task"] = declared.name
    folder, stored = claim_output(given)
    if stored is not None:
        given = resumed_settings(given, stored)
        if stored.get("status") == "complete":
            say(f"{folder.path}: complete already")
            return Run.open(folder.path)
    return Training(prepare(given, say), folder, stored, callbacks, say).run()


class Training:
    """One run in the making: model, optimizer and loop around what was prepared.

    Args:
        prepared: settings, data and encoder.
        folder: where the run goes; None picks a free name.
        stored: ``run.yaml`` of the run to go on with, or None.
        callbacks: Keras callbacks.
        say: takes each line of what is going on.
    """

    def __init__(
        self,
        prepared: Prepared,
        folder: RunFolder | None,
        stored: Mapping[str, Any] | None,
        callbacks: Sequence[keras.callbacks.Callback],
        say: Say,
    ):
        tf.config.experimental.enable_op_determinism()
        self.prepared, self.say, self.callbacks = prepared, say, callbacks
        self.config, self.task = prepared.config, prepared.task
        self.model = self._build_model()
        self.plan = BatchPlan(
            lengths=prepared.features["train"].lengths,
            batch_size=self.config.batch_size,
            accumulate=self.config.accumulate,
            seed=self.config.seed,
            task=self.task.name,
            batching=self.config.batching,
        )
        self.total_updates = self._total_updates()
        self.saved_epochs = self._saved_epochs()
        self.folder = folder or free_output(self.task.name)
        self.predictor = Predictor(self.model, self.config.eval_batch_size)
        output = str(self.folder.path)
        self.manifest = build_manifest(prepared, self.model, self.total_updates, output)
        if stored is not None:
            check_same_inputs(self.manifest, stored, output)
            self.manifest = dict(stored)

    def _build_model(self) -> TransferModel:
        config, encoder = self.config, self.prepared.loaded.encoder
        model = build_model({self.task.name: self.task}, encoder)
        for name, head in model.heads.items():
            weights = {f"{name}.{key}": weight for key, weight in head.named_weights().items()}
            initialize_weights(weights, encoder.initializer_range, config.seed)
        return model

    def _total_updates(self) -> int:
        config = self.config
        total = max(1, round(config.epochs * self.plan.updates_per_epoch))
        return total if config.max_steps is None else min(total, config.max_steps)

    def _saved_epochs(self) -> frozenset[int] | None:
        epochs = saved_epochs(self.config.save)
        last = -(-self.total_updates // self.plan.updates_per_epoch)
        if epochs and max(epochs) > last:
            raise UserError(f"--save: there is no epoch {max(epochs)}; this run ends with {last}")
        return epochs

    def run(self) -> Run:
        """Trains from the latest checkpoint or the start, and finishes the folder."""
        started = time.monotonic()
        counts = self.manifest["parameters"]
        for line in budget_lines(counts, self.plan, self.total_updates, self.config):
            self.say(line)
        self.say(check_disk(counts, self.folder.path, self._kept_epochs()))
        with locked(self.folder):
            if self.config.overwrite:
                self.folder.clear()
            self.folder.write_manifest(self.manifest)
            try:
                return self._run_locked(started)
            except Interrupted:
                raise
            except KeyboardInterrupt:
                raise Interrupted(self._how_to_go_on("stopped")) from None

    def _run_locked(self, started: float) -> Run:
        self.folder.remove_leftovers()
        if self.prepared.train_rows is not None:
            rows = "".join(f"{row}\n" for row in self.prepared.train_rows)
            write_text(self.folder.path / "train_rows.txt", rows)
        self.prepared.tokenizer.save(self.folder.tokenizer)
        loop = self.build_loop()
        if loop.restore():
            self.say(f"resuming after update {loop.update} of {self.total_updates}")
        elif self.config.resume:
            self.say("nothing was saved yet; starting from the beginning")
        try:
            loop.run()
        except Interrupted:
            done = f"saved after update {loop.update} of {self.total_updates}"
            raise Interrupted(self._how_to_go_on(done)) from None
        return self._finish(loop, time.monotonic() - started)

    def _how_to_go_on(self, done: str) -> str:
        output = shlex.quote(str(self.folder.path))
        return f"{done}; go on with python -m tfglue.train --output {output} --resume"

    def _kept_epochs(self) -> int:
        if self.saved_epochs is None:
            return 1 - (-self.total_updates // self.plan.updates_per_epoch)
        return len(self.saved_epochs)

    def build_loop(self) -> TrainingLoop:
        config, per_epoch = self.config, self.plan.updates_per_epoch
        schedule = build_schedule(
            config.schedule, config.learning_rate, config.warmup, self.total_updates
        )
        optimizer = build_optimizer(
            config.optimizer,
            schedule,
            self.model.trained_weights(),
            weight_decay=config.weight_decay,
            epsilon=config.epsilon,
        )
        step = TrainStep(
            self.model,
            optimizer,
            {self.task.name: self.task.kind},
            clip_norm=config.clip_norm,
            precision=config.precision,
        )
        return TrainingLoop(
            self.model,
            step,
            {self.task.name: TaskBatches(self.prepared.features["train"], self.plan)},
            schedule,
            LoopSettings(
                seed=config.seed,
                total_updates=self.total_updates,
                updates_per_epoch=per_epoch,
                evaluate_every=evaluation_interval(config.evaluate_every, per_epoch),
                patience=config.patience,
                save_epochs=self.saved_epochs,
            ),
            evaluate=self._evaluate if self._dev_splits() else None,
            checkpoints=CheckpointFolder(self.folder.checkpoint),
            save_epoch=self._save_epoch,
            save_history=self.folder.write_history,
            callbacks=[*self.callbacks, *self._tensorboard()],
        )

    def _dev_splits(self) -> list[str]:
        return [split for split in self.prepared.examples if split.startswith("dev")]

    def _answer(self, split: str) -> Predictions:
        logits = self.predictor.logits(self.task.name, self.prepared.features[split])
        return Predictions(self.task, self.prepared.examples[split].ids, logits)

    def _evaluate(self) -> tuple[Metrics, float]:
        splits = {
            split: self._answer(split).score(self.prepared.examples[split].labels)
            for split in self._dev_splits()
        }
        return {self.task.name: splits}, splits["dev"][self.task.main_metric]

    def _save_epoch(self, epoch: int) -> None:
        with atomic_folder(self.folder.epoch(epoch)) as temporary:
            self.folder.save_weights(self.model, temporary)

    def _tensorboard(self) -> list[keras.callbacks.Callback]:
        try:
            metadata.version("tensorboard")
        except metadata.PackageNotFoundError:
            return []
        logs = str(self.folder.path / "tensorboard")
        return [keras.callbacks.TensorBoard(logs, write_graph=False)]

    def _finish(self, loop: TrainingLoop, seconds: float) -> Run:
        """Puts the chosen weights in place and writes metrics, predictions, plot and card."""
        best = loop.selection.best_update
        kept_best = self.config.save != "last" and bool(loop.best_weights)
        if kept_best:
            for name, weight in loop.weights.items():
                weight.assign(loop.best_weights[name])
        self.folder.save_weights(self.model)
        examples = self.prepared.examples
        answers = {s: (self._answer(s), examples[s].labels) for s in self._dev_splits()}
        metrics = write_results(self.folder, self.task, answers, loop.history, best)
        self.folder.write_timing(
            {
                "seconds": seconds,
                "examples_per_second": loop.rate,
                "finished": time.strftime("%FT%T%z"),
            }
        )
        kept = (
            f"best evaluation, after update {best}" if kept_best
            else f"last, after update {loop.update}"
        )
        self.manifest |= {
            "status": "complete",
            "result": {"updates": loop.update, "best_update": best, "kept": kept},
        }
        write_text(self.folder.card, model_card(self.manifest, metrics, str(self.folder.path)))
        self.folder.write_manifest(self.manifest)
        loop.checkpoints.remove()
        for split, values in metrics[self.task.name].items():
            shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
            self.say(f"{self.task.name} {split}: {shown}")
        self.say(f"kept: {kept}; run folder: {self.folder.path}")
        return Run(
            self.folder, {self.task.name: self.task}, self.prepared.tokenizer, self.model,
            self.config.max_length,
        )
