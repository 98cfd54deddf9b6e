"""Runs that answer the same examples of one task together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from tfglue.answering import answered_task, source_for
from tfglue.command_line import quiet_tensorflow
from tfglue.errors import UserError
from tfglue.finished_run import FinishedRun
from tfglue.setting_values import has_negatives
from tfglue.tasks.squad import QUESTION_METRICS
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    from tfglue.data.examples import Examples
    from tfglue.predictions.predictions import Predictions

ENSEMBLE = "ensemble"
"""What the ensemble is called among its members in tables and files."""

_WINDOWS = ("max_length", "doc_stride", "max_query_length")
"""Settings that decide how passages are cut."""


@dataclass(frozen=True)
class EnsembleMembers:
    """Finished runs that fit together, and what they are asked. Made without TensorFlow.

    Args:
        runs: two or more.
        task: what is answered, as the first run declares it.
        split: name of the split.
        examples: its examples.
    """

    runs: tuple[FinishedRun, ...]
    task: Task
    split: str
    examples: "Examples"

    @classmethod
    def named(
        cls,
        names: Sequence[str],
        task: str | None = None,
        data: str | None = None,
        file: str | None = None,
        split: str | None = None,
    ) -> "EnsembleMembers":
        """Opens runs for an ensemble, all that can be checked checked.

        Args:
            names: runs, as `FinishedRun.named` reads them.
            task: what is answered; may be left out where they have one task in common.
            data: where the examples come from; by default each run's own data.
            file: a file of examples instead.
            split: which of them; by default ``dev``, of a file ``input``.

        Raises:
            UserError: fewer than two runs, or one twice; runs that are not finished, or damaged;
                runs of different tasks, kinds, labels, windows or examples.
        """
        if len(names) < 2:
            raise UserError("--runs: an ensemble takes two runs or more; name another")
        if ENSEMBLE in names:
            raise UserError(
                f"--runs {ENSEMBLE}: in tables that is the name of all together; write ./{ENSEMBLE}"
            )
        runs = tuple(map(FinishedRun.named, names))
        for first, second in combinations(runs, 2):
            if first.weights.resolve() == second.weights.resolve():
                same = first.name if first.name == second.name else f"{first.name}, {second.name}"
                raise UserError(f"--runs {same}: the same run twice; name each once")
        tasks = _answered(runs, task)
        for run, other in zip(runs[1:], tasks[1:], strict=True):
            _check_answers(runs[0], run, tasks[0], other)
        if tasks[0].name == ENSEMBLE:
            raise UserError(f"--task {ENSEMBLE}: metrics.json has a key of this name beside tasks")
        split = split or ("input" if file else "dev")
        examples = [
            source_for(run, own, data, file).read(split)
            for run, own in zip(runs, tasks, strict=True)
        ]
        for run, own in zip(runs[1:], examples[1:], strict=True):
            if own.digest() != examples[0].digest():
                raise UserError(
                    f"--runs: {runs[0].name} and {run.name} do not have the same {split} of "
                    f"{tasks[0].name} ({_shown(examples[0])}, {_shown(own)}); give both the same "
                    "with --data or --input"
                )
        return cls(runs, tasks[0], split, examples[0])

    @property
    def names(self) -> list[str]:
        """The runs as they were named."""
        return [run.name for run in self.runs]

    def answers(self) -> "list[Predictions]":
        """What each run says, one after the other, so that one encoder at a time is held."""
        quiet_tensorflow()
        from tfglue.run import Run

        answers = []
        for name in self.names:
            print(f"{name}: {len(self.examples):,} examples", flush=True)
            answers.append(Run.open(name).answer(self.task, self.examples))
        return answers

    def combined(self, answers: "Sequence[Predictions]", mode: str) -> "Predictions":
        """What the ensemble says, with its losses where the examples have labels.

        Args:
            answers: of the runs.
            mode: how probabilities are combined, one of `tfglue.predictions.combination.MODES`.
        """
        from tfglue.kinds import KINDS
        from tfglue.training.prediction import row_losses

        found = answers[0].combined(answers[1:], mode)
        if not self.examples.labelled:
            return found
        losses = row_losses(KINDS.get(self.task.kind), found.features, found.outputs.logits)
        return replace(found, outputs=replace(found.outputs, losses=losses))


def _answered(runs: Sequence[FinishedRun], name: str | None) -> list[Task]:
    """The task as each run answers it; without a name the one that they have in common."""
    if name is None:
        common = list(runs[0].tasks)
        for run in runs[1:]:
            common = [task for task in common if task in run.tasks]
            if not common:
                raise UserError(
                    f"--runs: {runs[0].name} answers {', '.join(runs[0].tasks)}, {run.name} "
                    f"{', '.join(run.tasks)}; an ensemble is of one task"
                )
        if len(common) > 1:
            raise UserError(f"--task is needed: all of these runs answer {', '.join(common)}")
        name = common[0]
    return [answered_task(run, name) for run in runs]


def _check_answers(first: FinishedRun, second: FinishedRun, ours: Task, theirs: Task) -> None:
    """Raises UserError unless answers of the two can be combined."""
    both = f"--runs: {first.name} and {second.name}"
    if ours.kind != theirs.kind:
        raise UserError(
            f"{both} are of different kinds of task ({ours.kind}, {theirs.kind}); an ensemble is "
            "of one task"
        )
    if ours.labels != theirs.labels:
        raise UserError(
            f"{both} answer {ours.name} with different labels, or in another order "
            f"({', '.join(ours.labels)}; {', '.join(theirs.labels)})"
        )
    if ours.kind not in QUESTION_METRICS:
        return
    settings, other = (
        run.configs[task.name] for run, task in ((first, ours), (second, theirs))
    )
    for name in _WINDOWS:
        if getattr(settings, name) != getattr(other, name):
            raise UserError(
                f"{both} cut passages into different windows (--{name} {getattr(settings, name)} "
                f"and {getattr(other, name)}); name runs that were trained with the same"
            )
    if first.manifest["tokenizer"]["digest"] != second.manifest["tokenizer"]["digest"]:
        raise UserError(
            f"{both} cut passages into different windows (their vocabularies differ); name runs "
            "of one vocabulary"
        )
    if has_negatives(ours, settings) != has_negatives(theirs, other):
        raise UserError(
            f"{both} differ in whether questions may have no answer (--negatives); name runs that "
            "were trained alike"
        )


def _shown(examples: "Examples") -> str:
    return f"{len(examples):,} rows from {examples.origin}"
