"""Published settings, or the user's own, as YAML files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfglue import tasks
from tfglue.config import NOT_STORED, TrainConfig
from tfglue.errors import UserError, suggestion
from tfglue.files import read_yaml
from tfglue.flags import checked

RECIPES = Path(__file__).parent / "recipes"

# A recipe says how to train; what is trained on, and where it goes, is said with each command.
NOT_IN_RECIPES = (
    "task", "data", "train_file", "dev_file", "test_file", "text_fields", "label_field", "kind",
    "recipe", "strategy", "init", "init_parts", "activations", "tune_split", *NOT_STORED,
)
"""Settings that are given with each command."""

OF_ROWS = ("labels", "negatives", "qnli_version")
"""Settings of how rows are read. Recipes of intermediate tasks have them, where no flag speaks."""


@dataclass(frozen=True)
class TrainingRecipe:
    """Settings of a recipe.

    Args:
        general: for all tasks.
        by_task: name of a task, no alias -> settings that win over the general ones.
        path: the file, for messages.
    """

    general: Mapping[str, Any]
    by_task: Mapping[str, Mapping[str, Any]]
    path: str

    def check_rows(self) -> None:
        """Raises UserError if it says how rows are read, which is said with each command."""
        for settings in (self.general, *self.by_task.values()):
            for misplaced in (name for name in OF_ROWS if name in settings):
                raise UserError(_misplaced(self.path, misplaced))

    def of(self, task: str) -> dict[str, Any]:
        """Settings of one task that is trained alone."""
        return {**self.general, **self.by_task.get(task, {})}


def read_recipe(name: str) -> TrainingRecipe:
    """Settings of a shipped recipe or a YAML file.

    Raises:
        UserError: for an unknown name, unreadable YAML, or an unknown or misplaced setting.
    """
    shipped = {path.stem: path for path in sorted(RECIPES.glob("*.yaml"))}
    path = shipped.get(name, Path(name))
    if name not in shipped and not path.is_file():
        raise UserError(
            f"--recipe: '{name}' is neither a shipped recipe ({', '.join(shipped)}) nor a file"
            f"{suggestion(name, shipped)}"
        )
    content = _settings(read_yaml(path) or {}, str(path))
    by_task = _settings(content.pop("tasks", None) or {}, f"{path}: tasks")
    parts = {"": checked(content, TrainConfig, where=str(path))}
    for name, settings in by_task.items():
        where = f"{path}: tasks: {name}"
        # A name that is unknown may be that of a task from the user's own files.
        known = tasks.find(name)
        task = known.name if known else name
        if task in parts:
            raise UserError(f"{where}: {task} has settings already; name every task once")
        parts[task] = checked(_settings(settings or {}, where), TrainConfig, where=where)
    for settings in parts.values():
        for misplaced in (name for name in NOT_IN_RECIPES if name in settings):
            raise UserError(_misplaced(str(path), misplaced))
    return TrainingRecipe(parts.pop(""), parts, str(path))


def _misplaced(path: str, name: str) -> str:
    return f"{path}: '{name}' belongs on the command line, not in a recipe"


def _settings(value: Any, where: str) -> dict[str, Any]:
    """The value as a mapping of names; keys without a value are left out."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: expected settings as 'name: value' lines")
    return {str(name): item for name, item in value.items() if item is not None}
