"""What is searched: dimensions from shipped spaces, the user's files and flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfglue.errors import UserError, suggestion
from tuning.dimension import Dimension, read_dimension
from tuning.searchable import PARTS, find_searchable
from tuning.space_file import SpaceFile

SPACES = Path(__file__).parent / "spaces"

SEED = "seed"

_LEFT_OUT = "none"
"""Takes a parameter out of the space that it is in otherwise."""


@dataclass(frozen=True)
class AskedSpace:
    """What ``--space`` flags and files say, before anything is checked against the settings.

    Args:
        name: of the shipped space or file that it began with; None for flags alone.
        texts: parameter -> its dimension as text.
        places: parameter -> where that is said, for messages.
        given: parameters that a flag names itself.
        settings: settings of training that the file has for all trials.
        trials: how many its authors ran; None where it does not say.
        seed: the published dimension of the seed, which is not searched; None where there is none.
    """

    name: str | None
    texts: Mapping[str, str]
    places: Mapping[str, str]
    given: frozenset[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    trials: int | None = None
    seed: str | None = None


def asked_space(words: Sequence[str], model: str, task: str) -> AskedSpace:
    """What the ``--space`` flags ask for.

    Args:
        words: each is ``name=dimension``, the name of a shipped space, or a YAML file; without
            any, the shipped space of the model's name.
        model: one of `tuning.models.MODELS`.
        task: whose own part of a file counts.

    Raises:
        UserError: a word is none of these, a parameter is named twice or taken out of a space
            that it is not in, two files are named, or a file is no space or one of another model.
    """
    flags, files = {}, []
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            files.append(word)
            continue
        name = name.strip()
        if name in flags:
            raise UserError(f"--space {word}: {name} is given twice")
        flags[name] = text.strip()
    if len(files) > 1:
        raise UserError(f"--space: {files[0]} and {files[1]}; name one, and add name=dimension")
    if files or not flags:
        asked = _read_file(files[0] if files else model, model, task)
    else:
        asked = AskedSpace(None, {}, {}, frozenset())
    for name in (name for name, text in flags.items() if text == _LEFT_OUT):
        if name not in asked.texts:
            known = suggestion(name, asked.texts) if files else f"; name one, too: --space {model}"
            raise UserError(f"--space {name}=none: there is no {name} in the space{known}")
    texts = {name: text for name, text in (asked.texts | flags).items() if text != _LEFT_OUT}
    seed = None if SEED in flags else texts.pop(SEED, None)
    places = {**asked.places, **{name: f"--space {name}" for name in flags}}
    return replace(asked, texts=texts, places=places, given=frozenset(flags), seed=seed)


def read_space(asked: AskedSpace, base: Mapping[str, Any]) -> dict[str, Dimension]:
    """Parameter -> dimension, checked against the settings that all trials share.

    Raises:
        UserError: a parameter is unknown, or a dimension none that it can have.
    """
    if not asked.texts:
        raise UserError("--space: nothing is searched; add name=dimension")
    found = {}
    for name, text in asked.texts.items():
        where = asked.places[name]
        setting = find_searchable(name, base, where)
        found[name] = read_dimension(name, text, setting.kind, setting.check, where)
    for owner in PARTS:
        parts = [name for name in found if name.startswith(f"{owner}.")]
        if owner in found and parts:
            raise UserError(f"--space {parts[0]}: {owner} itself is searched; search one of them")
    return found


def shipped_spaces() -> dict[str, Path]:
    """Name -> file of the spaces that come with the package."""
    return {path.stem: path for path in sorted(SPACES.glob("*.yaml"))}


def _read_file(name: str, model: str, task: str) -> AskedSpace:
    shipped = shipped_spaces()
    path = shipped.get(name, Path(name))
    if name not in shipped and not path.is_file():
        raise UserError(
            f"--space: '{name}' is neither name=dimension, nor a shipped space "
            f"({', '.join(shipped)}), nor a file{suggestion(name, shipped)}"
        )
    file = SpaceFile(path, task)
    if file.model not in (None, model):
        raise UserError(f"--space {name}: a space of --model {file.model}, not of {model}")
    return AskedSpace(name, file.texts, file.places, frozenset(), file.settings, file.trials)
