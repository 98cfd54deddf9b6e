"""Trials as keras-tuner sees them: each is one or several ordinary runs."""

import gc
import statistics
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import keras
import keras_tuner
import tensorflow as tf

from tfglue.errors import UserError
from tfglue.experiment import train
from tfglue.files import CannotWrite
from tfglue.folder_lock import Occupied
from tfglue.run_folder import RunFolder
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.loop import Diverged, Paused
from tuning.median_rule import MedianRule, curve_of
from tuning.plan import SearchPlan
from tuning.preflight import preflight
from tuning.rung import PauseAtEpoch, Rung
from tuning.search_folder import SearchFolder, best_record
from tuning.searchable import trial_settings
from tuning.trial_record import (
    DIVERGED,
    FINISHED,
    PAUSED,
    REFUSED,
    STOPPED,
    TOO_LARGE,
    TrialRecord,
)


class RunHyperModel(keras_tuner.HyperModel):
    """Trains the runs of a trial into the folder of the search.

    Args:
        plan: the search.
        folder: where it goes.
        max_epochs: of a run of Hyperband that goes all the way.
    """

    def __init__(self, plan: SearchPlan, folder: SearchFolder, max_epochs: int):
        super().__init__()
        self.plan = plan
        self.folder = folder
        self.max_epochs = max_epochs

    def build(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Settings of training of a trial; the model itself is made where it is trained.

        Raises UserError if values contradict each other.
        """
        settings = trial_settings(self.plan.base, self.values(hp))
        return settings | ({"epochs": self.max_epochs} if Rung.of(hp.values) else {})

    def values(self, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        """Parameter -> what the trial tries."""
        return {name: one.clean(hp.values[name]) for name, one in self.plan.space.items()}

    def fit(self, hp: keras_tuner.HyperParameters, *, trial: int) -> TrialRecord:
        """Trains what of a trial has not been trained yet, and says what came of it.

        Args:
            hp: what keras-tuner chose.
            trial: its number.

        Returns:
            The record, which is on disk, too.

        Raises:
            UserError: data or encoder are not as before, or a file cannot be written.
            Interrupted: by a signal; the run of the trial is saved.
        """
        record = self.folder.record(trial)
        if record is None:
            record = self._fit(hp, trial, Rung.of(hp.values))
            record.write(self.folder.record_file(trial))
        if self.plan.config.keep_weights == "best":
            self._drop_weights()
        gc.collect()
        return record

    def _fit(
        self, hp: keras_tuner.HyperParameters, trial: int, rung: Rung | None
    ) -> TrialRecord:
        began, values = time.monotonic(), self.values(hp)
        place = self.folder.place(trial, hp.values)
        first = values.get("seed", self.plan.base.get("seed", 0))
        seeds = range(first, first + self.plan.seeds)
        places = [place / "seeds" / str(s) for s in seeds] if self.plan.seeds > 1 else [place]
        runs = [RunFolder(path) for path in places]
        run, status, message = runs[0], FINISHED, ""
        self.folder.trials.mkdir(parents=True, exist_ok=True)
        with open(self.folder.log(trial), "a", encoding="utf-8") as log, redirect_stdout(log):
            try:
                settings = self.build(hp)
                for run, seed in zip(runs, seeds, strict=True):
                    self._train(run, {**settings, "seed": seed}, rung, trial)
            except (Diverged, tf.errors.ResourceExhaustedError) as failure:
                status = DIVERGED if isinstance(failure, Diverged) else TOO_LARGE
                message = " ".join(str(failure).split())[:300]
                for run in runs:  # Nobody goes on with them.
                    CheckpointFolder(run.checkpoint).remove()
            except UserError as mistake:
                self._check_that_it_is_the_trial(mistake, run)
                status, message = REFUSED, " ".join(str(mistake).split())[:300]
        begin = rung.begin if rung else 0
        epochs = sum(max(0.0, _epoch(run) - begin) for run in runs)
        scores: list[float] = []
        if status == FINISHED:
            scores = [self._score(run) for run in runs]
            manifests = [run.manifest() for run in runs]
            if any(manifest["status"] != "complete" for manifest in manifests):
                status = PAUSED
            elif any(m["result"]["updates"] < m["total_updates"] for m in manifests):
                status = STOPPED
        return TrialRecord(
            trial, values, status, statistics.fmean(scores) if scores else None,
            tuple(scores), tuple(str(path.relative_to(self.folder.path)) for path in places),
            epochs, self._seconds(runs, rung, time.monotonic() - began), message,
            rung.continues if rung else None,
        )

    def _seconds(self, runs: list[RunFolder], rung: Rung | None, last: float) -> float:
        """That a trial took: `last`, or what its runs say where they were killed and went on.

        Runs of Hyperband count other trials, too, which they went on from.
        """
        return last if rung else max(last, sum(run.timing().get("seconds", 0.0) for run in runs))

    def _train(
        self, run: RunFolder, settings: Mapping[str, Any], rung: Rung | None, trial: int
    ) -> None:
        if run.is_run() and run.manifest()["status"] == "complete":
            return
        callbacks: list[keras.callbacks.Callback] = []
        if rung and rung.end < self.max_epochs:
            # It may have been killed after it was paused, before it was noted down.
            if _epoch(run, self._column(self.plan.metric)) >= rung.end:
                return
            callbacks.append(PauseAtEpoch(rung.end))
        if self.plan.config.early_stop == "median":
            callbacks.append(self._median_rule(trial))
        output = {"output": str(run.path), "resume": run.is_run()}
        try:
            train({**settings, **output}, callbacks=callbacks)
        except Paused as pause:
            print(pause)

    def _check_that_it_is_the_trial(self, mistake: UserError, run: RunFolder) -> None:
        """Raises what is wrong with data, encoder or disk, which would end every trial.

        What is left is a mistake in the values of this one, of which the others know nothing.
        """
        if run.is_run() or isinstance(mistake, (CannotWrite, Occupied)):
            raise mistake
        preflight(self.plan, print)

    def _median_rule(self, trial: int) -> MedianRule:
        column = self._column(self.plan.metric)
        peers = [
            [curve_of(run.history(), column) for run in self.folder.runs(record)]
            for record in self.folder.records() if record.complete and record.trial != trial
        ]
        return MedianRule(column, self.plan.higher_is_better, peers)

    def _score(self, run: RunFolder) -> float:
        """The score of a run's best evaluation, which a finished run has the weights of."""
        if run.manifest()["status"] == "complete":
            return run.metrics()[self.plan.task]["dev"][self.plan.metric]
        column = self._column(self.plan.main_metric)
        scored = [row for row in run.history() if row.get(column)]
        best = max(scored, key=lambda row: float(row[column]))
        return float(best[self._column(self.plan.metric)])

    def _column(self, metric: str) -> str:
        return f"{self.plan.task}.dev.{metric}"

    def _drop_weights(self) -> None:
        """Deletes the weights of runs that are over and not of the best trial.

        Workers may do so at the same time: none of them drops what is best of all that is over.
        """
        records = self.folder.records()
        best = best_record(records, self.plan)
        for record in records:
            if record.status == PAUSED or (best and record.runs == best.runs):
                continue
            for run in self.folder.runs(record):
                if run.keeps_weights:
                    run.drop_weights()


def _epoch(run: RunFolder, column: str = "epoch") -> float:
    """Epochs that a run was trained for, up to its last row that has something in a column."""
    return max((float(row["epoch"]) for row in run.history() if row.get(column)), default=0.0)
