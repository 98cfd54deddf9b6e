"""Scores of single questions, and what a no-answer threshold makes of them."""

from typing import NamedTuple

import numpy as np

from tfglue.metrics.answering_curve import AnsweringCurve, answering_curve


class QuestionScores(NamedTuple):
    """Scores of predicted texts; the means of the first two are the fractions of a split.

    Attributes:
        exact: exact match, 0.0 or 1.0, (questions,).
        f1: in [0, 1], (questions,).
        has_answer: whether the question has gold answers, (questions,).
        answered: whether the predicted text is not empty, (questions,).
    """

    exact: np.ndarray
    f1: np.ndarray
    has_answer: np.ndarray
    answered: np.ndarray

    def with_threshold(self, no_answer_scores: np.ndarray, threshold: float) -> "QuestionScores":
        """The scores once questions with a no-answer score above the threshold go unanswered.

        Args:
            no_answer_scores: higher = rather no answer, (questions,).
            threshold: in the unit of the scores.
        """
        withheld = np.asarray(no_answer_scores) > threshold
        return QuestionScores(
            np.where(withheld, ~self.has_answer, self.exact),
            np.where(withheld, ~self.has_answer, self.f1),
            self.has_answer,
            self.answered & ~withheld,
        )

    def curves(self, no_answer_scores: np.ndarray) -> dict[str, AnsweringCurve]:
        """The curves of the official script: ``exact``, ``f1``, and ``oracle``.

        Args:
            no_answer_scores: higher = rather no answer, (questions,).

        Raises:
            UserError: no question has an answer.
        """
        columns = {"exact": self.exact, "f1": self.f1, "oracle": self.has_answer.astype(float)}
        return {
            name: answering_curve(scores, self.has_answer, no_answer_scores)
            for name, scores in columns.items()
        }
