"""Things the user names with settings of their own: ``pal:size=204,heads=6``."""

from abc import ABC
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeVar

from tfglue.errors import UserError
from tfglue.flags import checked
from tfglue.registry import Registry


@dataclass(frozen=True)
class NamedSettings(ABC):
    """Settings of one adapter, head, and the like; subclasses add fields and a name.

    ``str`` gives the text that `read_named` reads as the same settings, all of them written out.
    """

    name: ClassVar[str]
    flag: ClassVar[str]

    @classmethod
    def of(cls, values: Mapping[str, Any], where: str):
        """Makes settings of texts or values.

        Args:
            values: setting -> text or value; what is not there has its default.
            where: what the user gave, for messages.

        Raises:
            UserError: for an unknown setting (with the nearest one) or a value out of place.
        """
        switches = {item.name for item in fields(cls) if item.metadata["kind"] is bool}
        truth = {"true": True, "false": False}
        values = {
            key: truth.get(str(value).lower(), value) if key in switches else value
            for key, value in values.items()
        }
        return cls(**checked(values, cls, where=where))

    def __str__(self) -> str:
        settings = [f"{key}={_text(value)}" for key, value in asdict(self).items()]
        return ":".join([self.name, *filter(None, [",".join(settings)])])


Settings = TypeVar("Settings", bound=NamedSettings)


def read_named(text: str, known: Registry[type[Settings]]) -> Settings:
    """Reads ``name`` or ``name:key=value,key=value``.

    Raises:
        UserError: for an unknown name or key, with the nearest one, or a value out of place.
    """
    name, colon, settings = text.strip().partition(":")
    config = known.get(name)
    flag = f"--{config.flag}"
    values: dict[str, str] = {}
    for part in settings.split(",") if colon else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value):
            raise UserError(f"{flag} {text}: expected key=value, not '{part.strip()}'")
        if key in values:
            raise UserError(f"{flag} {text}: {key} is given twice")
        values[key] = value
    return config.of(values, where=f"{flag} {config.name}")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
