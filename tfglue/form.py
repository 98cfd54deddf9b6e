"""The form of files that we wrote ourselves, so that a damaged one is said in one line."""

import sys
from typing import Any

from tfglue.errors import UserError

_NOUNS = {str: "text", int: "a whole number", float: "a finite number", bool: "true or false"}


def check_file(content: Any, name: str, form: Any, path: Any) -> None:
    """Raises UserError if what was read from a file does not name the format or has another form.

    Args:
        content: of the file.
        name: what its ``format`` must be.
        form: what is due beside it, see `check_form`.
        path: the file, for messages.
    """
    if not isinstance(content, dict) or content.get("format") != name:
        raise UserError(f"{path}: expected format {name}; restore the file")
    check_form(content, form, str(path))


def check_form(value: Any, form: Any, where: str) -> None:
    """Compares what was read from a file with the form that it was written in.

    Args:
        value: the content, or a part of it.
        form: what is due, told by types:

            ``str``, ``int``, ``float`` (whole numbers, too), ``bool``; ``object`` is anything
            ``(form, None)``: null, or else the form
            ``[form]``: a list, all items of one form
            ``{str: form}``: a mapping of any names, all values of one form
            ``{"a": form, "b?": form}``: a mapping with these names, ``b`` if it is there; others
            may be there, too

        where: the file, for messages.

    Raises:
        UserError: naming the file and the place in it.
    """
    if form is object:
        return
    if isinstance(form, tuple):
        if value is not None:
            check_form(value, form[0], where)
    elif isinstance(form, list):
        _check(isinstance(value, list), "a list", value, where)
        for number, item in enumerate(value, start=1):
            check_form(item, form[0], f"{where}: {number}")
    elif isinstance(form, dict):
        _check(isinstance(value, dict), "a mapping", value, where)
        _check_names(value, form, where)
    else:
        _check(_is(value, form), _NOUNS[form], value, where)


def _check_names(value: dict[Any, Any], form: dict[Any, Any], where: str) -> None:
    if str in form:
        for name, item in value.items():
            _check(isinstance(name, str), "a name", name, where)
            check_form(item, form[str], f"{where}: {name}")
        return
    for name, own in form.items():
        key = name.removesuffix("?")
        if key in value:
            check_form(value[key], own, f"{where}: {key}")
        elif key == name:
            raise UserError(f"{where}: '{key}' is missing; restore the file")


def _is(value: Any, form: type) -> bool:
    # To Python true and false are numbers.
    if isinstance(value, bool) or form is bool:
        return isinstance(value, bool) and form is bool
    if form is float:
        # JSON and YAML also have whole numbers that no float can hold.
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return isinstance(value, form)


def _check(holds: bool, noun: str, value: Any, where: str) -> None:
    if not holds:
        shown = "nothing" if value is None else f"'{str(value)[:40]}'"
        raise UserError(f"{where}: expected {noun}, not {shown}; restore the file")
