"""Scores of a model on its dev splits."""

from collections.abc import Mapping

import numpy as np

from tfglue.data.examples import Examples
from tfglue.data.features import Features
from tfglue.kinds import KINDS
from tfglue.predictions import Predictions
from tfglue.tasks.task import Task
from tfglue.training.loop import Metrics
from tfglue.training.prediction import Predictor


class Evaluation:
    """What the training loop asks for its metrics; sees the weights as they are when called.

    Args:
        task: what is scored.
        examples: split name -> rows; those named ``dev`` and ``dev_...`` are scored.
        features: the same, packed.
        predictor: runs the model.
    """

    def __init__(
        self,
        task: Task,
        examples: Mapping[str, Examples],
        features: Mapping[str, Features],
        predictor: Predictor,
    ):
        self.task = task
        self.examples = {s: rows for s, rows in examples.items() if s.startswith("dev")}
        self.features = features
        self.predictor = predictor

    def __bool__(self) -> bool:
        return bool(self.examples)

    def __call__(self) -> tuple[Metrics, float]:
        """Metrics of every dev split, and the main metric on ``dev``, which ranks evaluations."""
        splits = {
            split: predictions.score(labels)
            for split, (predictions, labels) in self.answers().items()
        }
        return {self.task.name: splits}, splits["dev"][self.task.main_metric]

    def floor(self) -> dict[str, float]:
        """Task -> the main metric on ``dev`` that a model has which has learned nothing."""
        if "dev" not in self.examples:
            return {}
        labels = self.examples["dev"].labels
        return {self.task.name: KINDS.get(self.task.kind).floor(self.task, labels)}

    def answers(self) -> dict[str, tuple[Predictions, np.ndarray]]:
        """Predictions and labels of every dev split."""
        found = {}
        for split, rows in self.examples.items():
            logits = self.predictor.logits(self.task.name, self.features[split])
            found[split] = Predictions(self.task, rows.ids, logits), rows.labels
        return found
