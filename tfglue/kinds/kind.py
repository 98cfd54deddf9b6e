"""What a kind of task decides: rows for the model, the head, the loss, and how answers read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tfglue.config import TrainConfig
from tfglue.data.batches import model_inputs
from tfglue.data.encode import encode
from tfglue.data.examples import Examples, TextExamples
from tfglue.data.features import Features
from tfglue.data.tokenizer import BertTokenizer
from tfglue.models.head_config import HeadConfig
from tfglue.predictions.predictions import Outputs, Predictions
from tfglue.tasks.task import Task

Calibration = Mapping[str, float]
"""What was tuned on held-out rows after training, by name."""

CHOICE, SCORE, OTHER = "choice", "score", "other"
"""What `Kind.answers` may be."""


class Kind(ABC):
    """All that differs between tasks that classify, score, find spans, tag, ...

    Everything else (batches, encoder, training loop, run folder) is the same for all kinds. As it
    stands here, an example is a text or a pair, and one row for the model.
    """

    def encode(
        self,
        task: Task,
        examples: Examples,
        tokenizer: BertTokenizer,
        config: TrainConfig,
        training: bool = False,
    ) -> Features:
        """Rows for the model.

        Args:
            task: what is answered.
            examples: texts of a split.
            tokenizer: the encoder's.
            config: settings of the run.
            training: whether these rows are trained on, so that what teaches nothing is left out.
        """
        return encode(examples, tokenizer, config.max_length)

    def typed(self, task: Task, rows: Sequence[Sequence[str]], origin: str) -> Examples:
        """Unlabelled examples of what a user typed: for every row its text fields."""
        columns = tuple([row[i] for row in rows] for i in range(len(task.text_fields)))
        ids = [str(number) for number in range(len(rows))]
        return TextExamples(ids=ids, origin=origin, texts=columns, labels=None)

    every_token: bool = False
    """Whether every token is answered, or the text."""

    answers: ClassVar[str] = OTHER
    """Whether an answer is one choice of several, a score, or something else (spans, tags)."""

    def choice_logits(self, batch, logits):
        """Logits of the choices whose softmax the answer to a row is, float32 (batch, choices).

        Asked for where `answers` is `CHOICE`.

        Args:
            batch: padded rows.
            logits: what the head made of them.
        """
        return ops.cast(logits, "float32")

    def inputs(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """What of a batch the model reads."""
        return model_inputs(batch)

    @abstractmethod
    def num_outputs(self, task: Task) -> int:
        """Logits of a text, or of every token."""

    def head(
        self, task: Task, encoder: Any, config: HeadConfig, dropout: float | None = None
    ) -> keras.layers.Layer:
        """A fresh head for `task`: maps the encoder's outputs to float32 logits.

        Args:
            task: what is answered.
            encoder: the encoder, or its `EncoderShape`.
            config: which head.
            dropout: rate on what the head reads; None for what the kind's papers have.

        Raises:
            UserError: such a head cannot answer the task.
        """
        self.check_head(task, config)
        rate = self.head_dropout(encoder) if dropout is None else dropout
        return config.build(self.num_outputs(task), encoder, rate, self.every_token)

    def check_head(self, task: Task, config: HeadConfig) -> None:
        """Raises UserError, in one line, where such a head cannot answer the task."""
        config.check_task(task, self.num_outputs(task), self.every_token)

    def head_dropout(self, encoder: Any) -> float:
        """The head's dropout rate where nothing is said of it."""
        return encoder.dropout

    @abstractmethod
    def losses(self, batch, logits):
        """Loss of every row, summed over its loss terms, float32 (batch,).

        Args:
            batch: padded rows with their labels, see `tfglue.data.batches.padded_batch`.
            logits: what the head made of them.
        """

    @abstractmethod
    def predictions(
        self,
        task: Task,
        examples: Examples,
        features: Features,
        outputs: Outputs,
        config: TrainConfig,
        calibration: Calibration,
    ) -> Predictions:
        """Answers, from what the model computed for all rows of a split."""

    @abstractmethod
    def floor(self, task: Task, examples: Examples) -> float:
        """The main metric of a model that learned nothing; runs not above it are degenerate."""

    def note(self, examples: Examples, features: Features) -> str:
        """What people are told of the rows of a split beside how many examples there are."""
        return "" if len(features) == len(examples) else f" in {len(features)} windows"

    def classes(self, features: Features) -> np.ndarray | None:
        """One number a row, drawn equally often by `--balance`; None for rows without classes."""
        return None

    def tuning_share(self, task: Task, config: TrainConfig) -> float:
        """Share of the training examples that is set aside for `calibrate`; 0 for none."""
        return 0.0

    def calibrate(self, predictions: Any) -> Calibration:
        """Tunes what is decided after training, on predictions for the examples set aside."""
        return {}
