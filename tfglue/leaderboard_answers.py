"""Which finished run answers which file of a submission, on which rows, and what it says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfglue.answering import answered_task, source_for
from tfglue.command_line import quiet_tensorflow
from tfglue.errors import UserError
from tfglue.finished_run import FinishedRun
from tfglue.prediction_file import read_answers
from tfglue.submission import LeaderboardFile, leaderboard
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    from tfglue.data.examples import Examples
    from tfglue.data.sources import Source
    from tfglue.predictions.predictions import Predictions


@dataclass
class Answers:
    """What one run says of one file.

    Args:
        file: the file.
        run: the run that answers it.
        task: the task as the run answers it.
        examples: the test rows.
        labels: one answer a row, once they are known.
    """

    file: LeaderboardFile
    run: FinishedRun
    task: Task
    examples: "Examples"
    labels: list[str] | None = None

    @property
    def path(self) -> Path:
        """The file that holds them."""
        return Path(f"{self.run.kept.place(self.file.task.name, self.file.split)}.tsv")

    def objection(self) -> str:
        """Why what the run keeps cannot be submitted; empty if it can."""
        return self.run.kept.objection(self.file.task.name, self.file.split, self.examples)

    def keep(self, predictions: "Predictions") -> None:
        """Writes predictions where the run keeps them."""
        self.run.kept.write(self.file.split, predictions)


def owners(runs: Sequence[FinishedRun]) -> dict[str, FinishedRun]:
    """Task -> the run that answers it.

    Raises:
        UserError: two runs are of one task, or one is of a task that the leaderboard does not have.
    """
    found: dict[str, FinishedRun] = {}
    for finished in runs:
        for task, declared in finished.tasks.items():
            _check_task(finished, declared)
            if task in found:
                raise UserError(
                    f"--runs: {found[task].name} and {finished.name} are both runs of {task}; "
                    "name one"
                )
            found[task] = finished
    return found


def answerable(
    owned: Mapping[str, FinishedRun], data: str | None
) -> tuple[list[Answers], dict[str, str]]:
    """The files that runs can answer, with their test rows.

    Args:
        owned: task -> the run of it.
        data: as ``--data``; by default the data of each run.

    Returns:
        The files, and for those that a run could answer beside its own task (AX), had it their
        rows: name -> why it has not.

    Raises:
        UserError: the test rows of a run's own task are not there, or are not GLUE's.
    """
    found, absent = [], {}
    for file in leaderboard().values():
        if file.task.name in owned:
            finished = owned[file.task.name]
            source = _source(file, finished, data)
            task = finished.tasks[file.task.name]
        elif file.task.predicted_by in owned:
            finished = owned[file.task.predicted_by]
            try:
                if data is None and finished.folder.manifest()["config"]["train_file"]:
                    raise UserError(f"{finished.name} is trained on your own files; pass --data")
                source = _source(file, finished, data)
            except UserError as error:
                absent[file.name] = str(error)
                continue
            task = answered_task(finished, file.task.name)
        else:
            continue
        examples = source.read(file.split, labelled=False)
        _check_rows(file, examples)
        found.append(Answers(file, finished, task, examples))
    return found, absent


def _source(file: LeaderboardFile, finished: FinishedRun, data: str | None) -> "Source":
    # Of a run, this asks for its folder alone.
    source = source_for(finished, file.task, data, None)
    if file.split not in source.splits():
        wanted = file.task.files[file.split].name
        raise UserError(
            f"{finished.name}: no test rows for {file.name} in {source.description}; wanted "
            f"{wanted} of the GLUE download ({file.rows:,} rows), name its folder with --data"
        )
    return source


def _check_rows(file: LeaderboardFile, examples: "Examples") -> None:
    if len(examples) != file.rows:
        raise UserError(
            f"{examples.origin}: {len(examples):,} rows, but {file.name} answers the {file.rows:,} "
            f"of GLUE's {file.task.files[file.split].name}; name the GLUE download with --data"
        )
    for index, row_id in enumerate(examples.ids):
        if row_id != str(index):
            raise UserError(
                f"{examples.origin}: id '{row_id}' where {index} is due; {file.name} answers "
                "GLUE's rows in their order"
            )


def use_kept(files: Sequence[Answers], overwrite: bool) -> list[str]:
    """Takes over the predictions that runs keep already, and returns a line on each file.

    Args:
        files: get their `labels` where the run's weights were asked for exactly these rows.
        overwrite: whether a file that is not whole, or is of other rows, is left aside.

    Raises:
        UserError: there is such a file, and it is not to be overwritten; or weights are missing.
    """
    lines = []
    for item in files:
        if not item.path.exists():
            continue
        try:
            labels = read_answers(item.path, item.task, item.examples.ids)
        except UserError as error:
            if not overwrite:
                raise UserError(
                    f"{error}; delete the file, or add --overwrite, and it is predicted anew"
                ) from None
            continue
        objection = item.objection()
        if objection:
            lines.append(f"{item.file.name}: {item.path} {objection}; predicted anew")
        else:
            item.labels = labels
            lines.append(f"uses {item.path}")
    return lines


def predict_rest(files: Sequence[Answers]) -> None:
    """Answers what is not known yet, a run at a time, and keeps the predictions in the run.

    Raises:
        UserError: a run is damaged, or answers with what is no number.
    """
    rest = [item for item in files if item.labels is None]
    if not rest:
        return
    quiet_tensorflow()
    from tfglue.run import Run

    for name in dict.fromkeys(item.run.name for item in rest):
        opened = Run.open(name)
        for item in rest:
            if item.run.name == name:
                print(f"{item.file.name}: {len(item.examples):,} rows by {name}", flush=True)
                item.keep(opened.answer(item.task, item.examples))
                # What is kept is what is submitted, checked the same way.
                item.labels = read_answers(item.path, item.task, item.examples.ids)


def _check_task(finished: FinishedRun, task: Task) -> None:
    known = {file.task.name: file.task for file in leaderboard().values()}
    if task.name not in known:
        raise UserError(
            f"--runs {finished.name}: a run of '{task.name}', which the GLUE leaderboard does not "
            f"have (it has {', '.join(known)})"
        )
    declared = known[task.name]
    ids = {declared.label_id(label) for label in task.labels}
    if task.kind != declared.kind or ids != set(range(len(declared.labels))):
        raise UserError(
            f"--runs {finished.name}: answers {', '.join(task.labels) or 'scores'}, which are not "
            f"the labels of GLUE's {task.name} ({', '.join(declared.labels) or 'scores'})"
        )
