"""Runs and tables whose answers a run learns from: the `--teachers` setting."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfglue.errors import UserError
from tfglue.files import digest_bytes, digest_file
from tfglue.finished_run import FinishedRun
from tfglue.kept_predictions import split_of_kept
from tfglue.run_folder import RunFolder
from tfglue.setting_values import task_list
from tfglue.soft_targets import read_soft_targets
from tfglue.task_choice import Say
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    from tfglue.data.examples import Examples
    from tfglue.predictions.rows import RowPredictions

TAUGHT_KINDS = ("classify", "regress")
"""Kinds of tasks whose answers can be learned."""

_SPLIT = "train"


@dataclass(frozen=True)
class Teacher:
    """What answers training rows. Made without TensorFlow.

    Args:
        name: as the user gave it.
        run: the run that answers; None for a table.
        tasks: name -> task as the student has it, of those that it answers.
    """

    name: str
    run: FinishedRun | None
    tasks: Mapping[str, Task]

    def answers(
        self, task: Task, examples: "Examples", whole: "Examples", say: Say, keeps: bool
    ) -> np.ndarray:
        """Probabilities or scores of examples, float64 (examples, labels or 1).

        What the run answered before, and kept, is read; otherwise it answers now, in float32 and
        without dropout, and is forgotten. Both give the same digits.

        Args:
            task: one of `tasks`.
            examples: the student's training examples.
            whole: the training split that they are of, rows that are held out included.
            say: takes a line on what was done.
            keeps: whether to answer all of the split, and keep the answers beside the run.

        Raises:
            UserError: a table lacks examples or classes, or the run is damaged.
        """
        if self.run is None:
            say(f"teacher {self.name}: a table of {task.name}")
            return read_soft_targets(Path(self.name), task, examples.ids)
        kept = Path(f"{self.run.kept.place(task.name, _SPLIT)}.tsv")
        distinct = len(set(whole.ids)) == len(whole)
        if distinct and kept.is_file() and not self.run.kept.objection(task.name, _SPLIT, whole):
            say(f"teacher {self.name}: its answers to {task.name} read from {kept}")
            return read_soft_targets(kept, task, examples.ids)
        if not keeps or (len(examples) < len(whole) and not distinct):
            return self._asked(task, examples, say, keeps=False)
        found = self._asked(task, whole, say, keeps=True)
        if len(examples) == len(whole):
            return found
        row_of = {name: row for row, name in enumerate(whole.ids)}
        return found[[row_of[name] for name in examples.ids]]

    def check(self, task: Task, examples: "Examples") -> None:
        """Raises UserError if a table lacks examples; a run answers whatever it is asked."""
        if self.run is None:
            read_soft_targets(Path(self.name), task, examples.ids)

    def digest(self) -> str:
        """Of what it answers from. Raises UserError if weights are missing."""
        if self.run is None:
            return digest_file(Path(self.name))
        return digest_bytes(*(self.run.kept.weights_digest(task).encode() for task in self.tasks))

    def _asked(
        self, task: Task, examples: "Examples", say: Say, keeps: bool
    ) -> np.ndarray:
        from tfglue.predictions.predictions import nine_digits
        from tfglue.run import Run

        begun = time.monotonic()
        # Nothing holds the run after this, so that its weights are gone when the student trains.
        found: RowPredictions = Run.open(self.name).answer(
            self.run.tasks[task.name], examples.unlabelled()
        )
        seconds = time.monotonic() - begun
        say(f"teacher {self.name}: answered {len(examples):,} rows of {task.name} in {seconds:.1f} "
            f"s{self._keep(found) if keeps else ''}")
        if not task.labels:
            return np.array(nine_digits(found.values), np.float64)[:, None]
        order = [self.run.tasks[task.name].labels.index(label) for label in task.labels]
        rows = np.array([nine_digits(row) for row in found.probabilities], np.float64)
        return rows[:, order]

    def _keep(self, found: "RowPredictions") -> str:
        """Keeps answers beside the run where nothing stands in their place; says so."""
        if self.run.kept.others(_SPLIT, found):
            return ""
        try:
            (path,) = self.run.kept.write(_SPLIT, found)
        except UserError:
            return ""  # Its folder cannot be written: the answers are in the student's own.
        return f", kept in {path}"

    def states(self, task: Task, examples: "Examples", layers: Sequence[int]) -> np.ndarray:
        """Hidden states of ``[CLS]`` after some layers, float32 (examples, layers, hidden_dim)."""
        from tfglue.kinds import KINDS
        from tfglue.run import Run

        opened = Run.open(self.name)
        features = KINDS.get(task.kind).encode(
            task, examples.unlabelled(), opened.tokenizer, opened.configs[task.name]
        )
        return opened.predictor.first_token_states(task.name, features, layers)

    @property
    def width(self) -> int:
        """Units of the run's hidden states."""
        return self.run.manifest["encoder"]["config"]["hidden_dim"]

    @property
    def num_layers(self) -> int:
        """Layers of the run's encoder."""
        return self.run.manifest["encoder"]["config"]["num_layers"]


