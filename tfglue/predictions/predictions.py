"""What all answers have in common, whatever they are."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from tfglue.data.examples import Examples
from tfglue.data.features import Features
from tfglue.errors import UserError
from tfglue.files import write_text
from tfglue.tasks.task import Task


@dataclass(frozen=True)
class Outputs:
    """What the model computed for all rows of a split.

    Args:
        logits: float32 (rows, outputs), or (tokens, outputs) from a head that answers every token,
            of all rows in a row as `Features.token_ids` holds them; float64 from an ensemble.
        losses: float32 (rows,), summed over a row's loss terms; None if the rows are unlabelled.
    """

    logits: np.ndarray
    losses: np.ndarray | None


@dataclass(frozen=True)
class Predictions(ABC):
    """Answers of one task for one split.

    Args:
        task: the task answered.
        examples: what was asked.
        features: the rows that the model saw.
        outputs: what it computed for them.
    """

    task: Task
    examples: Examples
    features: Features
    outputs: Outputs

    @abstractmethod
    def combined(self, others: Sequence[Self], mode: str) -> Self:
        """What an ensemble answers whose members answer so; its outputs have no losses.

        Args:
            others: of the same task and examples.
            mode: how probabilities are combined, one of `tfglue.predictions.combination.MODES`.
        """

    def score(self) -> dict[str, float]:
        """The task's metrics, and the mean loss, over all examples at once.

        Raises:
            UserError: if the examples have no labels.
        """
        if not self.examples.labelled:
            raise UserError(f"{self.examples.origin}: no labels to evaluate against")
        terms = max(int(self.features.loss_terms.sum()), 1)
        return self.metrics() | {"loss": float(self.outputs.losses.sum(dtype=np.float64)) / terms}

    @abstractmethod
    def metrics(self) -> dict[str, float]:
        """The task's metrics, the main one first."""

    @property
    @abstractmethod
    def answer_texts(self) -> list[str]:
        """The answer to every example, for tables."""

    @property
    @abstractmethod
    def gold_texts(self) -> list[str]:
        """What would have been right, likewise."""

    @property
    def right(self) -> np.ndarray | None:
        """bool (examples,): whether the answer is right; None where it is more or less near."""
        return None

    def second_scores(self) -> dict[str, np.ndarray]:
        """Scores of the best answers other than those given, (examples,), where there are some.

        The first of them is 1 where that answer is right and 0 where not.
        """
        return {}

    @abstractmethod
    def records(self) -> list[dict[str, Any]]:
        """For people, one dictionary an example: ``id``, the answer, and how sure it is."""

    @abstractmethod
    def text(self) -> str:
        """The answers as the text of one file."""

    def json_lines(self) -> str:
        """The records as JSON, one a line."""
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in self.records())

    @abstractmethod
    def files(self) -> dict[str, str]:
        """Text of all files of the answers, by what their names add to that of the split."""

    def write(self, place: Path) -> None:
        """Writes all files, and plots where there are any.

        Args:
            place: ``predictions/<task>/<split>``, to which the names of `files` are added.
        """
        for name, text in self.files().items():
            write_text(Path(f"{place}{name}"), text)


def tab_separated(records: Sequence[dict[str, Any]]) -> str:
    """Records as text with a header; without any record the header ``id label`` alone."""
    header = list(records[0]) if records else ["id", "label"]
    lines = ["\t".join(header)]
    lines += ["\t".join(str(value) for value in record.values()) for record in records]
    return "\n".join(lines) + "\n"


def nine_digits(values: Sequence[float]) -> list[float]:
    """Numbers with the nine significant digits that all predictions are written with."""
    return [float(f"{value:.9g}") for value in values]
