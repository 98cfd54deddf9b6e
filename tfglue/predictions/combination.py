"""Probabilities of several models for the same thing, made one (BERTVision, section 7).

Everything is in logarithms and float64, so that what is all but impossible for a model keeps its
place among the rest.
"""

from collections.abc import Sequence

import numpy as np

from tfglue.errors import UserError, suggestion

MODES = ("mean", "max", "sum")
"""How probabilities are combined, outcome by outcome, before they are made to add up to 1 again.

So ``sum`` gives what ``mean`` gives. BERTVision took ``max`` and did not divide."""


def check_mode(mode: str, kind: str) -> None:
    """Raises UserError for an unknown mode, or one that a kind of task does not have."""
    if mode not in MODES:
        raise UserError(
            f"--mode: unknown value '{mode}'{suggestion(mode, MODES)} (expected one of: "
            f"{', '.join(MODES)})"
        )
    if kind == "regress" and mode != "mean":
        reason = (
            "the highest of several scores is too high on average" if mode == "max"
            else "a sum of scores is not on their scale"
        )
        raise UserError(f"--mode {mode}: {reason}, and scores have no probabilities; use mean")


def combined_classes(logits: Sequence[np.ndarray], mode: str) -> np.ndarray:
    """Log-probabilities of an ensemble.

    Args:
        logits: of each model, (rows, classes).
        mode: one of `MODES`.

    Returns:
        float64 (rows, classes).
    """
    return _log_softmax(_combined([_log_softmax(one) for one in logits], mode))


def combined_positions(
    logits: Sequence[np.ndarray], row_splits: np.ndarray, mode: str
) -> np.ndarray:
    """Logits of an ensemble over the positions of each row.

    Their softmax over a row is what the mode makes of the models' softmaxes. How much a row weighs
    beside others, which a softmax leaves out, is the mean of what it weighs for the models: of a
    passage in several windows the best answer of all is wanted, and its null score.

    Args:
        logits: of each model, (tokens, outputs), each output with a softmax of its own.
        row_splits: int64 (rows + 1,), the borders of the rows.
        mode: one of `MODES`.

    Returns:
        float64 (tokens, outputs).
    """
    models = [np.asarray(one, np.float64) for one in logits]
    weights = [_of_rows(one, row_splits) for one in models]
    lengths = np.diff(row_splits)
    probabilities = [
        one - np.repeat(weight, lengths, axis=0)
        for one, weight in zip(models, weights, strict=True)
    ]
    combined = _combined(probabilities, mode)
    shift = np.mean(weights, axis=0) - _of_rows(combined, row_splits)
    return combined + np.repeat(shift, lengths, axis=0)


def _combined(log_probabilities: Sequence[np.ndarray], mode: str) -> np.ndarray:
    """Before they are made to add up to 1."""
    if mode == "max":
        return np.maximum.reduce(log_probabilities)
    total = np.logaddexp.reduce(log_probabilities)
    return total - np.log(len(log_probabilities)) if mode == "mean" else total


def _log_softmax(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values - np.logaddexp.reduce(values, axis=-1, keepdims=True)


def _of_rows(values: np.ndarray, row_splits: np.ndarray) -> np.ndarray:
    """Logarithm of the sum of exponentials over every row, (rows, outputs)."""
    return np.logaddexp.reduceat(values, row_splits[:-1], axis=0)
