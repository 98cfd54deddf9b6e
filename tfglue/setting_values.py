"""What the text of a setting says, where it is more than a number or a name."""

import math

from tfglue.config import BEST_BY_TASK, TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.tasks.task import Task


def task_list(text: str | None) -> list[str]:
    """Names of a comma list."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def task_numbers(setting: str, text: str | None) -> dict[str, float]:
    """Task name -> positive number of a setting such as ``--task_weights a=2,b=0.5``."""
    found = {}
    for part in task_list(text):
        name, equals, value = part.partition("=")
        name = name.strip()
        if name in found:
            raise UserError(f"--{setting} {text}: {name} is named twice; name every task once")
        try:
            found[name] = float(value)
            if not (equals and 0 < found[name] < math.inf):
                raise ValueError
        except ValueError:
            raise UserError(
                f"--{setting}: expected task=number, positive, not '{part}'"
            ) from None
    return found


def null_threshold(config: TrainConfig) -> float | None:
    """The number that `--null_score_diff_threshold` gives, or None if it is tuned."""
    text = config.null_score_diff_threshold
    if text == "tuned":
        return None
    try:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        raise UserError(
            f"--null_score_diff_threshold: expected a number or tuned, not '{text}'"
            f"{suggestion(text, ('tuned',))}"
        ) from None
    return value


def has_negatives(task: Task, config: TrainConfig) -> bool:
    """Whether questions may have no answer: the `--negatives` setting, or as the task says."""
    return {"auto": task.negatives, "true": True, "false": False}[config.negatives]


def text_fields(text: str | None) -> tuple[str, ...] | None:
    """Column names of a ``--text_fields`` setting."""
    return tuple(part.strip() for part in text.split(",")) if text else None


def evaluation_interval(text: str, updates_per_epoch: int) -> int:
    """Updates between evaluations for ``epoch``, a share of an epoch, or a number of updates."""
    try:
        value = 1.0 if text == "epoch" else float(text)
        if not value > 0 or (value >= 1 and value != int(value)):
            raise ValueError
    except (ValueError, OverflowError):
        raise UserError(
            f"--evaluate_every: expected epoch, a share under 1 or a whole number of updates, "
            f"not '{text}'"
        ) from None
    if text == "epoch" or value < 1:
        return max(1, round(value * updates_per_epoch))
    return int(value)


def saved_epochs(text: str) -> frozenset[int] | None:
    """Epochs whose weights are kept under ``epochs/``; None for all of them."""
    if text in ("best", "last", BEST_BY_TASK):
        return frozenset()
    if text == "all":
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        known = ("best", "last", "all", BEST_BY_TASK)
        raise UserError(
            f"--save: unknown value '{text}'{suggestion(text, known)} "
            f"(expected {', '.join(known)}, or epochs such as 0,2)"
        )
    return frozenset(int(part) for part in parts)
