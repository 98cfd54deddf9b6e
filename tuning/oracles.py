"""keras-tuner's oracles, which choose what is tried next, so that they survive being killed.

As they come, they write many files in place, so that a kill can leave half of one, or files that
contradict each other; the grid's does not go on at all (keras-tuner issue 1055). Here all of an
oracle is one file, written at once.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle, RandomSearchOracle
from threadpoolctl import threadpool_limits

from tfglue.errors import UserError
from tfglue.files import read_json, write_json
from tfglue.form import check_file
from tuning.dimension import Dimension
from tuning.hyperband import OVER, Brackets
from tuning.plan import SearchPlan
from tuning.search_folder import SearchFolder

SCORE = "score"
"""What oracles call the score of a trial, whatever metric it is."""

FORMAT = "tfglue.tuner.v1"

_FORM = {
    "oracle": {"ongoing_trials": {str: str}, "retry_queue": [str]},
    "trials": {str: {"trial_id": str, "status": str}}, "elapsed": {str: float},
}
_COUNTED = 10_000
"""Spaces of so many points may be tried to the last; those of more never are."""


class Resumable:
    """What all oracles here share; mixed into one of keras-tuner's.

    Args:
        path: the file of the state; an oracle goes on from it where it is there.
        space: parameter -> dimension.
        on_end: called with the number of each trial that ends.
        in_training: whether a worker of an earlier session is still at a trial.
        options: of the oracle itself.
    """

    def __init__(
        self, path: Path, space: Mapping[str, Dimension], on_end: Callable[[int], None],
        in_training: Callable[[Trial], bool], **options,
    ):
        hyperparameters = keras_tuner.HyperParameters()
        for dimension in space.values():
            dimension.declare(hyperparameters)
        super().__init__(
            hyperparameters=hyperparameters, allow_new_entries=False, tune_new_entries=False,
            # Who trains the trials decides when too many have failed.
            max_consecutive_failed_trials=10**9, **options,
        )
        self.path, self.space = path, dict(space)
        self.on_end, self._in_training = on_end, in_training
        self.elapsed: dict[str, float] = {}
        self.failure: Exception | None = None
        self._began = time.monotonic()
        self.verbose = 0
        if path.is_file():
            self.reload()

    @property
    def seconds(self) -> float:
        """Seconds that the search has run, earlier sessions up to their last finished trial."""
        return time.monotonic() - self._began

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What the next trial tries, in values as `Dimension.clean` has them."""
        response = super().populate_space(trial_id)
        if response.get("values"):
            response["values"] = self.cleaned(response["values"])
        return response

    def cleaned(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by `Dimension.clean`; what is none of the space's stays as it is."""
        return {
            name: self.space[name].clean(value) if name in self.space else value
            for name, value in values.items()
        }

    @property
    def points(self) -> int | None:
        """Points of the space; None where nobody would count them."""
        every = [dimension.every for dimension in self.space.values()]
        count = None if None in every else prod(map(len, every))
        return count if count is not None and count <= _COUNTED else None

    def _random_values(self) -> dict[str, Any] | None:
        """Values that were not tried yet, at random; None where all were.

        keras-tuner gives up after some draws of what was tried, and then points may be left.
        """
        values = super()._random_values()
        if values is None and self.points is not None:
            combinations = product(*(dimension.every for dimension in self.space.values()))
            points = (dict(zip(self.space, one, strict=True)) for one in combinations)
            left = [point for point in points if not self._duplicate(point)]
            values = random.Random(self._seed_state).choice(left) if left else None
        return values

    def create_trial(self, tuner_id: str) -> Trial:
        """The next trial of a worker, or the one that it has begun, and writes the state."""
        with self._failures():
            return super().create_trial(tuner_id)

    def update_trial(self, trial_id: str, metrics: Mapping[str, float], step: int = 0) -> Trial:
        """Takes note of what a worker has measured."""
        with self._failures():
            return super().update_trial(trial_id, metrics, step)

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Takes note of a trial that is over, and writes the state."""
        with self._failures():
            if trial.trial_id in self.end_order:  # Two workers had it.
                self._let_go(trial.trial_id)
                return
            # From another process come values of 32 bits.
            trial.hyperparameters = self.trials[trial.trial_id].hyperparameters
            self.elapsed[trial.trial_id] = self.seconds
            # Before the state, with which a trial is over for good: what a kill keeps from being
            # told is told when the trial ends again.
            self.on_end(int(trial.trial_id))
            super().end_trial(trial)
            self._let_go(trial.trial_id)

    def _let_go(self, trial_id: str) -> None:
        """Gives a trial that is over to nobody, whoever had it or waited to begin it again."""
        self._retry_queue = [name for name in self._retry_queue if name != trial_id]
        self.ongoing_trials = {
            worker: one for worker, one in self.ongoing_trials.items() if one.trial_id != trial_id
        }

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Keeps what goes wrong for the chief, whose server would hide it and go on."""
        try:
            yield
        except Exception as failure:
            self.failure = failure
            raise

    def save(self) -> None:
        """Writes the state, trials included."""
        content = {
            "format": FORMAT, "oracle": self.get_state(), "elapsed": self.elapsed,
            "trials": {name: trial.get_state() for name, trial in self.trials.items()},
        }
        write_json(self.path, content)

    def _save_trial(self, trial: Trial) -> None:
        """Trials are written with all the rest."""

    def reload(self) -> None:
        """Takes the state from the file. Raises UserError if it is not what `save` writes."""
        content = read_json(self.path)
        check_file(content, FORMAT, _FORM, self.path)
        try:
            self.trials = {
                name: Trial.from_state(state) for name, state in content["trials"].items()
            }
            self.set_state(content["oracle"])
        except (LookupError, TypeError, ValueError, AttributeError):
            raise UserError(f"{self.path}: damaged; restore the file") from None
        self.elapsed = content["elapsed"]
        self._began = time.monotonic() - max(self.elapsed.values(), default=0.0)
        # Workers on other machines outlive a chief, and keep their trials. What else was under way
        # goes on first. An oracle writes its state before it lets go of a trial that is over.
        waiting = [*self._retry_queue, *(t.trial_id for t in self.ongoing_trials.values())]
        self.ongoing_trials = {
            worker: trial for worker, trial in self.ongoing_trials.items()
            if trial.status not in OVER and self._in_training(trial)
        }
        self.tuner_ids |= set(self.ongoing_trials)  # They are to hear of the end, too.
        kept = {trial.trial_id for trial in self.ongoing_trials.values()}
        self._retry_queue = [
            name for name in sorted(set(waiting) - kept, reverse=True)
            if self.trials[name].status not in OVER
        ]


class RandomOracle(Resumable, RandomSearchOracle):
    """Draws every trial anew."""


class BayesianOracle(Resumable, BayesianOptimizationOracle):
    """A Gaussian process over the scores so far; upper confidence bound."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """As the process proposes; at random where it proposes what was tried already."""
        # Thousands of tiny matrices: sharing them out among threads takes four times as long.
        with threadpool_limits(1):
            response = super().populate_space(trial_id)
        if response.get("values") and self._duplicate(response["values"]):
            response = self._random_populate_space()
            if response.get("values"):
                response["values"] = self.cleaned(response["values"])
        return response


class ResumableHyperband(Resumable, Brackets):
    """Hyperband (Li et al. 2018): many settings for few epochs, the best of them for more."""


class GridOracle(Resumable, keras_tuner.Oracle):
    """All combinations of the points of each dimension, in their order.

    Trial n is the n-th combination, whatever came before it.

    Args:
        points: of each range.
        options: see `Resumable`.
    """

    def __init__(self, points: int, **options):
        super().__init__(**options)
        self._points = points

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The combination of the trial's number."""
        points = [dimension.points(self._points) for dimension in self.space.values()]
        for number, values in enumerate(product(*points)):
            if number == int(trial_id):
                return {
                    "status": TrialStatus.RUNNING,
                    "values": dict(zip(self.space, values, strict=True)),
                }
        return {"status": TrialStatus.STOPPED, "values": None}


def build_oracle(
    plan: SearchPlan, folder: SearchFolder, max_epochs: int, on_end: Callable[[int], None]
) -> Resumable:
    """The oracle of a search, gone on with where the folder has its state.

    Args:
        plan: the search.
        folder: where it goes.
        max_epochs: of a run of Hyperband that goes all the way.
        on_end: called with the number of each trial that ends.

    Raises:
        UserError: the state is damaged, or gone.
    """
    config = plan.config
    if folder.records() and not folder.tuner.is_file():
        # What it would propose anew need not be what the trials of the same numbers have tried.
        raise UserError(
            f"{folder.tuner}: no such file, and trials are over; restore it, or begin anew with "
            "--overwrite"
        )

    def in_training(trial: Trial) -> bool:
        return folder.in_training(folder.place(int(trial.trial_id), trial.hyperparameters.values))

    # keras-tuner takes 0 for no seed, and draws of neighbouring seeds overlap.
    seed = int(np.random.SeedSequence(plan.search_seed).generate_state(1)[0]) or 1
    shared = dict(
        path=folder.tuner, space=plan.space, on_end=on_end, in_training=in_training, seed=seed,
        objective=keras_tuner.Objective(SCORE, "max" if plan.higher_is_better else "min"),
    )
    if config.tuner == "hyperband":
        oracle = ResumableHyperband(
            max_epochs=max_epochs, factor=config.factor, hyperband_iterations=config.iterations,
            **shared,
        )
        oracle.hyperband_iterations = config.iterations  # More of them than in the file, perhaps.
        return oracle
    if config.tuner == "grid":
        return GridOracle(config.grid_points, max_trials=config.trials, **shared)
    oracles = {"bayesian": BayesianOracle, "random": RandomOracle}
    return oracles[config.tuner](max_trials=config.trials, **shared)
