"""Tasks as plain data, so that a run folder knows its task without the files it came from."""

from collections.abc import Mapping
from typing import Any

from tfglue.errors import UserError, suggestion
from tfglue.tasks.task import Task

_LISTS = ("text_fields", "metrics", "labels", "file_labels", "ignored_labels")
_REQUIRED = ("name", "kind", "text_fields", "metrics")
_SWITCHES = ("negatives", "paired_lines", "partial_groups")
_KEYS = ("name", "kind", *_LISTS, "score_range", *_SWITCHES)


def task_to_dict(task: Task) -> dict[str, Any]:
    """What a trained model needs to know of its task, as strings, numbers and lists.

    Files, TFDS names, the recipe and aliases stay out: they say where data is, not what it means.
    """
    values: dict[str, Any] = {"name": task.name, "kind": task.kind}
    values.update({key: list(getattr(task, key)) for key in _LISTS})
    values["score_range"] = list(task.score_range) if task.score_range else None
    values.update({key: getattr(task, key) for key in _SWITCHES})
    return values


def task_from_dict(values: Mapping[str, Any]) -> Task:
    """The task that `task_to_dict` wrote. Raises UserError for unknown, missing or odd values."""
    if not isinstance(values, Mapping):
        raise UserError(f"task: expected keys and values, found {type(values).__name__}")
    for key in values:
        if key not in _KEYS:
            raise UserError(f"task: unknown key '{key}'{suggestion(str(key), _KEYS)}")
    for key in _REQUIRED:
        if not values.get(key):
            raise UserError(f"task: '{key}' is missing")
    for key in ("name", "kind"):
        if not isinstance(values[key], str):
            raise UserError(f"task: '{key}' must be text, not {values[key]!r}")
    switches = {key: values.get(key, False) for key in _SWITCHES}
    for key, value in switches.items():
        if not isinstance(value, bool):
            raise UserError(f"task: '{key}' must be true or false, not {value!r}")
    lists = {key: _strings(key, values.get(key, [])) for key in _LISTS}
    try:
        return Task(
            name=values["name"],
            kind=values["kind"],
            score_range=_score_range(values.get("score_range")),
            **switches,
            **lists,
        )
    except ValueError as error:
        raise UserError(str(error)) from None


def _strings(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UserError(f"task: '{key}' must be a list of texts, not {value!r}")
    return tuple(value)


def _score_range(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    numbers = isinstance(value, list) and all(
        isinstance(item, int | float) and not isinstance(item, bool) for item in value
    )
    if not numbers or len(value) != 2 or not value[0] < value[1]:
        raise UserError(f"task: 'score_range' must be [lowest, highest], not {value!r}")
    return float(value[0]), float(value[1])
