"""Files of the SQuAD evaluation: gold answers, predicted texts, no-answer scores."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue.errors import UserError
from tfglue.files import read_json


def read_gold_answers(dataset: str | Path | Mapping | Sequence) -> dict[str, list[str]]:
    """Gold answer texts by question id, in the order of the file; none = it has no answer.

    What ``is_impossible`` says is not read: as in the official script, a question has an answer
    where its ``answers`` are not empty. So files of version 1.1 are read as well.

    Args:
        dataset: a path, the JSON object, or its ``data`` list.

    Raises:
        UserError: the content is not of SQuAD's form, an id stands twice, or nothing is asked.
    """
    name, content = _content(dataset, "dataset")
    articles = content if isinstance(content, list) else _member(content, "data", list, name)
    found: dict[str, list[str]] = {}
    for a, article in enumerate(articles):
        place = f"{name}: data[{a}]"
        for p, paragraph in enumerate(_member(article, "paragraphs", list, place)):
            inner = f"{place}.paragraphs[{p}]"
            for q, question in enumerate(_member(paragraph, "qas", list, inner)):
                where = f"{inner}.qas[{q}]"
                identity = _member(question, "id", str, where)
                if identity in found:
                    raise UserError(f"{where}: the id '{identity}' stands twice; make ids unique")
                answers = _member(question, "answers", list, where)
                found[identity] = [
                    _member(answer, "text", str, f"{where}.answers[{i}]")
                    for i, answer in enumerate(answers)
                ]
    if not found:
        raise UserError(f"{name}: holds no question; name a SQuAD file with questions")
    return found


def read_predicted_texts(
    predictions: str | Path | Mapping[str, str], ids: Collection[str]
) -> dict[str, str]:
    """Predicted text by question id, in the given order.

    Args:
        predictions: question id -> text, or a path to such JSON.
        ids: of the data set; each has to have a prediction, and there may be no others.

    Raises:
        UserError: an id is missing or unknown, or a prediction is not text.
    """
    name, found = _by_id(predictions, "predictions", ids)
    for identity, text in found.items():
        if not isinstance(text, str):
            raise UserError(
                f"{name}: '{identity}' has {text!r}; give text, \"\" where there is no answer"
            )
    return {identity: found[identity] for identity in ids}


def read_no_answer_scores(
    scores: str | Path | Mapping[str, float], ids: Collection[str]
) -> dict[str, float]:
    """No-answer score by question id, in the order of the file.

    That order decides between equal scores in the official search for a threshold.

    Args:
        scores: question id -> finite number, or a path to such JSON (``null_odds.json``).
        ids: of the data set; each has to have a score, and there may be no others.

    Raises:
        UserError: an id is missing or unknown, or a score is not a finite number.
    """
    name, found = _by_id(scores, "no_answer_scores", ids)
    for identity, score in found.items():
        try:
            finite = math.isfinite(score)
        except (TypeError, OverflowError):
            finite = False
        if not finite:
            raise UserError(f"{name}: '{identity}' has {score!r}; give a finite number")
    return {identity: float(score) for identity, score in found.items()}


def _by_id(values: Any, noun: str, ids: Collection[str]) -> tuple[str, Mapping[str, Any]]:
    name, content = _content(values, noun)
    if not isinstance(content, Mapping):
        raise UserError(f"{name}: expected an object of question ids and values")
    missing = [identity for identity in ids if identity not in content]
    if missing:
        raise UserError(
            f"{name}: '{missing[0]}' is missing ({len(missing)} of {len(ids)} questions are); "
            "give every question of the data set a value"
        )
    if len(content) > len(ids):
        known = set(ids)
        unknown = [identity for identity in content if identity not in known]
        raise UserError(
            f"{name}: '{unknown[0]}' is no question of the data set ({len(unknown)} are not); "
            "take them out, or name the data set they belong to"
        )
    return name, content


def _content(value: Any, noun: str) -> tuple[str, Any]:
    """What a user's mistake is said of, and the JSON value."""
    return (str(value), read_json(Path(value))) if isinstance(value, str | Path) else (noun, value)


def _member(record: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(record, Mapping) or not isinstance(record.get(key), kind):
        noun = {list: "a list", str: "a text"}[kind]
        raise UserError(f"{where}: expected {noun} under '{key}', as in SQuAD's files")
    return record[key]
