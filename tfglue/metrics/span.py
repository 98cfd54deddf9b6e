"""Exact match and F1 of answer texts, as SQuAD's official evaluation defines them.

Rajpurkar et al. (2016, 2018), arXiv 1606.05250 and 1806.03822; script ``evaluate-v2.0.py``.
"""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfglue.errors import UserError
from tfglue.metrics.null_threshold import best_threshold
from tfglue.metrics.question_scores import QuestionScores
from tfglue.metrics.squad_file import (
    read_gold_answers,
    read_no_answer_scores,
    read_predicted_texts,
)

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(a|an|the)\b")


def normalize_answer(text: str) -> str:
    """Lowers, drops ASCII punctuation, drops the articles a, an and the, and single-spaces.

    In this order, so that "a.m." is kept as "am" and "the-end" as "theend".
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1.0 where the normalised prediction equals one of the normalised gold answers, else 0.0.

    Args:
        prediction: predicted text, "" for no answer.
        golds: gold answers; those that normalise to nothing do not count, and where none is left
            the right answer is "".
    """
    return float(normalize_answer(prediction) in _normalized(golds))


def f1(prediction: str, golds: Sequence[str]) -> float:
    """Highest F1 of the words shared with a gold answer, repeated words counted, in [0, 1].

    Where one of the two normalises to nothing, 1.0 if the other does as well, else 0.0.

    Args:
        prediction: predicted text, "" for no answer.
        golds: as for `exact_match`.
    """
    words = normalize_answer(prediction).split()
    return max(_word_f1(words, gold.split()) for gold in _normalized(golds))


def question_scores(predictions: Sequence[str], golds: Sequence[Sequence[str]]) -> QuestionScores:
    """Scores questions one by one.

    Args:
        predictions: a text for every question, "" for no answer.
        golds: the gold answers of every question, none where it has no answer.

    Raises:
        UserError: the two differ in length.
    """
    if len(predictions) != len(golds):
        raise UserError(
            f"{len(predictions)} predictions for {len(golds)} questions; give one for each"
        )
    pairs = list(zip(predictions, golds, strict=True))
    return QuestionScores(
        np.array([exact_match(*pair) for pair in pairs], float),
        np.array([f1(*pair) for pair in pairs], float),
        np.array([len(answers) > 0 for answers in golds], bool),
        np.array([text != "" for text in predictions], bool),
    )


def squad_scores(
    dataset: str | Path | Mapping | Sequence,
    predictions: str | Path | Mapping[str, str],
    no_answer_scores: str | Path | Mapping[str, float] | None = None,
    no_answer_threshold: float = 1.0,
) -> dict[str, float]:
    """The official SQuAD 2.0 evaluation: the same keys in the same order, in percent.

    Differs from the script where a question has no prediction: the script prints its id and leaves
    it out of some of the numbers; here that is an error, and so are unknown ids.

    Args:
        dataset: a path, the JSON object, or its ``data`` list; version 2.0 or 1.1.
        predictions: question id -> text, "" for no answer, or a path to such JSON.
        no_answer_scores: question id -> score, higher = rather no answer, or a path to such JSON.
        no_answer_threshold: questions with a score above it count as unanswered; unused without
            scores. The script's 1.0 leaves no question out where scores are probabilities.

    Returns:
        ``exact``, ``f1``, ``total``, and with the prefixes ``HasAns_`` and ``NoAns_`` the same of
        the questions that have and have not an answer, where there are any. With scores also
        ``best_exact``, ``best_exact_thresh``, ``best_f1``, ``best_f1_thresh``, and, where a
        question has an answer, ``pr_exact_ap``, ``pr_f1_ap`` and ``pr_oracle_ap``, which the
        script gives when it draws its curves.

    Raises:
        UserError: one of the three is not of its form, or ids are missing or unknown.
    """
    golds = read_gold_answers(dataset)
    texts = read_predicted_texts(predictions, golds)
    scores = question_scores(list(texts.values()), list(golds.values()))
    if no_answer_scores is None:
        return official_scores(scores)
    null_by_id = read_no_answer_scores(no_answer_scores, golds)
    null_scores = np.array([null_by_id[identity] for identity in golds])
    place = {identity: index for index, identity in enumerate(golds)}
    order = np.array([place[identity] for identity in null_by_id])
    return official_scores(scores, null_scores, no_answer_threshold, order)


def official_scores(
    scores: QuestionScores,
    no_answer_scores: np.ndarray | None = None,
    no_answer_threshold: float = 1.0,
    order: np.ndarray | None = None,
) -> dict[str, float]:
    """What `squad_scores` returns, from the scores of the questions.

    Args:
        scores: of the predicted texts, before any threshold.
        no_answer_scores, no_answer_threshold: as there; (questions,) and a number in their unit.
        order: the questions in the order of the file of scores, which decides between equal ones.
    """
    if no_answer_scores is None:
        return _percentages(scores)
    order = np.arange(len(no_answer_scores)) if order is None else order
    in_order = QuestionScores(*(column[order] for column in scores))
    return {
        **_percentages(scores.with_threshold(no_answer_scores, no_answer_threshold)),
        **_best(in_order, no_answer_scores[order]),
        **_average_precisions(scores, no_answer_scores),
    }


def _normalized(golds: Sequence[str]) -> list[str]:
    return [gold for gold in map(normalize_answer, golds) if gold] or [""]


def _word_f1(predicted: list[str], gold: list[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    shared = (Counter(predicted) & Counter(gold)).total()
    if not shared:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(gold)
    return 2 * precision * recall / (precision + recall)


def _percentages(scores: QuestionScores) -> dict[str, float]:
    found: dict[str, float] = {}
    everything = np.ones_like(scores.has_answer)
    groups = {"": everything, "HasAns_": scores.has_answer, "NoAns_": ~scores.has_answer}
    for prefix, chosen in groups.items():
        total = int(chosen.sum())
        if total:
            for name in ("exact", "f1"):
                # Added one by one as in the script: NumPy's sum rounds differently.
                values = getattr(scores, name)[chosen].tolist()
                found[f"{prefix}{name}"] = 100.0 * sum(values) / total
            found[f"{prefix}total"] = total
    return found


def _best(scores: QuestionScores, null_scores: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("exact", "f1"):
        best = best_threshold(
            getattr(scores, name), scores.has_answer, scores.answered, null_scores, official=True
        )
        found[f"best_{name}"] = 100.0 * best.total / len(null_scores)
        found[f"best_{name}_thresh"] = best.value
    return found


def _average_precisions(scores: QuestionScores, null_scores: np.ndarray) -> dict[str, float]:
    if not scores.has_answer.any():
        return {}
    curves = scores.curves(null_scores)
    return {f"pr_{name}_ap": 100.0 * curve.average_precision for name, curve in curves.items()}
