"""Questions as the text of a file in SQuAD's JSON."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from tfglue.tasks.squad_question import SquadQuestion


def squad_text(questions: Iterable[SquadQuestion], title: str, negatives: bool) -> str:
    """Writes one article: a paragraph for each run of questions on one passage, each on a line.

    Args:
        questions: in the order in which they are written.
        title: of the article.
        negatives: whether the file says of each question if it is impossible, as SQuAD 2.0 does;
            else it is of version 1.1.
    """
    paragraphs = (
        {"context": context, "qas": [_written(question, negatives) for question in group]}
        for context, group in groupby(questions, lambda question: question.context)
    )
    version = "v2.0" if negatives else "1.1"
    # By hand, since json writes either one line or a line for every value.
    lines = ",\n".join(map(_compact, paragraphs))
    return (
        f'{{"version":"{version}","data":[{{"title":{_compact(title)},"paragraphs":[\n'
        f"{lines}\n]}}]}}\n"
    )


def _written(question: SquadQuestion, negatives: bool) -> dict[str, Any]:
    written: dict[str, Any] = {"id": question.id, "question": question.text}
    if negatives:
        written["is_impossible"] = question.impossible
    written["answers"] = [
        {"text": text, "answer_start": start} for text, start in question.answers
    ]
    return written


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
