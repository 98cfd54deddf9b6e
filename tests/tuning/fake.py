"""A search without training: scores are a function of what is tried."""

import math
import time

from tuning.oracles import build_oracle
from tuning.plan import make_plan
from tuning.rung import Rung
from tuning.search_folder import SearchFolder
from tuning.trial_record import DIVERGED, FINISHED, PAUSED, TrialRecord

SPACE = ["learning_rate=log:1e-5:1e-2", "batch_size=choice:8,16"]
MAX_EPOCHS = 9


class Killed(BaseException):
    """Stands for SIGKILL: nothing but a new process comes after it."""


class FakeModel:
    """Takes the place of `RunHyperModel`.

    Args:
        plan, folder: as there.
        killer: called with the name of each point at which a process may be killed.
        seconds: that a trial takes.
        diverges_above: learning rate from which trials have no score.
    """

    def __init__(self, plan, folder, killer=lambda point: None, seconds=0.0, diverges_above=1.0):
        self.plan, self.folder = plan, folder
        self.killer, self.seconds, self.diverges_above = killer, seconds, diverges_above
        self.trained = []

    def fit(self, hp, *, trial):
        record = self.folder.record(trial)
        if record is None:
            self.killer("training")
            time.sleep(self.seconds)
            values = {n: one.clean(hp.values[n]) for n, one in self.plan.space.items()}
            rung = Rung.of(hp.values)
            end = rung.end if rung else 3
            score = -abs(math.log10(values["learning_rate"] / 1e-3)) + 0.01 * end
            status = PAUSED if rung and end < MAX_EPOCHS else FINISHED
            if values["learning_rate"] > self.diverges_above:
                score, status = None, DIVERGED
            record = TrialRecord(
                trial, values, status, score, () if score is None else (score,), (f"r{trial}",),
                end - (rung.begin if rung else 0), 1.0, "", rung.continues if rung else None,
            )
            self.folder.trials.mkdir(parents=True, exist_ok=True)
            record.write(self.folder.record_file(trial))
            self.trained.append(trial)
            self.killer("recorded")
        return record


def fake_search(path, killer=lambda point: None, space=SPACE, **search):
    """Plan, oracle (gone on with where there is a state) and model of a search in a folder."""
    plan = make_plan(search, {"task": "rte", "data": "sample"}, space)
    folder = SearchFolder(path)
    oracle = build_oracle(plan, folder, MAX_EPOCHS, lambda trial: killer("ended"))
    save = oracle.save

    def saved():
        killer("before saving")
        save()
        killer("after saving")

    oracle.save = saved
    return plan, oracle, FakeModel(plan, folder, killer)


def outcome(folder):
    """Trial -> what it tried and its score."""
    return {one.trial: (dict(one.values), one.score) for one in SearchFolder(folder).records()}
