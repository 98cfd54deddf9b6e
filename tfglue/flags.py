"""Dataclass fields as command-line flags and YAML keys, checked in one place."""

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, field, fields
from typing import Any

from tfglue.errors import UserError, suggestion


def setting(
    default: Any,
    help: str,
    *,
    kind: Callable[[str], Any] = str,
    choices: Sequence[str] = (),
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    several: bool = False,
) -> Any:
    """A dataclass field that is a flag and a YAML key of the same name.

    Args:
        default: value when nobody says anything; None means unset.
        help: one line for ``--help``.
        kind: ``str``, ``int``, ``float`` or ``bool``; a bool flag takes no value.
        choices: allowed values.
        least, above, most: bounds of a number (``above`` is exclusive).
        several: whether the flag takes several values, and the YAML key a list; they become one
            text, joined by commas.
    """
    metadata = dict(
        help=help, kind=kind, choices=tuple(choices), least=least, above=above, most=most,
        several=several,
    )
    return field(default=default, metadata=metadata)


def add_flags(
    parser: argparse.ArgumentParser, config: type, leave_out: Sequence[str] = ()
) -> None:
    """Adds a flag for every setting but those left out.

    Flags that are not given stay out of the namespace.
    """
    for item in (item for item in fields(config) if item.name not in leave_out):
        options: dict[str, Any] = {"help": _help(item), "default": argparse.SUPPRESS}
        if item.metadata["kind"] is bool:
            options["action"] = "store_true"
        else:
            options["metavar"] = item.metadata["kind"].__name__.upper()
            if item.metadata["several"]:
                options["nargs"] = "+"
        parser.add_argument(f"--{item.name}", **options)


def given(namespace: argparse.Namespace, config: type) -> dict[str, Any]:
    """Settings the user gave, checked. Raises UserError that names the flag."""
    names = {item.name for item in fields(config)}
    values = {name: value for name, value in vars(namespace).items() if name in names}
    return checked(values, config, where="")


def checked(values: Mapping[str, Any], config: type, *, where: str) -> dict[str, Any]:
    """The values in their right types and within their bounds.

    Args:
        values: setting name -> text or value.
        config: the dataclass that declares the settings.
        where: file the values come from, for messages; empty for flags.

    Raises:
        UserError: for an unknown name (with the nearest one) or a value out of place.
    """
    known = {item.name: item for item in fields(config)}
    result = {}
    for name, value in values.items():
        if name not in known:
            raise UserError(f"{where}: unknown key '{name}'{suggestion(str(name), known)}")
        label = f"{where}: {name}" if where else f"--{name}"
        result[name] = None if value is None else _value(known[name], value, label)
    return result


def _value(item: Field, value: Any, label: str) -> Any:
    rules = item.metadata
    kind = rules["kind"]
    if kind is bool:
        if not isinstance(value, bool):
            raise UserError(f"{label}: expected true or false, not '{value}'")
        return value
    if rules["several"] and isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    if kind is str:
        if isinstance(value, (dict, list)):
            raise UserError(f"{label}: expected one value, not a list or a mapping")
        value = str(value)
        if rules["choices"] and value not in rules["choices"]:
            raise UserError(
                f"{label}: unknown value '{value}'{suggestion(value, rules['choices'])} "
                f"(expected one of: {', '.join(rules['choices'])})"
            )
        return value
    noun = "a whole number" if kind is int else "a number"
    try:
        number = kind(value) if not isinstance(value, bool) else None
        if number is None or not math.isfinite(number) or (kind is int and number != float(value)):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{label}: expected {noun}, not '{str(value)[:40]}'") from None
    _check_bounds(rules, number, label)
    return number


def _check_bounds(rules: Mapping[str, Any], number: float, label: str) -> None:
    for bound, holds, words in (
        (rules["least"], lambda limit: number >= limit, "at least"),
        (rules["above"], lambda limit: number > limit, "above"),
        (rules["most"], lambda limit: number <= limit, "at most"),
    ):
        if bound is not None and not holds(bound):
            raise UserError(f"{label}: must be {words} {bound}, not {number}")


def _help(item: Field) -> str:
    text = item.metadata["help"]
    if item.metadata["choices"]:
        text += f" ({', '.join(item.metadata['choices'])})"
    if item.default is not None and item.default is not False:
        text += f" [{item.default}]"
    return text.replace("%", "%%")
