"""Where to stop answering: the best threshold on the score of having no answer."""

from typing import NamedTuple

import numpy as np


class Threshold(NamedTuple):
    """A threshold and what it earns.

    Attributes:
        total: sum of the questions' scores when those above the threshold stay unanswered.
        value: a question is left unanswered where its no-answer score is greater than this.
    """

    total: float
    value: float


def best_threshold(
    scores: np.ndarray,
    has_answer: np.ndarray,
    answered: np.ndarray,
    no_answer_scores: np.ndarray,
    *,
    official: bool = False,
) -> Threshold:
    """Finds the threshold with the highest total score, the lowest of several that are equal.

    The search of SQuAD 2.0's evaluation script: begin with every question unanswered, then answer
    them in the order of their no-answer scores. An answerable question adds its score; one without
    an answer takes 1 away where text was predicted for it.

    Args:
        scores: exact match or F1 of the predicted texts, in [0, 1], (questions,).
        has_answer: whether the question has an answer, (questions,).
        answered: whether the predicted text is not empty, (questions,).
        no_answer_scores: higher = rather no answer, such as the null score minus the best other
            score, in any unit; finite, (questions,).
        official: find what the evaluation script finds, to report it. The script also cuts between
            questions of equal score, which no threshold can do, and names 0.0 where nothing should
            be answered, which fits probabilities alone. Without this, applying the threshold earns
            the total for any scores.
    """
    order = np.argsort(no_answer_scores, kind="stable")
    gains = np.where(has_answer, scores, -np.asarray(answered, float))[order]
    totals = np.cumsum(np.concatenate([[np.sum(~np.asarray(has_answer, bool))], gains]))
    values = np.asarray(no_answer_scores, float)[order]
    if official:
        thresholds = np.concatenate([[0.0], values])
    else:
        # The lowest bound is a whole unit below all scores: it survives rounding in a file.
        thresholds = np.concatenate([[min(values, default=1.0) - 1.0], values])
        reachable = np.append(thresholds[1:] != thresholds[:-1], True)
        totals, thresholds = totals[reachable], thresholds[reachable]
    best = int(np.argmax(totals))
    return Threshold(float(totals[best]), float(thresholds[best]))
