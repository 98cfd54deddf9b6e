"""A rung of Hyperband: a run that is trained for some of its epochs, and perhaps goes on later."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfglue.training.evaluation_callback import EvaluationCallback


@dataclass(frozen=True)
class Rung:
    """What Hyperband says of a trial.

    Args:
        continues: number of the trial whose runs it goes on with; None for new ones.
        begin: epochs that these were trained for.
        end: epochs that it trains up to.
    """

    continues: int | None
    begin: int
    end: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Rung | None":
        """The rung in the values of a trial; None where another tuner chose them."""
        if "tuner/epochs" not in values:
            return None
        before = values.get("tuner/trial_id")
        return cls(
            None if before is None else int(before), int(values["tuner/initial_epoch"]),
            int(values["tuner/epochs"]),
        )


class PauseAtEpoch(EvaluationCallback):
    """Pauses a run at its first evaluation after so many epochs.

    Its learning rate is that of a run which goes all the way. So what is paused is the beginning of
    an ordinary run, and nothing is trained twice when it goes on.
    """

    def __init__(self, epoch: int):
        super().__init__()
        self.epoch = epoch

    def on_evaluation(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Pauses if it is time."""
        if history[-1]["epoch"] >= self.epoch:
            self.model.pause_training = True
