"""From what a file writes to the labels of a task."""

from tfglue.errors import suggestion
from tfglue.tasks.tables import parse_number
from tfglue.tasks.task import Task

_LABELS_SHOWN = 10


class LabelParser:
    """Turns what a file writes into a class id or a score, or says what is wrong with it.

    Args:
        task: gives the labels as files write them, or the range of the scores.
    """

    def __init__(self, task: Task):
        self._task = task
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> tuple[float, str]:
        """The id or score, and the problem; the latter is an empty string where there is none."""
        return self._class(text) if self._task.labels else self._score(text)

    def _class(self, text: str) -> tuple[float, str]:
        if text not in self._known:
            label_id = self._task.label_id(text)
            if label_id is None:
                expected = self._task.file_labels or self._task.labels
                shown = ", ".join(expected[:_LABELS_SHOWN])
                more = len(expected) - _LABELS_SHOWN
                return 0, (
                    f"unknown label '{text}', expected one of {shown}"
                    f"{f' and {more} more' if more > 0 else ''}{suggestion(text, expected)}"
                )
            self._known[text] = label_id
        return self._known[text], ""

    def _score(self, text: str) -> tuple[float, str]:
        score = parse_number(text)
        if score is None:
            return 0, f"score '{text}' is not a number"
        lowest, highest = self._task.score_range or (score, score)
        if not lowest <= score <= highest:
            return 0, f"score {text} is outside {lowest:g} to {highest:g}"
        return score, ""
