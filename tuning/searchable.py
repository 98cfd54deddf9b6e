"""Which settings can be searched, and what values they may have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from tfglue.config import OF_SEVERAL_TASKS, OF_TEXT, TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.flags import checked
from tfglue.training_recipe import NOT_IN_RECIPES
from tuning.dimension import Value

PARTS = ("head", "adapter")
"""Settings that have settings of their own: ``head.size``."""

# They say on what rows a trial is trained and scored, or how it is kept, not how good it gets.
_NOT_SEARCHED = (
    *NOT_IN_RECIPES, *OF_SEVERAL_TASKS, *OF_TEXT, "encoder", "labels", "lower_case", "negatives",
    "teachers", "skip_damaged",
    "train_examples", "train_fraction", "dev_examples", "evaluate_every", "eval_batch_size",
    "patience", "save", "checkpoint_seconds", "max_steps",
)


@dataclass(frozen=True)
class Searchable:
    """One setting as a search sees it.

    Args:
        kind: ``int``, ``float``, ``str`` or ``bool``.
        check: returns a value in its right type, or raises UserError.
    """

    kind: type
    check: Callable[[Any], Any]


def find_searchable(name: str, base: Mapping[str, Any], where: str) -> Searchable:
    """The setting of a name such as ``learning_rate`` or ``head.size``.

    Args:
        name: as the user gave it.
        base: the settings that all trials share; they say which head and adapter there is.
        where: the flag or file, for messages.

    Raises:
        UserError: it is none that can be searched, with the nearest one that can.
    """
    owner, dot, key = name.partition(".")
    if dot and owner in PARTS:
        chosen = _part(owner, base)
        if chosen is None:
            raise UserError(f"{where}: there is no {owner}; use --model {owner}")
        known = {item.name: item for item in fields(chosen)}
        if key not in known:
            near = suggestion(name, [f"{owner}.{other}" for other in known])
            shown = ", ".join(f"{owner}.{other}" for other in known) or "it has none"
            raise UserError(
                f"{where}: {owner} {chosen.name} has no setting '{key}'{near} ({shown})"
            )
        return Searchable(
            known[key].metadata["kind"],
            lambda value: checked({key: value}, type(chosen), where=where)[key],
        )
    settings = {item.name: item for item in fields(TrainConfig)}
    open_ones = [other for other in settings if other not in _NOT_SEARCHED]
    if name in _NOT_SEARCHED:
        raise UserError(f"{where}: {name} is not searched; all trials of a task have the same")
    if name not in settings:
        parts = [f"{owner}.size" for owner in PARTS]
        raise UserError(
            f"{where}: unknown parameter '{name}'{suggestion(name, [*open_ones, *parts])} "
            f"(known: {', '.join([*open_ones, *parts])}, ...)"
        )

    def check(value: Any) -> Any:
        value = checked({name: value}, TrainConfig, where=where)[name]
        if name in PARTS:
            value = str(_part(name, {name: value}) or "none")
        return value

    return Searchable(settings[name].metadata["kind"], check)


def trial_settings(base: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """Settings of one trial: those that all share, with the values that it is to try.

    Raises:
        UserError: values contradict each other.
    """
    settings, parts = dict(base), {}
    kinds = {item.name: item.metadata["kind"] for item in fields(TrainConfig)}
    for name, value in values.items():
        owner, dot, key = name.partition(".")
        if dot:
            parts.setdefault(owner, {})[key] = value
        else:
            settings[name] = value == "true" if kinds[name] is bool else value
    for owner, own in parts.items():
        chosen = _part(owner, settings)
        kinds = {item.name: item.metadata["kind"] for item in fields(chosen)}
        own = {key: v == "true" if kinds[key] is bool else v for key, v in own.items()}
        settings[owner] = str(replace(chosen, **own))
    return settings


def _part(owner: str, settings: Mapping[str, Any]) -> Any:
    """The settings of the head or the adapter; None for no adapter."""
    # Their declarations bring Keras with them.
    if owner == "head":
        from tfglue.models.head_config import read_head

        return read_head(settings.get("head", "linear"))
    from tfglue.adapters import read_adapter

    return read_adapter(settings.get("adapter", "none"))
