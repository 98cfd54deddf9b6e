"""Scores of a model on its dev splits."""

from collections.abc import Mapping

from tfglue.config import TrainConfig
from tfglue.data.examples import Examples
from tfglue.data.features import Features
from tfglue.data.held_out import TUNING_SPLIT
from tfglue.kinds import KINDS
from tfglue.kinds.kind import Calibration
from tfglue.predictions.predictions import Predictions
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
        config: settings of the run.
    """

    def __init__(
        self,
        task: Task,
        examples: Mapping[str, Examples],
        features: Mapping[str, Features],
        predictor: Predictor,
        config: TrainConfig,
    ):
        self.task = task
        self.examples = examples
        self.features = features
        self.predictor = predictor
        self.config = config
        self.kind = KINDS.get(task.kind)
        self.splits = [split for split in examples if split.startswith("dev")]

    def __bool__(self) -> bool:
        return bool(self.splits)

    def __call__(self) -> tuple[Metrics, float]:
        """Metrics of every dev split, and the main metric on ``dev``, which ranks evaluations."""
        answers = self.answers(self.calibration())
        splits = {split: predictions.score() for split, predictions in answers.items()}
        return {self.task.name: splits}, splits["dev"][self.task.main_metric]

    def floor(self) -> dict[str, float]:
        """Task -> the main metric on ``dev`` that a model has which has learned nothing."""
        if "dev" not in self.examples:
            return {}
        return {self.task.name: self.kind.floor(self.task, self.examples["dev"])}

    def calibration(self) -> Calibration:
        """What is tuned on the examples set aside for it."""
        if TUNING_SPLIT not in self.examples:
            return {}
        return self.kind.calibrate(self._answer(TUNING_SPLIT, {}))

    def answers(self, calibration: Calibration) -> dict[str, Predictions]:
        """Predictions of every dev split."""
        return {split: self._answer(split, calibration) for split in self.splits}

    def _answer(self, split: str, calibration: Calibration) -> Predictions:
        features = self.features[split]
        return self.kind.predictions(
            self.task, self.examples[split], features,
            self.predictor.outputs(self.task.name, features), self.config, calibration,
        )
