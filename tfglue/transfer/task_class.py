"""Classes of tasks, how pictures show them, and which have a TaskEmb."""

from tfglue.errors import UserError
from tfglue.tasks.task import Task

CLASS_COLOURS = {"CR": "#17a2b8", "QA": "#e8852b", "SL": "#8059a8", "?": "#777777"}
"""Classification or regression, question answering, sequence labelling, and what is not known."""

CLASS_MARKERS = {"CR": "s", "QA": "o", "SL": "^", "?": "D"}

CLASS_NAMES = {
    "CR": "classification, regression", "QA": "question answering", "SL": "sequence labelling",
    "?": "texts",
}

_CLASS_OF_KIND = {
    "classify": "CR", "regress": "CR", "answerable": "CR", "rank": "CR", "span": "QA", "tag": "SL",
}


def task_class(kind: str | None) -> str:
    """The class of tasks that Vu et al. (2020) put a kind into; ``?`` where it is not known."""
    return _CLASS_OF_KIND.get(kind or "", "?")


def check_embeddable(task: Task) -> None:
    """Raises UserError for a task that TaskEmb is not defined of: rows that share one loss."""
    if task.kind == "rank":
        raise UserError(
            f"{task.name}: candidates of a query share one loss, and TaskEmb is of rows that have "
            "each their own; embed it with --method text, or a task with a label a row"
        )
