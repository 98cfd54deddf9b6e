"""What a model says about rows: labels with probabilities, or scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from tfglue.files import write_text
from tfglue.metrics import compute
from tfglue.tasks.task import Task
from tfglue.training.losses import LOSSES


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

    @property
    def values(self) -> np.ndarray:
        """Class ids, or scores clipped to the task's range: what metrics compare with labels."""
        if self.task.kind == "classify":
            return np.argmax(self.logits, axis=-1)
        scores = self.logits[:, 0].astype(np.float64)
        return np.clip(scores, *self.task.score_range) if self.task.score_range else scores

    def score(self, labels: np.ndarray) -> dict[str, float]:
        """The task's metrics against `labels` and the mean loss, over all rows at once."""
        values = compute(self.task.metrics, labels, self.values)
        losses = np.asarray(LOSSES.get(self.task.kind)(labels, self.logits), np.float64)
        return values | {"loss": float(losses.mean())}

    def records(self) -> list[dict[str, Any]]:
        """One dictionary a row: ``id``, ``label``, and ``score`` or ``probability_<label>``s.

        The label of a regression row is its score.
        """
        values = self.values
        if self.task.kind == "regress":
            return [
                {"id": row_id, "label": _nine_digits(value), "score": _nine_digits(value)}
                for row_id, value in zip(self.ids, values, strict=True)
            ]
        columns = [f"probability_{label}" for label in self.task.labels]
        probabilities = softmax(self.logits.astype(np.float64), axis=-1)
        return [
            {"id": row_id, "label": self.task.labels[value]}
            | {name: _nine_digits(p) for name, p in zip(columns, row, strict=True)}
            for row_id, value, row in zip(self.ids, values, probabilities, strict=True)
        ]

    def to_tsv(self) -> str:
        """The records as tab-separated text with a header."""
        records = self.records()
        header = list(records[0]) if records else ["id", "label"]
        lines = ["\t".join(header)]
        lines += ["\t".join(str(value) for value in record.values()) for record in records]
        return "\n".join(lines) + "\n"

    def write(self, path: Path) -> None:
        """Writes `to_tsv` to a file."""
        write_text(path, self.to_tsv())


def _nine_digits(value: float) -> float:
    return float(f"{value:.9g}")
