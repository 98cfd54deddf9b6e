"""Precision and recall of answering, as the no-answer threshold rises."""

from typing import NamedTuple

import numpy as np

from tfglue.errors import UserError


class AnsweringCurve(NamedTuple):
    """Points of the curve from nothing answered to everything answered.

    Attributes:
        threshold: questions with a no-answer score up to this are answered; -inf first, (points,).
        precision: total score of the answered questions over their number; 1 first, (points,).
        recall: the same total over the number of questions that have an answer, (points,).
        average_precision: precision averaged over the steps of recall, in [0, 1].
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    average_precision: float


def answering_curve(
    scores: np.ndarray, has_answer: np.ndarray, no_answer_scores: np.ndarray
) -> AnsweringCurve:
    """Sweeps the threshold as the precision-recall analysis of SQuAD 2.0's script does.

    With exact match as scores this is the script's ``pr_exact``, with F1 its ``pr_f1``, and with
    `has_answer` itself ``pr_oracle``: how well the no-answer scores tell the two kinds apart, were
    every answer right. As in the script a predicted empty text counts as an answer too.

    Args:
        scores: what answering earns where there is an answer, in [0, 1], (questions,).
        has_answer: whether the question has an answer, (questions,).
        no_answer_scores: higher = rather no answer; finite, (questions,).

    Raises:
        UserError: no question has an answer, so that recall is undefined.
    """
    if not np.any(has_answer):
        raise UserError(
            "no question has an answer, and so no recall; score a file with answerable questions"
        )
    order = np.argsort(no_answer_scores, kind="stable")
    thresholds = np.asarray(no_answer_scores, float)[order]
    earned = np.cumsum(np.where(has_answer, scores, 0.0)[order])
    precision = earned / np.arange(1, len(order) + 1)
    recall = earned / np.sum(np.asarray(has_answer, bool))
    # No threshold parts questions of equal score.
    last = np.append(thresholds[1:] != thresholds[:-1], True)
    recalls = np.concatenate([[0.0], recall[last]])
    precisions = np.concatenate([[1.0], precision[last]])
    return AnsweringCurve(
        np.concatenate([[-np.inf], thresholds[last]]),
        precisions,
        recalls,
        sum((precisions[1:] * np.diff(recalls)).tolist()),
    )
