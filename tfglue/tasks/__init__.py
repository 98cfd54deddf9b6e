"""Every task by name. Importing this loads no TensorFlow."""

from tfglue.registry import Registry
from tfglue.tasks import glue, nli, squad, tagging
from tfglue.tasks.task import ColumnFile, Recipe, SplitFile, Submission, Task, TfdsSource

__all__ = [
    "GROUPS",
    "ColumnFile",
    "Recipe",
    "SplitFile",
    "Submission",
    "Task",
    "TfdsSource",
    "expand",
    "find",
    "get",
    "names",
]

GROUPS = glue.GROUPS

_REGISTRY: Registry[Task] = Registry("task")
for _task in (*glue.TASKS, *nli.TASKS, *squad.TASKS, *tagging.TASKS):
    _REGISTRY.add(_task.name, _task, _task.aliases)


def get(name: str) -> Task:
    """Returns the task of a name or alias. Raises UserError with the nearest name."""
    return _REGISTRY.get(name)


def find(name: str) -> Task | None:
    """The task of a name or alias, or None."""
    return _REGISTRY.get(name) if name in _REGISTRY else None


def names() -> tuple[str, ...]:
    """Names of all tasks, in the order of their declaration."""
    return tuple(_REGISTRY)


def expand(text: str) -> list[Task]:
    """Tasks of a comma list of names, aliases and groups (`GROUPS`), each once, in order."""
    found: dict[str, Task] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        for name in GROUPS.get(part.lower(), (part,)):
            task = get(name)
            found[task.name] = task
    return list(found.values())
