"""What is searched: dimensions from shipped spaces, the user's files and flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfglue.config import TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.files import read_yaml
from tfglue.flags import checked
from tfglue.training_recipe import NOT_IN_RECIPES
from tuning.dimension import Dimension, read_dimension
from tuning.models import MODELS
from tuning.searchable import find_searchable

SPACES = Path(__file__).parent / "spaces"

SEED = "seed"

_KEYS = ("model", "trials", "settings", "space", "tasks")
_KEYS_OF_TASK = ("trials", "settings", "space")
_LEFT_OUT = "none"
"""Takes a parameter out of the space that it is in otherwise."""


@dataclass(frozen=True)
class AskedSpace:
    """What ``--space`` flags and files say, before anything is checked against the settings.

    Args:
        name: of the shipped space or file that it began with; None for flags alone.
        texts: parameter -> its dimension as text.
        given: parameters that a flag names itself.
        settings: settings of training that the file has for all trials.
        trials: how many its authors ran; None where it does not say.
        seed: the published dimension of the seed, which is not searched; None where there is none.
    """

    name: str | None
    texts: Mapping[str, str]
    given: frozenset[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    trials: int | None = None
    seed: str | None = None


def asked_space(words: Sequence[str], model: str, task: str) -> AskedSpace:
    """What the ``--space`` flags ask for.

    Args:
        words: each is ``name=dimension``, the name of a shipped space, or a YAML file; without
            any, the shipped space of the model's name.
        model: one of `MODELS`.
        task: whose own part of a file counts.

    Raises:
        UserError: a word is none of these, a parameter is named twice, two files are named, or a
            file is no space or one of another model.
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
        asked = AskedSpace(None, {}, frozenset())
    texts = {name: text for name, text in (asked.texts | flags).items() if text != _LEFT_OUT}
    seed = None if SEED in flags else texts.pop(SEED, None)
    return AskedSpace(asked.name, texts, frozenset(flags), asked.settings, asked.trials, seed)


def read_space(asked: AskedSpace, base: Mapping[str, Any]) -> dict[str, Dimension]:
    """Parameter -> dimension, checked against the settings that all trials share.

    Raises:
        UserError: a parameter is unknown, or a dimension none that it can have.
    """
    if not asked.texts:
        raise UserError("--space: nothing is searched; add name=dimension")
    found = {}
    for name, text in asked.texts.items():
        where = f"--space {name}" if name in asked.given else f"space {asked.name}: {name}"
        setting = find_searchable(name, base, where)
        found[name] = read_dimension(name, text, setting.kind, setting.check, where)
    for owner in ("head", "adapter"):
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
    content = _mapping(read_yaml(path) or {}, str(path), _KEYS)
    own = content.get("model", model)
    if own not in MODELS:
        raise UserError(
            f"{path}: model: unknown value '{own}'{suggestion(str(own), MODELS)} "
            f"(expected one of: {', '.join(MODELS)})"
        )
    if own != model:
        raise UserError(f"--space {name}: a space of --model {own}, not of {model}")
    parts = {"": content}
    for other, part in _mapping(content.get("tasks") or {}, f"{path}: tasks").items():
        parts[other] = _mapping(part or {}, f"{path}: tasks: {other}", _KEYS_OF_TASK)
    settings: dict[str, Any] = {}
    texts: dict[str, str] = {}
    trials = None
    for other, part in parts.items():
        where = f"{path}: tasks: {other}" if other else str(path)
        of_part = checked(
            _mapping(part.get("settings") or {}, f"{where}: settings"), TrainConfig,
            where=f"{where}: settings",
        )
        for misplaced in (n for n in of_part if n in NOT_IN_RECIPES):
            raise UserError(f"{where}: '{misplaced}' belongs on the command line, not in a space")
        searched = _mapping(part.get("space") or {}, f"{where}: space")
        own_trials = part.get("trials")
        if own_trials is not None and (type(own_trials) is not int or own_trials < 1):
            raise UserError(f"{where}: trials: expected a whole number, not '{own_trials}'")
        if other in ("", task):
            settings |= of_part
            texts |= {key: str(text) for key, text in searched.items()}
            trials = own_trials or trials
    return AskedSpace(name, texts, frozenset(), settings, trials)


def _mapping(value: Any, where: str, known: Sequence[str] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected 'name: value' lines")
    for key in value:
        if known and key not in known:
            raise UserError(
                f"{where}: unknown key '{key}'{suggestion(str(key), known)} "
                f"(known: {', '.join(known)})"
            )
    return {str(key): item for key, item in value.items()}
