"""Adapters as the user writes them: a name with settings, or a published JSON file."""

from pathlib import Path

from tfglue.adapters.config import ADAPTERS, AdapterConfig
from tfglue.adapters.published import read_published
from tfglue.errors import UserError, suggestion
from tfglue.named_settings import read_named

SHIPPED = Path(__file__).parents[1] / "recipes" / "adapters"
"""The configuration files of the PALs code, with its keys."""


def read_adapter(text: str) -> AdapterConfig | None:
    """Reads an ``--adapter`` setting.

    Args:
        text: ``none``; ``name`` or ``name:key=value,key=value`` of an adapter, lists joined by
            ``+`` (``lora:rank=8,targets=query+value``, ``pal:layers=0-5+11``); or the path of a
            JSON file, or the name of a shipped one (``pals_config.json``).

    Returns:
        The configuration; None for no adapter.

    Raises:
        UserError: for an unknown name or key, with the nearest one, or a value out of place.
    """
    text = text.strip()
    if text.lower() == "none":
        return None
    if text.lower().endswith(".json"):
        return read_published(_file(text))
    return read_named(text, ADAPTERS)


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if path.is_file():
        return path
    shipped = {found.name: found for found in sorted(SHIPPED.glob("*.json"))}
    if text not in shipped:
        raise UserError(
            f"--adapter: no file {text}, nor is it a shipped one{suggestion(text, shipped)} "
            f"(shipped: {', '.join(shipped)})"
        )
    return shipped[text]
