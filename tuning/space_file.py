"""A space as a YAML file: what is searched, in which settings, for all tasks and for one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfglue import tasks
from tfglue.config import TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.files import read_yaml_lines
from tfglue.flags import checked
from tfglue.training_recipe import NOT_IN_RECIPES
from tuning.models import MODELS

_KEYS = ("model", "trials", "settings", "space", "tasks")
_KEYS_OF_TASK = ("trials", "settings", "space")


class SpaceFile:
    """What a file says of the search of one task.

    Args:
        path: the file.
        task: whose own part of the file counts beside that of all tasks.

    Attributes:
        model: one of `MODELS`; None where it does not say.
        trials: how many its authors ran; None where it does not say.
        settings: settings of training for all trials.
        texts: parameter -> its dimension as text.
        places: parameter -> file and line of that, for messages.

    Raises:
        UserError: the file is no space; names the line.
    """

    def __init__(self, path: Path, task: str):
        self.path = path
        content, self._lines = read_yaml_lines(path)
        content = self._mapping(content, known=_KEYS)
        self.model: str | None = content.get("model")
        self.trials: int | None = None
        self.settings: dict[str, Any] = {}
        self.texts: dict[str, str] = {}
        self.places: dict[str, str] = {}
        if self.model is not None and self.model not in MODELS:
            raise UserError(
                f"{self._at('model')}: model: unknown value '{self.model}'"
                f"{suggestion(str(self.model), MODELS)} (expected one of: {', '.join(MODELS)})"
            )
        self._read_part(content, counts=True)
        for name, part in self._mapping(content.get("tasks"), "tasks").items():
            declared = tasks.find(name)
            if declared is None and tasks.find(task):  # Names of the user's own tasks are free.
                raise UserError(
                    f"{self._at('tasks', name)}: unknown task '{name}'"
                    f"{suggestion(name, tasks.names())}"
                )
            part = self._mapping(part, "tasks", name, known=_KEYS_OF_TASK)
            own = declared.name if declared else name
            self._read_part(part, "tasks", name, counts=own == task)

    def _read_part(self, part: Mapping[str, Any], *names: str, counts: bool) -> None:
        """Checks what stands under the names, and takes it where it counts."""
        settings: dict[str, Any] = {}
        for key, value in self._mapping(part.get("settings"), *names, "settings").items():
            where = self._at(*names, "settings", key)
            if key in NOT_IN_RECIPES:
                raise UserError(f"{where}: '{key}' belongs on the command line, not in a space")
            settings |= checked({key: value}, TrainConfig, where=where)
        searched = self._mapping(part.get("space"), *names, "space")
        trials = part.get("trials")
        if trials is not None and (type(trials) is not int or trials < 1):
            where = self._at(*names, "trials")
            raise UserError(f"{where}: trials: expected a whole number, not '{trials}'")
        if counts:
            self.settings |= settings
            self.texts |= {key: str(text) for key, text in searched.items()}
            self.places |= {key: f"{self._at(*names, 'space', key)}: {key}" for key in searched}
            self.trials = trials or self.trials

    def _mapping(self, value: Any, *names: str, known: Sequence[str] = ()) -> dict[str, Any]:
        """The value under the names, as a mapping; nothing there is an empty one."""
        if value is not None and not isinstance(value, dict):
            raise UserError(f"{self._at(*names)}: expected 'name: value' lines")
        found = {str(key): item for key, item in (value or {}).items()}
        for key in (key for key in found if known and key not in known):
            raise UserError(
                f"{self._at(*names, key)}: unknown key '{key}'{suggestion(key, known)} "
                f"(known: {', '.join(known)})"
            )
        return found

    def _at(self, *names: str) -> str:
        line = self._lines.get(names)
        return f"{self.path}:{line}" if line else str(self.path)