def find_teachers(setting: str, tasks: Sequence[Task]) -> list[Teacher]:
    """The teachers that a ``--teachers`` setting names, all that can be checked checked.

    Args:
        setting: runs, or tables of predictions, joined by commas.
        tasks: what the student is trained on.

    Raises:
        UserError: there is no such run or file, or it is named twice; it answers none of the tasks
            whose answers can be learned, or one with other labels.
    """
    names = task_list(setting)
    if not names:
        raise UserError("--teachers: names no run")
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--teachers {name}: named twice; name each teacher once")
    return [_teacher(name, tasks) for name in names]


def _teacher(name: str, tasks: Sequence[Task]) -> Teacher:
    taught = {task.name: task for task in tasks if task.kind in TAUGHT_KINDS}
    if not taught:
        kinds = ", ".join(f"{task.name} is of kind {task.kind}" for task in tasks)
        raise UserError(f"--teachers: answers of {' and '.join(TAUGHT_KINDS)} tasks are learned, "
                        f"{kinds}")
    if Path(name).is_file():
        if len(taught) > 1:
            raise UserError(
                f"--teachers {name}: a table is of one task, and {', '.join(taught)} are trained; "
                "name runs"
            )
        split = split_of_kept(Path(name))
        if split not in (None, _SPLIT):
            raise UserError(
                f"--teachers {name}: a run's answers to its split {split}, and a student learns "
                f"from its split {_SPLIT}; name those of --split {_SPLIT}, or the run itself"
            )
        return Teacher(name, None, taught)
    if not RunFolder.named(name)[0].path.exists():
        raise UserError(
            f"--teachers {name}: no such run or table; expected a run of python -m tfglue.train, "
            f"or a table that python -m tfglue.predict --split {_SPLIT} wrote"
        )
    run = FinishedRun.named(name)
    common = {task: own for task, own in taught.items() if task in run.tasks}
    if not common:
        raise UserError(
            f"--teachers {name}: answers {', '.join(run.tasks)}, this run trains "
            f"{', '.join(taught)}; name a run that answers one of its tasks"
        )
    for task, own in common.items():
        theirs = run.tasks[task]
        if theirs.kind != own.kind:
            raise UserError(
                f"--teachers {name}: its {task} is of kind {theirs.kind}, here it is of kind "
                f"{own.kind}"
            )
        if theirs.text_fields != own.text_fields:
            raise UserError(
                f"--teachers {name}: its {task} reads {', '.join(theirs.text_fields)}, here it "
                f"reads {', '.join(own.text_fields)}; a teacher must read the same texts"
            )
        if set(theirs.labels) != set(own.labels):
            raise UserError(
                f"--teachers {name}: answers {task} with {', '.join(theirs.labels)}, here it has "
                f"{', '.join(own.labels)}; a teacher must know the same classes"
            )
    return Teacher(name, run, common)
