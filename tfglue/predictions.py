"""What a model says about rows: labels with probabilities, or scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tfglue.kinds import KINDS
from tfglue.metrics import compute
from tfglue.tasks.task import Task


@dataclass(frozen=True)
class Predictions:
    """Answers of one task for one split.

    Args:
        task: the task answered.
        ids: one a row.
        logits: float32 (rows, outputs).
    """

    task: Task
    ids: Sequence[str]
    logits: np.ndarray

    @cached_property
    def values(self) -> np.ndarray:
        """What metrics compare with labels: class ids, or scores clipped to the task's range."""
        return KINDS.get(self.task.kind).values(self.task, self.logits)

    def score(self, labels: np.ndarray) -> dict[str, float]:
        """The task's metrics against `labels` and the mean loss, over all rows at once."""
        losses = np.asarray(KINDS.get(self.task.kind).losses(labels, self.logits), np.float64)
        metrics = compute(self.task.metrics, labels, self.values)
        return metrics | {"loss": float(losses.mean())}

    def records(self) -> list[dict[str, Any]]:
        """One dictionary a row: ``id``, ``label``, and ``score`` or ``probability_<label>``s.

        The label of a regression row is its score.
        """
        answers = KINDS.get(self.task.kind).records(self.task, self.values, self.logits)
        return [
            {"id": row_id} | answer for row_id, answer in zip(self.ids, answers, strict=True)
        ]

    def to_tsv(self) -> str:
        """The records as tab-separated text with a header."""
        records = self.records()
        header = list(records[0]) if records else ["id", "label"]
        lines = ["\t".join(header)]
        lines += ["\t".join(str(value) for value in record.values()) for record in records]
        return "\n".join(lines) + "\n"

