"""The loop that trains trials, in one process or in several."""

import time
from typing import Any, Protocol

from tfglue.errors import UserError
from tuning.hypermodel import RunHyperModel
from tuning.oracles import SCORE
from tuning.trial_record import TrialRecord

_IDLE_SECONDS = 0.5
_HOPELESS = 5


class Oracle(Protocol):
    """An oracle of keras-tuner, or its client in another process."""

    def create_trial(self, tuner_id: str) -> Any: ...

    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Any: ...

    def end_trial(self, trial: Any) -> None: ...


def work(oracle: Oracle, name: str, hypermodel: RunHyperModel) -> None:
    """Trains trial after trial until the oracle has no more.

    Args:
        oracle: chooses what is tried.
        name: of this worker; one that is started again under its name goes on with its trial.
        hypermodel: trains it.

    Raises:
        UserError: no trial is of any use, or a mistake shows only in the training of one.
        Interrupted: by a signal; the trial under way is saved.
    """
    while True:
        trial = oracle.create_trial(name)
        if trial.status == "STOPPED":
            return
        if trial.status == "IDLE":  # Hyperband waits for trials of other workers.
            time.sleep(_IDLE_SECONDS)
            continue
        number, folder = int(trial.trial_id), hypermodel.folder
        # Until the chief has heard of the end, so that a new one knows who has what.
        with folder.training(folder.place(number, trial.hyperparameters.values), print):
            record = hypermodel.fit(trial.hyperparameters, trial=number)
            score = _told(record, hypermodel)
            trial.status = "FAILED" if score is None else "COMPLETED"
            if score is not None:
                oracle.update_trial(trial.trial_id, {SCORE: score})
            oracle.end_trial(trial)


def _told(record: TrialRecord, hypermodel: RunHyperModel) -> float | None:
    """What the oracle is told: the score; without one, the worst of the others.

    An oracle that hears nothing of settings which diverge proposes their neighbours. Hyperband
    proposes nothing of its own, and must not go on with them.
    """
    if record.score is not None:
        return record.score
    records = hypermodel.folder.records()
    scores = [other.score for other in records if other.score is not None]
    if not scores and len(records) >= _HOPELESS:
        raise UserError(
            f"none of {len(records)} trials has a score, the last because: {record.message}; "
            "search in another range"
        )
    if hypermodel.plan.config.tuner == "hyperband":
        return None
    worst = min if hypermodel.plan.higher_is_better else max
    return worst(scores, default=None)
