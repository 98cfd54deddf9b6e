"""The loop as a whole: resume, early stopping, interruption."""

import os
import signal

import keras
import numpy as np
import pytest

from tests.training.small_model import small_features, small_model, small_step, values
from tfglue.data.batch_plan import BatchPlan
from tfglue.errors import UserError
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.evaluation_callback import EvaluationCallback
from tfglue.training.loop import Interrupted, LoopSettings, Paused, TrainingLoop
from tfglue.training.samplers import TaskOrder, sampler
from tfglue.training.schedule import WarmupSchedule
from tfglue.training.task_batches import MixedBatches, TaskBatches

SCORES = [0.1, 0.5, 0.4, 0.3, 0.2, 0.1]


class Stopper(keras.callbacks.Callback):
    """Sends this process a signal during one update."""

    def __init__(self, update):
        super().__init__()
        self.update = update

    def on_train_batch_end(self, batch, logs=None):
        self.update -= 1
        if self.update == 0:
            os.kill(os.getpid(), signal.SIGINT)


class Ender(EvaluationCallback):
    """Pauses or stops after evaluations at these updates, and keeps what it was shown."""

    def __init__(self, pause=(), stop=()):
        super().__init__()
        self.pause, self.stop, self.seen = pause, stop, []

    def on_evaluation(self, history):
        update = history[-1]["update"]
        self.seen.append([row["update"] for row in history if "nli.dev.accuracy" in row])
        self.model.pause_training = update in self.pause
        self.model.stop_training = update in self.stop


def make_loop(folder, *, patience=None, optimizer="adamw", precision="float32", accumulate=1,
              callbacks=(), learning_rate=0.05, **settings):
    model, features = small_model(dropout=0.1, num_layers=1), small_features()
    plan = BatchPlan(features.lengths, 4, accumulate, 3, "nli", "grouped")
    sizes = {"nli": (len(features), plan.updates_per_epoch)}
    order = TaskOrder(sizes, sampler("shuffle"), plan.updates_per_epoch, epochs=3, seed=3)
    evaluations = []

    def evaluate():
        # The score comes from a list, so that a test knows which evaluation is best.
        score = SCORES[len(loop.history_scores()) % len(SCORES)]
        evaluations.append(loop.state.update)
        return {"nli": {"dev": {"accuracy": score, "loss": 1.0}}}, score

    options = dict(seed=3, total_updates=25, updates_per_epoch=plan.updates_per_epoch,
                   evaluate_every=5, patience=patience)
    loop = Loop(
        model,
        small_step(model, optimizer, precision=precision),
        MixedBatches({"nli": TaskBatches(features, plan)}, order),
        WarmupSchedule(learning_rate, 0, 100, decay=False),
        LoopSettings(**(options | settings)),
        evaluate=evaluate,
        checkpoints=CheckpointFolder(folder),
        save_epoch=lambda epoch: loop.saved.append(epoch),
        save_history=lambda rows: loop.written.append(len(rows)),
        callbacks=callbacks,
    )
    loop.saved, loop.written = [], []
    return loop


class Loop(TrainingLoop):
    """Knows how many evaluations its history holds, resumed ones included."""

    def history_scores(self):
        return [row for row in self.state.history if "nli.dev.accuracy" in row]


