"""Training from settings to a finished run folder."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import tensorflow as tf

from tfglue.budget import Budget, updates_line
from tfglue.config import BEST_BY_TASK, trainer_of
from tfglue.errors import UserError
from tfglue.evaluation import Evaluation
from tfglue.files import atomic_folder, write_text
from tfglue.folder_lock import locked
from tfglue.kinds.kind import Calibration
from tfglue.language_models import begin_language_model, language_model_line, language_models
from tfglue.layer_weights import write_layer_weights
from tfglue.loss_terms import loss_terms, unsmoothed
from tfglue.manifest import build_manifest, find_equal_run
from tfglue.model_card import model_card
from tfglue.models.initialization import initialize_weights
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel
from tfglue.output import check_same_inputs, claim_output, free_output, resumed_settings
from tfglue.preparation import Prepared, prepare
from tfglue.results import best_by_task, write_results
from tfglue.run import Run, build_model
from tfglue.run_folder import RunFolder
from tfglue.run_plan import RunPlan
from tfglue.setting_values import evaluation_interval, task_list, task_numbers
from tfglue.task_choice import Say
from tfglue.teaching import drop_states, with_teachers, write_teaching
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.devices import describe, open_strategy, worker_index
from tfglue.training.loop import Interrupted, LoopSettings, Paused, TrainingLoop
from tfglue.training.optimizer import build_optimizer
from tfglue.training.overhead import overhead_lines
from tfglue.training.prediction import Predictor
from tfglue.training.schedule import build_schedule
from tfglue.training.step import TrainStep
from tfglue.training.word_dropout import WordDropout


def train_run(
    given: Mapping[str, Any],
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    say: Say = print,
    equal_runs: Sequence[Path] = (),
) -> Run:
    """Trains one run and writes its folder.

    Args:
        given: checked settings by the names of `TrainConfig`; what is not given is filled from
            recipes.
        callbacks: Keras callbacks beside the ones we add.
        say: takes each line of what is going on.
        equal_runs: folders, one of which may hold the very run already; it is then taken.

    Returns:
        The finished run, holding the weights it saved.

    Raises:
        UserError: for any mistake in settings, data or encoder; nothing is overwritten.
        Interrupted: after SIGINT or SIGTERM; the message says how to go on.
        Paused: a callback asked for it.
    """
    folder, stored = claim_output(given)
    if stored is not None:
        given = resumed_settings(given, stored)
        if stored.get("status") == "complete":
            if given.get("strategy") != "multi_worker" or worker_index() == 0:
                with locked(folder.path):
                    # It may have been killed after its last file was written.
                    folder.remove_leftovers()
                    CheckpointFolder(folder.checkpoint).remove()
            say(f"{folder.path}: complete already")
            return Run.open(folder.path)
    strategy = open_strategy(given.get("strategy", "none"))
    if given.get("strategy", "none") != "none":
        say(f"devices: {describe(strategy)}")
    with strategy.scope():
        prepared = prepare(given, say, (stored or {}).get("task_settings"))
        equal = find_equal_run(prepared, equal_runs)
        if equal is not None:
            say(f"trained already: {equal}")
            return Run.open(equal)
        first = given.get("strategy") != "multi_worker" or worker_index() == 0
        prepared = with_teachers(prepared, folder if stored else None, say, keeps=first)
        return Training(prepared, folder, stored, callbacks, say).run()


def untrained(prepared: Prepared, folder: RunFolder) -> Run:
    """A run as it is before training; nothing is written.

    Args:
        prepared: settings, data and encoder.
        folder: where the run would go.

    Raises:
        UserError: settings do not fit the task or the encoder.
    """
    return Training(prepared, folder, None, (), lambda line: None).as_run({})


class Training:
    """One run in the making: model, optimizer and loop around what was prepared.

    Made in the scope of the strategy that it trains under. Of several workers the first writes the
    run; the others do the same into a folder of their own, which is thrown away.

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
        self.config = prepared.config
        self.tasks = {name: one.task for name, one in prepared.tasks.items()}
        self.kinds = {name: one.kind for name, one in prepared.tasks.items()}
        self.model = self._build_model()
        self.plan = RunPlan(prepared)
        self.folder = self.output = folder or free_output("-".join(self.tasks))
        self.first_worker = self.config.strategy != "multi_worker" or worker_index() == 0
        self.evaluation = Evaluation(
            prepared.tasks,
            Predictor(self.model, self.kinds, self.config.eval_batch_size),
            task_list(self.config.best_on),
        )
        output = str(self.output.path)
        self.manifest = build_manifest(prepared, self.model, self.plan.total_updates, output)
        if stored is not None:
            check_same_inputs(self.manifest, stored, output)
            self.manifest = dict(stored)
        self.checkpoints = CheckpointFolder(self.output.checkpoint, writable=self.first_worker)

    def _build_model(self) -> TransferModel:
        config, encoder = self.config, self.prepared.loaded.encoder
        head_dropout = {n: one.config.head_dropout for n, one in self.prepared.tasks.items()}
        heads = {n: one.config.head for n, one in self.prepared.tasks.items()}
        beside = MaskedHead.of(encoder) if config.mlm_weight else None
        model = build_model(self.tasks, encoder, config.adapter, heads, head_dropout, beside)
        self._check_statistics(model, heads)
        for name, head in model.heads.items():
            weights = {f"{name}.{key}": weight for key, weight in head.named_weights().items()}
            initialize_weights(weights, encoder.initializer_range, config.seed)
        for name, adapter in model.adapters.items():
            adapter.initialize(name, config.seed)
        for language_model in language_models(model):
            begin_language_model(language_model, self.prepared.loaded, config.seed)
        if self.prepared.initial:
            self._load_parts(model)
        return model

    def _load_parts(self, model: TransferModel) -> None:
        parts, kept = self.config.init_parts, self.config.keep_layers
        try:
            self.prepared.initial.load_parts(parts, self.tasks, model)
        except UserError as error:
            if kept is None:
                raise
            raise UserError(
                f"--keep_layers {kept}: what --init_parts {parts} takes may not fit fewer layers; "
                f"use --init_parts encoder ({error})"
            ) from None

    def run(self) -> Run:
        """Trains from the latest checkpoint or the start, and finishes the folder."""
        budget = Budget.of(self.model)
        for line in budget.lines():
            self.say(line)
        for language_model in language_models(self.model):
            self.say(language_model_line(language_model, self.prepared.loaded))
        sizes = [one.config.batch_size or 0 for one in self.prepared.tasks.values()]
        updates = self.plan.updates_per_epoch, self.plan.total_updates
        self.say(updates_line(*updates, self.config, sizes))
        if self.plan.shortfall:
            self.say(self.plan.shortfall)
        for line in unsmoothed(self.config, self.prepared.tasks):
            self.say(line)
        averaged = self.config.average_weights is not None
        self.say(budget.check_disk(self.output.path, self.plan.kept_weights, averaged))
        with self._own_folder(), locked(self.folder.path), self._ways_to_go_on():
            self._begin_folder()
            loop = self.build_loop()
            for line in overhead_lines(loop.step, loop.batches):
                self.say(line)
            if self.config.resume and loop.restore():
                self.say(f"resuming after update {loop.state.update} of {self.plan.total_updates}")
            elif self.config.resume:
                self.say("nothing was saved yet; starting from the beginning")
            loop.run()
            return self._finish(loop)

    @contextmanager
    def _own_folder(self) -> Iterator[None]:
        """Lets all workers but the first write into a folder that is deleted at the end."""
        if self.first_worker:
            yield
            return
        with TemporaryDirectory(prefix="tfglue-worker-") as own:
            self.folder = RunFolder(own)
            yield

    @contextmanager
    def _ways_to_go_on(self) -> Iterator[None]:
        """Adds the command that resumes to whatever ends training before its time."""
        output = shlex.quote(str(self.output.path))
        trainer = trainer_of(self.config.to_dict())
        go_on = f"go on with python -m {trainer} --output {output} --resume"
        try:
            yield
        except Paused:
            raise  # Whoever asked for it knows how to go on.
        except KeyboardInterrupt as interrupt:
            raise Interrupted(f"{str(interrupt) or 'stopped'}; {go_on}") from None
        except (tf.errors.UnavailableError, tf.errors.AbortedError):
            raise UserError(f"another worker is gone; {go_on}") from None

    def _begin_folder(self) -> None:
        if self.config.overwrite:
            self.folder.clear()
        self.folder.write_manifest(self.manifest)
        self.folder.remove_leftovers()
        write_teaching(self.prepared, self.folder)
        for name, one in self.prepared.tasks.items():
            if one.train_rows is not None:
                rows = "".join(f"{row}\n" for row in one.train_rows)
                file = "train_rows.txt" if len(self.tasks) == 1 else f"train_rows.{name}.txt"
                write_text(self.folder.path / file, rows)
        self.prepared.tokenizer.save(self.folder.tokenizer)

    def _check_statistics(self, model: TransferModel, heads: Mapping[str, str]) -> None:
        if model.changing_weights() == model.trained_weights():
            return
        named = f"--head {', '.join(dict.fromkeys(heads.values()))}: it keeps statistics of each"
        if self.config.strategy != "none":
            raise UserError(
                f"{named} batch, which several devices do not share; train it without --strategy"
            )
        if self.config.smart:
            raise UserError(
                f"{named} batch, and perturbed rows are none of it; train it without --smart"
            )

    def build_loop(self) -> TrainingLoop:
        config, plan = self.config, self.plan
        per_epoch = plan.updates_per_epoch
        schedule = build_schedule(
            config.schedule, config.learning_rate, config.warmup, plan.total_updates, per_epoch
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
            self.kinds,
            clip_norm=config.clip_norm,
            precision=config.precision,
            loss_weights=task_numbers("task_weights", config.task_weights),
            terms=loss_terms(config, self.prepared.tasks),
            word_dropout=(
                WordDropout(config.word_dropout, self.prepared.tokenizer)
                if config.word_dropout else None
            ),
        )
        return TrainingLoop(
            self.model,
            step,
            plan.batches(),
            schedule,
            LoopSettings(
                seed=config.seed,
                total_updates=plan.total_updates,
                updates_per_epoch=per_epoch,
                evaluate_every=evaluation_interval(config.evaluate_every, per_epoch),
                patience=config.patience,
                save_epochs=plan.saved_epochs,
                checkpoint_seconds=config.checkpoint_seconds,
                average_decay=config.average_weights,
            ),
            evaluate=self.evaluation if self.evaluation else None,
            checkpoints=self.checkpoints,
            save_epoch=self._save_epoch,
            save_history=self._save_history,
            callbacks=[*self.callbacks, *self._tensorboard()],
        )

    def _save_epoch(self, epoch: int) -> None:
        with atomic_folder(self.folder.epoch(epoch)) as temporary:
            self.folder.save_weights(self.model, temporary)
            self.folder.write_calibration(self.evaluation.calibration(), temporary)

    def _save_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.folder.write_history(rows)
        if self.config.save != BEST_BY_TASK:
            return
        for name, best in best_by_task(rows, self.tasks).items():
            if best["update"] == rows[-1]["update"]:
                calibration = self.evaluation.calibration()
                with atomic_folder(self.folder.best(name)) as temporary:
                    self.folder.save_weights(self.model, temporary, name)
                    self.folder.write_calibration(calibration, temporary)

    def _tensorboard(self) -> list[keras.callbacks.Callback]:
        try:
            metadata.version("tensorboard")
        except metadata.PackageNotFoundError:
            return []
        logs = str(self.folder.path / "tensorboard")
        return [keras.callbacks.TensorBoard(logs, write_graph=False)]

    def _finish(self, loop: TrainingLoop) -> Run:
        """Puts the chosen weights in place and writes metrics, predictions, plot and card."""
        state = loop.state
        best = state.selection.best_update
        kept = f"last, after update {state.update}"
        if self.config.save != "last" and state.best_weights:
            kept = f"best evaluation, after update {best}"
            for name, weight in state.weights.items():
                weight.assign(state.best_weights[name])
        self.folder.save_weights(self.model)
        calibration = self.evaluation.calibration()
        answers = self.evaluation.answers(calibration)
        metrics = write_results(self.folder, self.tasks, answers, state.history, best)
        write_layer_weights(self.model, self.folder.path)
        self.folder.write_timing(
            {
                "seconds": state.seconds,
                "examples_per_second": loop.rate,
                "finished": time.strftime("%FT%T%z"),
            }
        )
        self.manifest |= {
            "status": "complete",
            "result": {
                "updates": state.update,
                "best_update": best,
                "kept": kept,
                "floor": self.evaluation.floor(),
                "best_by_task": best_by_task(state.history, self.tasks),
                "calibration": {name: dict(found) for name, found in calibration.items()},
            },
        }
        write_text(self.folder.card, model_card(self.manifest, metrics, str(self.output.path)))
        self.folder.write_manifest(self.manifest)
        self.checkpoints.remove()
        drop_states(self.prepared, self.folder)
        for task in self.tasks:
            for split, values in metrics[task].items():
                shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
                self.say(f"{task} {split}: {shown}")
        self.say(f"kept: {kept}; run folder: {self.output.path}")
        return self.as_run(calibration)

    def as_run(self, calibration: Mapping[str, Calibration]) -> Run:
        """The run with the weights that the model has now."""
        configs = {name: one.config for name, one in self.prepared.tasks.items()}
        return Run(
            self.output, self.tasks, self.prepared.tokenizer, self.model, configs, calibration
        )
