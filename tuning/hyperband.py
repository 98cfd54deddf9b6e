"""Hyperband's brackets, also where a space is small or trials fail."""

import math
from collections.abc import Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import HyperbandOracle

OVER = (TrialStatus.COMPLETED, TrialStatus.FAILED)


class Brackets(HyperbandOracle):
    """keras-tuner's Hyperband (Li et al. 2018), whose brackets always come to an end.

    keras-tuner's own waits for rungs that nothing can fill: it stops with all runs paused where a
    space has fewer points than the first rung, and where a trial of a rung has no score. Here the
    first rung of a bracket takes what there is, later ones shrink as successive halving would, and
    what has no score is thrown out first.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The best of a rung for more epochs, or a new setting for few; see `HyperbandOracle`."""
        while True:
            self._brackets = [one for one in self._brackets if not _complete(one)]
            for bracket in self._brackets:
                values = self._new(trial_id, bracket) or self._promoted(trial_id, bracket)
                if values:
                    return {"status": TrialStatus.RUNNING, "values": values}
            last = self._current_iteration + 1 >= self.hyperband_iterations
            if last and self._current_bracket == 0:
                break
            self._increment_bracket_num()
            self._start_new_bracket()
        # Rungs that are not full wait for trials of other workers.
        return {"status": TrialStatus.IDLE if self.ongoing_trials else TrialStatus.STOPPED}

    def _start_new_bracket(self) -> None:
        super()._start_new_bracket()
        bracket = self._brackets[-1]
        bracket["sizes"] = self.sizes(bracket["bracket_num"])

    def sizes(self, bracket_num: int, settings: int | None = None) -> list[int]:
        """Settings in each rung of a bracket, of one that begins with so many at most."""
        rungs = range(self._get_num_rounds(bracket_num))
        whole = [self._get_size(bracket_num, rung) for rung in rungs]
        if settings is None:
            return whole
        return [min(whole[rung], math.ceil(settings / self.factor**rung)) for rung in rungs]

    def budget(self, points: int | None = None) -> tuple[int, int]:
        """How many settings all brackets try, and for how many epochs together.

        A setting that goes on is trained for the epochs that it has not been trained for yet.

        Args:
            points: of the space; None where nobody would count them.
        """
        settings = epochs = 0
        brackets = range(self._get_num_brackets() - 1, -1, -1)
        for bracket in (b for _ in range(self.hyperband_iterations) for b in brackets):
            sizes, before = self.sizes(bracket, None if points is None else points - settings), 0
            settings += sizes[0]
            for rung, size in enumerate(sizes):
                until = self._get_epochs(bracket, rung)
                epochs += size * (until - before)
                before = until
        return settings, epochs

    def _new(self, trial_id: str, bracket: Mapping[str, Any]) -> dict[str, Any] | None:
        """A setting that was not tried yet, while the bracket's first rung has room for it."""
        number, first = bracket["bracket_num"], bracket["rounds"][0]
        if len(first) >= bracket["sizes"][0]:
            return None
        values = self._random_values()
        if values is None:  # All points of the space are tried.
            bracket["sizes"][:] = self.sizes(number, len(first))
            return None
        first.append({"past_id": None, "id": trial_id})
        return values | _rung(number, 0, self._get_epochs(number, 0), 0)

    def _promoted(self, trial_id: str, bracket: Mapping[str, Any]) -> dict[str, Any] | None:
        """The best of a rung that is sure to be among those which go on."""
        number, rounds, sizes = bracket["bracket_num"], bracket["rounds"], bracket["sizes"]
        for rung in range(1, len(rounds)):
            before, selected = rounds[rung - 1], {one["past_id"] for one in rounds[rung]}
            waiting = [self.trials[one["id"]] for one in before if one["id"] not in selected]
            over = [trial for trial in waiting if trial.status in OVER]
            if len(rounds[rung]) >= sizes[rung] or len(over) <= sizes[rung - 1] - sizes[rung]:
                continue
            best = self._best(over)
            if best is not None:
                rounds[rung].append({"past_id": best.trial_id, "id": trial_id})
                return {
                    **best.hyperparameters.values, "tuner/trial_id": best.trial_id,
                    **_rung(
                        number, rung, self._get_epochs(number, rung),
                        self._get_epochs(number, rung - 1),
                    ),
                }
            if len(before) == sizes[rung - 1] and len(over) == len(waiting):
                sizes[rung] = len(rounds[rung])  # None that is left has a score.
        return None

    def _best(self, trials: list[Trial]) -> Trial | None:
        scored = [trial for trial in trials if trial.status == TrialStatus.COMPLETED]
        choose = max if self.objective.direction == "max" else min
        return choose(scored, key=lambda trial: trial.score, default=None)


def _rung(bracket: int, rung: int, until: int, begin: int) -> dict[str, int]:
    return {
        "tuner/epochs": until, "tuner/initial_epoch": begin, "tuner/bracket": bracket,
        "tuner/round": rung,
    }


def _complete(bracket: Mapping[str, Any]) -> bool:
    """Whether all trials of its last rung have been given out."""
    return len(bracket["rounds"][-1]) >= bracket["sizes"][-1]
