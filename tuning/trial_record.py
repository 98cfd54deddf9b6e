"""What became of one trial: a JSON file beside its runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.files import read_json, write_json
from tfglue.form import check_file

FORMAT = "tfglue.trial.v1"

FINISHED, STOPPED, PAUSED, DIVERGED, TOO_LARGE, REFUSED = (
    "finished", "stopped early", "paused", "diverged", "out of memory", "refused"
)
STATUSES = (FINISHED, STOPPED, PAUSED, DIVERGED, TOO_LARGE, REFUSED)

_FORM = {
    "format": str, "trial": int, "values": {str: object}, "status": str, "score": (float, None),
    "scores": [float], "runs": [str], "epochs": float, "seconds": float, "message": str,
    "continues": (int, None),
}


@dataclass(frozen=True)
class TrialRecord:
    """One trial that is over.

    Args:
        trial: its number, from 0.
        values: parameter -> value that it tried.
        status: one of `STATUSES`; ``paused`` is a run of Hyperband that may go on in another trial.
        score: mean over its runs; None where there is none.
        scores: of each run.
        runs: their folders, relative to the search's.
        epochs: trained in this trial, over all its runs.
        seconds: that it took, set-up included; of one that was killed and went on, what its
            finished runs took in all.
        message: why it has no score.
        continues: number of the trial whose runs it went on with.
    """

    trial: int
    values: Mapping[str, Any]
    status: str
    score: float | None
    scores: tuple[float, ...]
    runs: tuple[str, ...]
    epochs: float
    seconds: float
    message: str = ""
    continues: int | None = None

    @property
    def complete(self) -> bool:
        """Whether its runs are finished ones, which can be opened."""
        return self.status in (FINISHED, STOPPED)

    def write(self, path: Path) -> None:
        """Writes the record."""
        write_json(path, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, path: Path) -> "TrialRecord":
        """Reads what `write` wrote. Raises UserError for anything else."""
        content = read_json(path)
        check_file(content, FORMAT, _FORM, path)
        if content["status"] not in STATUSES:
            raise UserError(f"{path}: status: expected one of {', '.join(STATUSES)}")
        del content["format"]
        return cls(**content | {"scores": tuple(content["scores"]), "runs": tuple(content["runs"])})
