"""How a task is answered inside the graph, and how a client asks and reads its answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tfglue.config import TrainConfig
from tfglue.data.examples import Examples
from tfglue.data.tokenizer import BertTokenizer
from tfglue.kinds.kind import Calibration
from tfglue.predictions.predictions import Predictions
from tfglue.serving.token_rows import TokenRows
from tfglue.tasks.task import Task

Tensors = dict[str, tf.Tensor]
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """What was asked, ready for the model.

    Args:
        rows: what the model reads.
        known: what else the kind needs for its answers.
    """

    rows: TokenRows
    known: Any = None


class ServedTask(ABC):
    """One task of one kind.

    `ask` and `answer` build graphs and do there what `tfglue.kinds` does outside; `request`,
    `predictions` and `difference` are the client's side.

    Args:
        task: labels in the order of their ids.
        config: settings of the run.
        calibration: what was tuned after training.
    """

    inputs: tuple[str, ...]
    """Names of the strings that are asked, each of shape (batch,) unless `specs` says otherwise."""

    segments = True
    """Whether rows have tokens of a second segment."""

    def __init__(self, task: Task, config: TrainConfig, calibration: Calibration):
        self.task = task
        self.config = config
        self.calibration = dict(calibration)

    def specs(self) -> dict[str, tf.TensorSpec]:
        """The inputs by name."""
        return {name: tf.TensorSpec([None], tf.string, name=name) for name in self.inputs}

    def features(self) -> dict[str, Any]:
        """The inputs as features of a `tf.train.Example`."""
        return {name: tf.io.FixedLenFeature([], tf.string) for name in self.inputs}

    def from_examples(self, parsed: Mapping[str, Any]) -> Tensors:
        """The inputs from what `features` parsed."""
        return dict(parsed)

    def from_texts(self, texts: tuple[tf.Tensor, tf.Tensor]) -> Tensors:
        """The inputs from a first and a second text, as batches of several tasks have them."""
        return dict(zip(self.inputs, texts, strict=False))

    @abstractmethod
    def ask(self, tokenizer: BertTokenizer, inputs: Tensors) -> Asked:
        """Rows for the model, from valid text."""

    @abstractmethod
    def answer(self, asked: Asked, logits: tf.Tensor) -> Tensors:
        """Answers by names that people read, each (batch, ...).

        Args:
            asked: what `ask` returned.
            logits: float32 (rows, outputs), or (tokens, outputs) where every token is answered.
        """

    @abstractmethod
    def answer_rows(self, rows: TokenRows, logits: tf.Tensor) -> Tensors:
        """Answers for rows of token ids, of which no text is known."""

    def as_texts(self, examples: Examples, row: int) -> tuple[str, str] | None:
        """An example as `from_texts` takes it; None if it cannot be said so."""
        inputs = self.request(examples.take(np.array([row])))
        texts = [inputs[name][0].decode() for name in self.inputs]
        return texts[0], texts[1] if len(texts) > 1 else ""

    @abstractmethod
    def request(self, examples: Examples) -> dict[str, np.ndarray]:
        """The inputs for examples, as arrays of bytes."""

    @abstractmethod
    def predictions(self, examples: Examples, outputs: Arrays) -> Predictions:
        """What the graph answered, as what the run itself would have said."""

    @abstractmethod
    def difference(self, ours: Predictions, outputs: Arrays) -> np.ndarray:
        """How far the graph is from the run, for each example.

        It is the difference of probabilities (of scores in regression). Where another answer was
        given, it is at least by how much the run itself finds that answer worse than its own.

        Args:
            ours: the run's predictions.
            outputs: the graph's answers for the same examples.
        """


def strings(texts) -> np.ndarray:
    """Texts as an array of UTF-8 bytes."""
    return np.array([text.encode() for text in texts], object)
