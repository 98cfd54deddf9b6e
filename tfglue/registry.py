"""Names of things the user can ask for, with the nearest name in every error."""

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from tfglue.errors import UserError, suggestion

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Maps names and aliases to entries.

    Args:
        noun: what an entry is called in messages, such as ``"task"``.
    """

    def __init__(self, noun: str):
        self.noun = noun
        self._entries: dict[str, Entry] = {}
        self._aliases: dict[str, str] = {}

    def add(self, name: str, entry: Entry, aliases: Iterable[str] = ()) -> None:
        """Adds an entry. Raises ValueError if the name or an alias is taken."""
        for key in (name, *aliases):
            if key in self._entries or key in self._aliases:
                raise ValueError(f"{self.noun} '{key}' is declared twice")
        self._entries[name] = entry
        self._aliases.update(dict.fromkeys(aliases, name))

    def get(self, name: str) -> Entry:
        """Returns the entry of a name or alias. Raises UserError with the nearest name."""
        key = name.strip().lower()
        key = self._aliases.get(key, key)
        if key not in self._entries:
            raise UserError(
                f"unknown {self.noun} '{name}'{suggestion(name, [*self._entries, *self._aliases])} "
                f"(known: {', '.join(self._entries)})"
            )
        return self._entries[key]

    def __contains__(self, name: str) -> bool:
        key = name.strip().lower()
        return key in self._entries or key in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)
