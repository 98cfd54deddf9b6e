"""What a kind of task decides: the head, the loss, and how answers read."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfglue.models.encoder import BertEncoder
from tfglue.tasks.task import Task


class Kind(ABC):
    """All that differs between tasks that classify, score, tag, ...

    Everything else (batches, encoder, training loop, run folder) is the same for all kinds.
    """

    @abstractmethod
    def head(self, task: Task, encoder: BertEncoder) -> keras.layers.Layer:
        """A fresh head for `task`: maps the encoder's outputs to float32 logits.

        Its `call` takes ``(encoded, dropout_seed)``; it has `num_outputs`, `named_weights()`, and
        `pooled_only`, whether it reads the pooled output and nothing else.
        """

    @abstractmethod
    def losses(self, labels, logits):
        """Loss of every row, float32 (batch,), from labels and logits of one batch."""

    @abstractmethod
    def values(self, task: Task, logits: np.ndarray) -> np.ndarray:
        """What metrics compare with labels, (rows,)."""

    @abstractmethod
    def floor(self, task: Task, labels: np.ndarray) -> float:
        """The main metric of a model that learned nothing; runs not above it are degenerate."""

    @abstractmethod
    def records(self, task: Task, values: np.ndarray, logits: np.ndarray) -> list[dict[str, Any]]:
        """For people, one dictionary a row: ``label`` and what is known of how sure it is."""


def nine_digits(values: Sequence[float]) -> list[float]:
    """Numbers with the nine significant digits that all predictions are written with."""
    return [float(f"{value:.9g}") for value in values]
