"""How tasks are served, by their kind."""

from tfglue.config import TrainConfig
from tfglue.errors import UserError
from tfglue.kinds.kind import Calibration
from tfglue.registry import Registry
from tfglue.serving.served_questions import ServedAnswerable, ServedSpans
from tfglue.serving.served_ranks import ServedRanks
from tfglue.serving.served_tags import ServedTags
from tfglue.serving.served_task import ServedTask
from tfglue.serving.served_texts import ServedClasses, ServedScores
from tfglue.tasks.language_model import KIND as LANGUAGE_MODEL
from tfglue.tasks.task import Task

SERVED: Registry[type[ServedTask]] = Registry("kind of task that can be exported")
SERVED.add("classify", ServedClasses)
SERVED.add("regress", ServedScores)
SERVED.add("rank", ServedRanks)
SERVED.add("span", ServedSpans)
SERVED.add("answerable", ServedAnswerable)
SERVED.add("tag", ServedTags)


def served_task(task: Task, config: TrainConfig, calibration: Calibration) -> ServedTask:
    """How one task is served. Raises UserError for a kind that cannot be."""
    if task.kind == LANGUAGE_MODEL:
        raise UserError(
            "a language model answers no requests; export a run that began with it, or write it "
            "for transformers with python -m tfglue.convert"
        )
    return SERVED.get(task.kind)(task, config, calibration)
