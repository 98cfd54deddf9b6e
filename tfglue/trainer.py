"""Training from settings to a finished run folder."""

import math
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
from tfglue.config import BEST_BY_TASK, evaluation_interval, saved_epochs, task_list, task_numbers
from tfglue.data.batches import BatchPlan
from tfglue.errors import UserError
from tfglue.evaluation import Evaluation
from tfglue.files import atomic_folder, write_text
from tfglue.layer_weights import write_layer_weights
from tfglue.loss_terms import loss_terms
from tfglue.manifest import build_manifest, find_equal_run
from tfglue.model_card import model_card
from tfglue.models.initialization import initialize_weights
from tfglue.models.transfer_model import TransferModel
from tfglue.output import check_same_inputs, claim_output, free_output, locked, resumed_settings
from tfglue.preparation import Prepared, PreparedTask, prepare
from tfglue.results import best_by_task, write_results
from tfglue.run import Run, build_model
from tfglue.run_folder import RunFolder
from tfglue.task_choice import Say
from tfglue.teaching import drop_states, with_teachers, write_teaching
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.devices import describe, needs_fixed_shapes, open_strategy, worker_index
from tfglue.training.loop import Interrupted, LoopSettings, Paused, TrainingLoop
from tfglue.training.optimizer import build_optimizer
from tfglue.training.overhead import overhead_lines
from tfglue.training.prediction import Predictor
from tfglue.training.replicas import padding_for
from tfglue.training.samplers import TaskOrder, sampler
from tfglue.training.schedule import build_schedule
from tfglue.training.step import TrainStep
from tfglue.training.task_batches import MixedBatches, TaskBatches
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
                with locked(folder):
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
        self.plans = {name: self._plan(one) for name, one in prepared.tasks.items()}
        self.order = self._order()
        self.updates_per_epoch = self.order.updates_per_epoch
        self.total_updates = self._total_updates()
        self.saved_epochs = self._saved_epochs()
        self.folder = self.output = folder or free_output("-".join(self.tasks))
        self.first_worker = self.config.strategy != "multi_worker" or worker_index() == 0
        self.evaluation = Evaluation(
            prepared.tasks,
            Predictor(self.model, self.kinds, self.config.eval_batch_size),
            task_list(self.config.best_on),
        )
        output = str(self.output.path)
        self.manifest = build_manifest(prepared, self.model, self.total_updates, output)
        if stored is not None:
            check_same_inputs(self.manifest, stored, output)
            self.manifest = dict(stored)
        self.checkpoints = CheckpointFolder(self.output.checkpoint, writable=self.first_worker)

    def _build_model(self) -> TransferModel:
        config, encoder = self.config, self.prepared.loaded.encoder
        head_dropout = {n: one.config.head_dropout for n, one in self.prepared.tasks.items()}
        model = build_model(
            self.tasks, encoder, config.adapter, config.head, head_dropout
        )
        if config.strategy != "none" and model.changing_weights() != model.trained_weights():
            raise UserError(
                f"--head {config.head}: it keeps statistics of each batch, which several devices "
                "do not share; train it without --strategy"
            )
        for name, head in model.heads.items():
            weights = {f"{name}.{key}": weight for key, weight in head.named_weights().items()}
            initialize_weights(weights, encoder.initializer_range, config.seed)
        for name, adapter in model.adapters.items():
            adapter.initialize(name, config.seed)
        if self.prepared.initial:
            self.prepared.initial.load_parts(config.init_parts, self.tasks, model)
        return model

    def _plan(self, one: PreparedTask) -> BatchPlan:
        train = one.features["train"]
        classes = one.kind.classes(train) if self.config.balance else None
        if self.config.balance and classes is None:
            raise UserError(f"--balance: task {one.task.name} has no classes of rows")
        return BatchPlan(
            lengths=train.lengths,
            batch_size=one.config.batch_size,
            accumulate=self.config.accumulate,
            seed=self.config.seed,
            task=one.task.name,
            batching=self.config.batching,
            classes=classes,
            batch_tokens=self.config.batch_tokens,
        )

    def _order(self) -> TaskOrder:
        config, sizes = self.config, {}
        for name, plan in self.plans.items():
            rows = min(len(plan.lengths), config.task_cap or len(plan.lengths))
            sizes[name] = (rows, plan.updates_for(rows))
        per_epoch = config.steps_per_epoch or sum(updates for _, updates in sizes.values())
        if config.steps_per_task is not None:
            per_epoch = config.steps_per_task * len(sizes)
        epochs = min(config.epochs, (config.max_steps or math.inf) / per_epoch)
        return TaskOrder(
            sizes, sampler(config.sampler), per_epoch, math.ceil(epochs), config.seed
        )

    def _total_updates(self) -> int:
        config = self.config
        total = max(1, round(config.epochs * self.updates_per_epoch))
        return total if config.max_steps is None else min(total, config.max_steps)

    def _saved_epochs(self) -> frozenset[int] | None:
        epochs = saved_epochs(self.config.save)
        last = -(-self.total_updates // self.updates_per_epoch)
        if epochs and max(epochs) > last:
            raise UserError(f"--save: there is no epoch {max(epochs)}; this run ends with {last}")
        return epochs

    def run(self) -> Run:
        """Trains from the latest checkpoint or the start, and finishes the folder."""
        budget = Budget.of(self.model)
        for line in budget.lines():
            self.say(line)
        sizes = [one.config.batch_size or 0 for one in self.prepared.tasks.values()]
        self.say(updates_line(self.updates_per_epoch, self.total_updates, self.config, sizes))
        self.say(budget.check_disk(self.output.path, self._kept_epochs()))
        with self._own_folder(), locked(self.folder), self._ways_to_go_on():
            self._begin_folder()
            loop = self.build_loop()
            for line in overhead_lines(loop.step, loop.batches):
                self.say(line)
            if self.config.resume and loop.restore():
                self.say(f"resuming after update {loop.state.update} of {self.total_updates}")
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
        go_on = f"go on with python -m tfglue.train --output {output} --resume"
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

    def _kept_epochs(self) -> int:
        if self.config.save == BEST_BY_TASK:
            return len(self.tasks)
        if self.saved_epochs is None:
            return 1 - (-self.total_updates // self.updates_per_epoch)
        return len(self.saved_epochs)

    def build_loop(self) -> TrainingLoop:
        config, per_epoch = self.config, self.updates_per_epoch
        schedule = build_schedule(
            config.schedule, config.learning_rate, config.warmup, self.total_updates, per_epoch
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
        strategy = tf.distribute.get_strategy()
        batches = {
            name: TaskBatches(
                one.features["train"],
                self.plans[name],
                padding_for(
                    strategy.num_replicas_in_sync, one.config.batch_size, one.config.max_length,
                    needs_fixed_shapes(strategy),
                ),
            )
            for name, one in self.prepared.tasks.items()
        }
        return TrainingLoop(
            self.model,
            step,
            MixedBatches(batches, self.order),
            schedule,
            LoopSettings(
                seed=config.seed,
                total_updates=self.total_updates,
                updates_per_epoch=per_epoch,
                evaluate_every=evaluation_interval(config.evaluate_every, per_epoch),
                patience=config.patience,
                save_epochs=self.saved_epochs,
                checkpoint_seconds=config.checkpoint_seconds,
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
        configs = {name: one.config for name, one in self.prepared.tasks.items()}
        return Run(
            self.output, self.tasks, self.prepared.tokenizer, self.model, configs, calibration
        )