@pytest.mark.parametrize(
    ("optimizer", "precision", "accumulate", "decay"),
    [
        ("adamw", "float32", 1, 0.8),
        pytest.param("adamax", "mixed_bfloat16", 3, None, marks=pytest.mark.slow),
        pytest.param("radam", "float32", 1, None, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path, optimizer, precision, accumulate, decay):
    options = dict(
        optimizer=optimizer, precision=precision, accumulate=accumulate, average_decay=decay
    )
    whole = make_loop(tmp_path / "whole", **options)
    whole.run()
    # Stopped twice: in the middle of an epoch, and on its last update.
    for done, stop in ((0, 7), (7, 20)):
        stopped = make_loop(tmp_path / "stopped", callbacks=[Stopper(stop - done)], **options)
        assert stopped.restore() == (done > 0)
        with pytest.raises(Interrupted):
            stopped.run()
        assert stopped.state.update == stop
    resumed = make_loop(tmp_path / "stopped", **options)
    assert resumed.restore()
    resumed.run()
    assert resumed.state.history == whole.state.history
    assert resumed.state.selection == whole.state.selection
    for name, value in values(whole.model).items():
        assert np.array_equal(value, values(resumed.model)[name]), name
    for name, value in whole.state.best_weights.items():
        assert np.array_equal(value, resumed.state.best_weights[name]), name


@pytest.mark.slow
def test_best_weights_are_those_of_the_best_evaluation(tmp_path):
    loop = make_loop(tmp_path)
    loop.run()
    short = make_loop(tmp_path / "short", total_updates=10)
    short.run()
    assert loop.state.selection.best_update == 10
    for name, value in values(short.model).items():
        if name in loop.state.best_weights:
            assert np.array_equal(loop.state.best_weights[name], value)


def test_patience_stops_early(tmp_path):
    loop = make_loop(tmp_path, patience=2)
    loop.run()
    assert loop.state.update == 20
    assert loop.state.selection.best_update == 10


def test_history_has_losses_between_evaluations_and_epochs_are_saved(tmp_path):
    loop = make_loop(tmp_path, save_epochs=None)
    loop.run()
    assert [row["update"] for row in loop.state.history] == list(range(1, 26))
    assert [row["update"] for row in loop.history_scores()] == [5, 10, 15, 20, 25]
    assert all(np.isfinite(row["train_loss"]) for row in loop.state.history)
    assert loop.saved == [0, 1, 2, 3]
    assert loop.written == [5, 10, 15, 20, 25]


def test_callbacks_hear_of_epochs_with_metrics(tmp_path):
    heard = []

    class Listener(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            heard.append((epoch, sorted(logs or {})))

    make_loop(tmp_path, callbacks=[Listener()], evaluate_every=10).run()
    assert [epoch for epoch, _ in heard] == [0, 1, 2]
    assert "nli.dev.accuracy" in heard[0][1]


def test_checkpoints_come_as_often_as_asked_and_count_the_seconds(tmp_path, monkeypatch):
    loop = make_loop(tmp_path, total_updates=4, checkpoint_seconds=1e-9)
    seen, save = [], loop.checkpoints.save
    monkeypatch.setattr(
        loop.checkpoints, "save", lambda update, *rest: (seen.append(update), save(update, *rest))
    )
    loop.run()
    assert seen == [1, 2, 3, 4, 4]
    resumed = make_loop(tmp_path)
    before = resumed.state.seconds
    assert resumed.restore()
    assert resumed.state.seconds > before + 0.1  # Compiling alone takes longer than that.


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    loop = make_loop(tmp_path, total_updates=2)
    loop.run()
    loop.save()
    other = make_loop(tmp_path)
    other.state.weights.pop("encoder.pooler.bias")
    with pytest.raises(UserError, match="do not fit this run"):
        other.restore()


def test_a_loss_that_is_not_finite_is_said(tmp_path):
    loop = make_loop(tmp_path)
    loop.state.weights["heads.nli.dense.bias"].assign([np.nan] * 3)
    with pytest.raises(UserError, match="lower --learning_rate"):
        loop.run()


@pytest.mark.slow
def test_a_callback_may_pause_after_an_evaluation_and_resuming_is_exact(tmp_path):
    whole = make_loop(tmp_path / "whole")
    whole.run()
    paused = make_loop(tmp_path / "paused", callbacks=[Ender(pause=(10, 25))])
    with pytest.raises(Paused, match="paused after update 10 of 25"):
        paused.run()
    assert paused.state.update == 10
    ender = Ender(pause=(25,))  # There is nothing to pause before at the end.
    resumed = make_loop(tmp_path / "paused", callbacks=[ender])
    assert resumed.restore()
    resumed.run()
    assert ender.seen == [[5, 10, 15], [5, 10, 15, 20], [5, 10, 15, 20, 25]]
    assert resumed.state.history == whole.state.history
    for name, value in values(whole.model).items():
        assert np.array_equal(value, values(resumed.model)[name]), name


def test_a_callback_may_end_training_inside_an_epoch(tmp_path):
    loop = make_loop(tmp_path, callbacks=[Ender(stop=(15,))])
    loop.run()
    assert loop.state.update == 15
    assert 15 % loop.settings.updates_per_epoch


@pytest.mark.slow
def test_averaged_weights_are_what_is_scored_and_kept(tmp_path):
    decay, seen, scored, saved = 0.9, [], {}, {}

    class Watcher(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(values(self.model))

    loop = make_loop(tmp_path / "run", average_decay=decay, callbacks=[Watcher()],
                     save_epochs=frozenset({0, 1}))
    start, evaluate = values(loop.model), loop.evaluate

    def looking():
        scored[loop.state.update] = values(loop.model)
        return evaluate()

    loop.evaluate = looking
    loop.save_epoch = lambda epoch: saved.update({epoch: values(loop.model)})
    loop.run()
    averages, average = {0: start}, {name: v.astype(np.float64) for name, v in start.items()}
    for update, raw in enumerate(seen, start=1):
        average = {n: decay * old + (1 - decay) * raw[n] for n, old in average.items()}
        averages[update] = average
    per_epoch = loop.settings.updates_per_epoch
    name = "heads.nli.dense.kernel"
    assert np.abs(averages[5][name] - seen[4][name]).max() > 1e-3
    for found, update in [(scored[u], u) for u in (5, 10, 25)] + [
        (saved[0], 0), (saved[1], per_epoch), (loop.state.best_weights, 10),
        (values(loop.model), 25),
    ]:
        for key, value in found.items():
            # Weights without a gradient are those of the start.
            assert np.allclose(value, averages[update][key], atol=1e-5), (update, key)
    # Training went on from the weights themselves.
    plain = []
    class Plain(Watcher):
        def on_train_batch_end(self, batch, logs=None):
            plain.append(values(self.model))

    make_loop(tmp_path / "plain", callbacks=[Plain()]).run()
    assert all(np.array_equal(one[name], other[name])
               for one, other in zip(seen, plain, strict=True))
