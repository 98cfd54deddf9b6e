"""Rows of a SQuAD-like data set of tensorflow-datasets as questions."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tfglue.data.questions import Questions
from tfglue.data.squad_json import collect_questions
from tfglue.errors import UserError
from tfglue.tasks.squad_question import SquadQuestion
from tfglue.tasks.task import Task

TFDS_FEATURES = ("id", "question", "context", "answers")


def questions_of_rows(
    rows: Iterable[Mapping[str, Any]], task: Task, origin: str, labelled: bool
) -> Questions:
    """Makes questions of the rows that tensorflow-datasets gives as NumPy.

    tensorflow-datasets stores questions shuffled. Here those on one passage stand together, in the
    order in which the passages come, as in the published files.

    Args:
        rows: with `TFDS_FEATURES`, and ``is_impossible`` where the data set has it.
        task: says whether questions may be without an answer.
        origin: where the rows came from, for people.
        labelled: whether answers are read.

    Raises UserError for the first question that is not as it should be.
    """

    def refuse(question: str, problem: str) -> None:
        raise UserError(f"{origin}: {question}: {problem}; or pass --data DIR")

    questions = (_question(row, labelled) for row in rows)
    found = collect_questions(questions, task, origin, labelled, refuse)
    return found.take(np.argsort(found.context_of, kind="stable"))


def _question(row: Mapping[str, Any], labelled: bool) -> SquadQuestion:
    answers: list[tuple[str, int]] = []
    if labelled:
        golds = row["answers"]
        texts = [text.decode() for text in golds["text"]]
        answers = list(zip(texts, map(int, golds["answer_start"]), strict=True))
    return SquadQuestion(
        id=row["id"].decode(),
        text=row["question"].decode(),
        context=row["context"].decode(),
        answers=answers,
        impossible=labelled and bool(row.get("is_impossible", False)),
    )
