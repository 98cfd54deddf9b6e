"""The folder of a search: what was asked, its trials, and what they came to."""

import math
import shlex
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import yaml

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.files import check_writable, read_yaml, write_text
from tfglue.flags import checked
from tfglue.folder_lock import Occupied, locked
from tfglue.form import check_file
from tfglue.output import free_output
from tfglue.run_folder import RunFolder
from tfglue.task_choice import Say
from tuning.config import SearchConfig
from tuning.plan import SearchPlan
from tuning.rung import Rung
from tuning.trial_record import TrialRecord

FORMAT = "tfglue.search.v1"

_TRIAL_LOCK = ".trial.lock"
"""Of whoever trains a trial, from before its first run until the chief knows what it came to."""

_FORM = {
    "asked": {"search": {str: object}, "train": {str: object}, "space": [str]},
    "identity": {str: object},
    "inputs": {"encoder": str, "data": {str: str}, "epochs": float},
}


class SearchFolder:
    """Paths and formats inside a search's folder.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.asked = self.path / "search.yaml"
        self.tuner = self.path / "tuner.json"
        self.trials = self.path / "trials"
        self.table = self.path / "trials.csv"
        self.report = self.path / "report.json"
        self.card = self.path / "README.md"
        self.best = self.path / "best"
        self.tensorboard = self.path / "tensorboard"

    @classmethod
    def claim(cls, given: Mapping[str, Any]) -> "SearchFolder | None":
        """The folder that ``--output`` names, None if it names none; nothing is touched yet.

        Raises:
            UserError: it is taken and neither ``--resume`` nor ``--overwrite`` is given, it is no
                search, or these come without ``--output``.
        """
        output = given.get("output")
        if given.get("resume") and given.get("overwrite"):
            raise UserError("--resume and --overwrite exclude each other; give one")
        if output is None:
            for flag in ("resume", "overwrite"):
                if given.get(flag):
                    raise UserError(f"--{flag} needs --output, the folder of the search")
            return None
        folder = cls(output)
        try:
            check_writable(folder.path)
            taken = RunFolder(output).exists
        except OSError as error:
            raise UserError(f"--output {output}: {error.strerror}") from None
        if taken and not folder.exists:
            raise UserError(f"--output: {output} exists and is not a search; name another folder")
        if taken and not given.get("resume") and not given.get("overwrite"):
            raise UserError(
                f"--output: {output} holds a search; add --resume to go on with it, --overwrite "
                "to replace it, or name another folder"
            )
        return folder

    @classmethod
    def free(cls, task: str) -> "SearchFolder":
        """Makes and returns a new folder named after the task."""
        return cls(free_output(f"search-{task}").path)

    @property
    def exists(self) -> bool:
        """Whether a search has begun here."""
        return self.asked.is_file()

    @property
    def go_on(self) -> str:
        """The command that resumes the search."""
        return f"python -m tuning.search --output {shlex.quote(str(self.path))} --resume"

    def wait_for_workers(self, seconds: float, say: Say) -> None:
        """Waits until no process trains a trial: workers end a moment after a chief is killed.

        Args:
            seconds: that each trial is waited for at most.
            say: told who is waited for.

        Raises:
            Occupied: a process still trains one.
        """
        for lock in sorted(self.trials.glob(f"*/{_TRIAL_LOCK}")):
            with locked(lock.parent, _TRIAL_LOCK, patience=seconds, say=say):
                pass

    def training(self, place: Path, say: Say) -> AbstractContextManager[None]:
        """Keeps other workers from a trial while the block runs; waits for one that is at it.

        Args:
            place: of the trial.
            say: told who is waited for.
        """
        return locked(place, _TRIAL_LOCK, patience=math.inf, say=say)

    def in_training(self, place: Path) -> bool:
        """Whether a process is at a trial, on this machine or another one."""
        if not (place / _TRIAL_LOCK).exists():
            return False
        try:
            with locked(place, _TRIAL_LOCK):
                return False
        except Occupied:
            return True

    def clear(self) -> None:
        """Deletes the search, but for hidden files such as its lock."""
        # What makes it a search goes last, so that a kill leaves something that can be replaced.
        for entry in sorted(self.path.iterdir(), key=lambda entry: entry == self.asked):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif not entry.name.startswith("."):
                entry.unlink()

    def write(
        self, asked: Mapping[str, Any], plan: SearchPlan, inputs: Mapping[str, Any]
    ) -> None:
        """Writes ``search.yaml``.

        Args:
            asked: ``search``, ``train`` and ``space`` as they were given.
            plan: what was made of it.
            inputs: digests of encoder and data.
        """
        content = {
            "format": FORMAT, "asked": asked, "identity": plan.identity(), "inputs": dict(inputs),
        }
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        write_text(self.asked, text)

    def read(self) -> dict[str, Any]:
        """Content of ``search.yaml``. Raises UserError if it is not what `write` writes."""
        content = read_yaml(self.asked)
        check_file(content, FORMAT, _FORM, self.asked)
        for part, config in (("search", SearchConfig), ("train", TrainConfig)):
            where = f"{self.asked}: {part}"
            content["asked"][part] = checked(content["asked"][part], config, where=where)
        return content

    def trial(self, number: int) -> Path:
        """Folder of a trial: a run, or with several seeds runs under ``seeds/``."""
        return self.trials / f"{number:04d}"

    def place(self, number: int, values: Mapping[str, Any]) -> Path:
        """Folder of what a trial trains: of one that goes on with another's, where that began.

        Args:
            number: of the trial.
            values: what keras-tuner says of it.
        """
        rung = Rung.of(values)
        before = rung.continues if rung else None
        while before is not None:
            number, before = before, self.record(before).continues
        return self.trial(number)

    def log(self, number: int) -> Path:
        """What the runs of a trial printed."""
        return self.trials / f"{number:04d}.log"

    def record_file(self, number: int) -> Path:
        """Record of a trial that is over."""
        return self.trials / f"{number:04d}.json"

    def record(self, number: int) -> TrialRecord | None:
        """What became of a trial; None if it is not over."""
        path = self.record_file(number)
        return TrialRecord.read(path) if path.is_file() else None

    def records(self) -> list[TrialRecord]:
        """All trials that are over, by their numbers."""
        return [TrialRecord.read(path) for path in sorted(self.trials.glob("[0-9]*.json"))]

    def runs(self, record: TrialRecord) -> list[RunFolder]:
        """The runs of a trial."""
        return [RunFolder(self.path / run) for run in record.runs]


def best_record(records: list[TrialRecord], plan: SearchPlan) -> TrialRecord | None:
    """The best trial whose runs are finished, the first of equals; None if there is none."""
    best = None
    for record in records:
        if record.complete and (best is None or plan.better(record.score, best.score)):
            best = record
    return best
