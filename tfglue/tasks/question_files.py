"""The user's own files in SQuAD's JSON as a task: its kind, and whether answers may be missing."""

from collections.abc import Mapping
from pathlib import Path

from tfglue.errors import UserError
from tfglue.tasks.squad import ANSWERABLE_LABELS, QUESTION_FIELDS, QUESTION_METRICS
from tfglue.tasks.squad_document import SUFFIX, SquadDocument
from tfglue.tasks.task import Task


def hold_questions(paths: Mapping[str, str], kind: str | None, base: Task | None) -> bool:
    """Whether files are questions: by the declared task, else by the kind or the files' names."""
    if base is not None:
        return base.kind in QUESTION_METRICS
    suffixes = {Path(path).suffix.lower() for path in paths.values()}
    return kind in QUESTION_METRICS or SUFFIX in suffixes


def task_from_questions(
    name: str, paths: Mapping[str, str], kind: str | None = None, base: Task | None = None
) -> tuple[Task, list[str]]:
    """Makes a task of the user's own files in SQuAD's JSON, which it checks whole.

    Args:
        name: the task's name.
        paths: split -> file; ``train`` is among them unless there is a `base`.
        kind: ``span`` or ``answerable``; None for ``span``.
        base: a declared task of such a kind, which the files follow.

    Returns:
        The task (`base` itself where one is given), and lines that tell what was found. Questions
        may be without an answer if any of the train or dev file is.

    Raises UserError for another kind, for files that are no such JSON, for questions that are not
    as they should be, and for kind ``answerable`` without both sorts of them.
    """
    if kind is not None and kind not in QUESTION_METRICS:
        kinds = " and ".join(QUESTION_METRICS)
        raise UserError(f"--kind {kind}: {SUFFIX} files hold questions, of the kinds {kinds}")
    counts = {split: _count(path, optional=split == "test") for split, path in paths.items()}
    lines = ["; ".join(f"{split}: {_told(*counts[split])}" for split in counts)]
    if base is not None:
        return base, lines
    how = "as asked" if kind else "inferred"
    kind = kind or "span"
    questions, unanswerable = counts["train"]
    if kind == "answerable" and unanswerable in (0, questions):
        raise UserError(
            f"{paths['train']}: kind answerable needs questions with and without an answer; "
            f"there are {_told(questions, unanswerable)}"
        )
    negatives = any(counts[split][1] for split in ("train", "dev") if split in counts)
    some = "some questions have no answer" if negatives else "every question has an answer"
    lines.append(f"kind {kind} ({how}), negatives {str(negatives).lower()}: {some}")
    task = Task(
        name=name,
        kind=kind,
        text_fields=QUESTION_FIELDS,
        metrics=QUESTION_METRICS[kind],
        labels=ANSWERABLE_LABELS if kind == "answerable" else (),
        negatives=negatives,
    )
    return task, lines


def _count(path: str, optional: bool) -> tuple[int, int | None]:
    """Questions of a file, and how many have no answer; None where the answers are not known.

    Args:
        path: the file.
        optional: whether it may be without answers.
    """
    document = SquadDocument(path)
    labelled = document.labelled or not optional
    questions = unanswerable = 0
    for question in document.questions(labelled):
        problem = question.problem(labelled)
        if problem:
            document.problem(question.name, problem)
        questions += 1
        unanswerable += question.impossible
    if not questions:
        raise UserError(f"{path}: there are no questions in it")
    return questions, unanswerable if labelled else None


def _told(questions: int, unanswerable: int | None) -> str:
    if unanswerable is None:
        return f"{questions:,} questions, their answers unknown"
    return f"{questions:,} questions, {unanswerable:,} of them unanswerable"
