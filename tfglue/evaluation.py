"""Scores of a model on its dev splits."""

from collections.abc import Mapping, Sequence

from tfglue.data.held_out import TUNING_SPLIT
from tfglue.errors import UserError
from tfglue.kinds.kind import Calibration
from tfglue.predictions.predictions import Predictions
from tfglue.preparation import PreparedTask
from tfglue.training.loop import Metrics
from tfglue.training.prediction import Predictor


class Evaluation:
    """What the training loop asks for its metrics; sees the weights as they are when called.

    Args:
        tasks: task name -> its rows; splits named ``dev`` and ``dev_...`` are scored.
        predictor: runs the model.
        best_on: tasks whose main metrics rank evaluations; all that have a dev split if empty.
    """

    def __init__(
        self, tasks: Mapping[str, PreparedTask], predictor: Predictor, best_on: Sequence[str] = ()
    ):
        self.tasks = tasks
        self.predictor = predictor
        scored = [name for name, one in tasks.items() if "dev" in one.examples]
        self.ranking = [name for name in scored if not best_on or name in best_on]
        if best_on and not self.ranking:
            raise UserError(f"--best_on {','.join(best_on)}: there are no dev rows to score")

    def __bool__(self) -> bool:
        return bool(self.ranking)

    def __call__(self) -> tuple[Metrics, float]:
        """Metrics of every dev split, and the mean of main metrics that ranks evaluations."""
        metrics = {
            name: {split: found.score() for split, found in splits.items()}
            for name, splits in self.answers(self.calibration()).items()
        }
        scores = [metrics[name]["dev"][self.tasks[name].task.main_metric] for name in self.ranking]
        return metrics, sum(scores) / len(scores)

    def floor(self) -> dict[str, float]:
        """Task -> the main metric on ``dev`` that a model has which has learned nothing."""
        return {
            name: one.kind.floor(one.task, one.examples["dev"])
            for name, one in self.tasks.items() if "dev" in one.examples
        }

    def calibration(self) -> dict[str, Calibration]:
        """Task -> what is tuned on the examples set aside for it."""
        return {
            name: one.kind.calibrate(self._answer(name, TUNING_SPLIT, {}))
            for name, one in self.tasks.items() if TUNING_SPLIT in one.examples
        }

    def answers(self, calibration: Mapping[str, Calibration]) -> dict[str, dict[str, Predictions]]:
        """Task -> predictions of every dev split."""
        return {
            name: {
                split: self._answer(name, split, calibration.get(name, {}))
                for split in one.examples if split.startswith("dev")
            }
            for name, one in self.tasks.items()
        }

    def _answer(self, name: str, split: str, calibration: Calibration) -> Predictions:
        one = self.tasks[name]
        features = one.features[split]
        outputs = self.predictor.outputs(name, features)
        return one.kind.predictions(
            one.task, one.examples[split], features, outputs, one.config, calibration
        )
