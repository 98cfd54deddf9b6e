"""Questions on passages, from SQuAD's JSON or any other stream of them."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tfglue.data.questions import Answer, Questions
from tfglue.errors import UserError
from tfglue.tasks.squad_document import SquadDocument
from tfglue.tasks.squad_question import SquadQuestion
from tfglue.tasks.task import Task


def read_questions(
    path: Path,
    task: Task,
    labelled: bool = True,
    on_problem: Callable[[str], None] | None = None,
) -> Questions:
    """Reads one file in the JSON of SQuAD 1.1 or 2.0.

    Args:
        path: where the file is.
        task: says whether questions may be without an answer.
        labelled: whether answers are read; without, the file need not have any.
        on_problem: called with ``"path: where: message"`` for each bad question, which is then left
            out; by default the first one raises.

    Raises:
        UserError: for a file that is missing, no JSON or of another layout, for a question that is
            not as it should be, and where no question is left; with file, question and place.
    """
    document = SquadDocument(path, on_problem)
    return collect_questions(
        document.questions(labelled), task, str(path), labelled, document.problem
    )


def collect_questions(
    questions: Iterable[SquadQuestion],
    task: Task,
    origin: str,
    labelled: bool,
    report: Callable[[str, str], None],
) -> Questions:
    """Makes examples of the questions that are fit for use, each passage once.

    Args:
        questions: in their order.
        task: says whether questions may be without an answer.
        origin: where they came from, for people.
        labelled: whether they have answers.
        report: called with name and problem of each question that is left out; it may raise.

    Raises UserError where no question is left.
    """
    ids: list[str] = []
    texts: list[str] = []
    context_of: list[int] = []
    answers: list[list[Answer]] = []
    contexts: dict[str, int] = {}
    taken: dict[str, str] = {}
    for question in questions:
        problem = question.problem(labelled)
        if not problem and question.id in taken:
            problem = f"the id is that of {taken[question.id] or 'another question'}, too"
        if not problem and question.impossible and not task.negatives:
            problem = (
                f"it has no answer, which task '{task.name}' does not take; "
                "--negatives true or task squad2 does"
            )
        taken.setdefault(question.id, question.place)
        if problem:
            report(question.name, problem)
            continue
        ids.append(question.id)
        texts.append(question.text)
        context_of.append(contexts.setdefault(question.context, len(contexts)))
        answers.append(question.answers)
    if not ids:
        raise UserError(f"{origin}: no question is left to use")
    return Questions(
        ids=ids,
        origin=origin,
        texts=texts,
        contexts=list(contexts),
        context_of=np.asarray(context_of, np.int32),
        answers=answers if labelled else None,
    )
