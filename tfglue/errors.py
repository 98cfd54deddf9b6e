"""The one exception that stands for a mistake of the user."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake the user can mend; commands print it as one line and exit with status 2.

    The message names the file, line or flag, says what was expected and how to mend it.
    """


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Returns ``"; did you mean 'x'?"`` for the nearest of `choices`, or an empty string."""
    lowered = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f"; did you mean '{lowered[near[0]]}'?" if near else ""
