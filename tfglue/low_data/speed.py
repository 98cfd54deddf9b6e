"""How long trainings of each size take, measured before the first of them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from tfglue.data.subset import first_examples
from tfglue.preparation import Prepared
from tfglue.run_plan import RunPlan
from tfglue.trainer import Training
from tfglue.training.seeds import dropout_seed

_UPDATES = 3
_DEV_ROWS = 128


@dataclass(frozen=True)
class Speed:
    """Seconds on this machine, for an encoder of one shape.

    Args:
        ready: until the first update is done: data, encoder, tracing.
        update: size -> seconds of an update.
        evaluation: of all dev splits, and of rows set aside to tune on, once.
    """

    ready: float
    update: Mapping[float, float]
    evaluation: float

    @classmethod
    def measured(
        cls, training: Training, of_sizes: Mapping[float, Prepared], ready: float
    ) -> "Speed":
        """Makes a few updates of every size, and scores some dev rows.

        Args:
            training: a run that is thrown away.
            of_sizes: size -> its rows.
            ready: seconds that making `training` took.
        """
        step = training.build_loop().step
        seconds: dict[float, float] = {}
        for size, prepared in of_sizes.items():
            plan = RunPlan(prepared)
            updates = list(islice(plan.batches().updates(), min(_UPDATES, plan.total_updates)))
            if not seconds:
                ready += _timed(step, updates[:1])  # It is traced and compiled.
            seconds[size] = _timed(step, updates) / len(updates)
        evaluation = 0.0
        for name, one in training.prepared.tasks.items():
            for split, features in one.features.items():
                if split != "train":
                    # Of candidates that are ranked whole groups, which rows alone would not be.
                    examples = first_examples(one.examples[split], _DEV_ROWS)
                    some = one.kind.encode(
                        one.task, examples, training.prepared.tokenizer, one.config
                    )
                    ready += _timed_outputs(training, name, some)
                    evaluation += _timed_outputs(training, name, some) * len(features) / len(some)
        return cls(ready, seconds, evaluation)

    def seconds(self, size: float, updates: int, evaluations: int) -> float:
        """Of a whole training."""
        return self.ready + updates * self.update[size] + evaluations * self.evaluation


def _timed(step, updates) -> float:
    begun = time.monotonic()
    for number, update in enumerate(updates):
        seeds = [dropout_seed(0, number, i) for i in range(len(update.batches))]
        float(step(update.task, update.batches, update.divisor, seeds))
    return time.monotonic() - begun


def _timed_outputs(training: Training, task: str, features) -> float:
    begun = time.monotonic()
    training.evaluation.predictor.outputs(task, features)
    return time.monotonic() - begun
