"""What terms of a loss cost."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.training.seeds import dropout_seed
from tfglue.training.step import TrainStep
from tfglue.training.task_batches import MixedBatches

_ROUNDS = 3


@dataclass(frozen=True)
class Overhead:
    """Seconds of a forward and backward pass over one batch.

    Args:
        plain: without the terms.
        whole: with them.
    """

    plain: float
    whole: float

    @classmethod
    def measured(
        cls, step: TrainStep, task: str, batch: Mapping[str, tf.Tensor], seed: np.ndarray
    ) -> "Overhead":
        """Measures a step; no weight is changed.

        The fastest of a few passes counts, so that what else the machine does plays little part.
        """
        with_terms = step.gradient_pass(task, batch, seed)
        without = step.gradient_pass(task, batch, seed, terms=False)
        statistics = [
            (weight, weight.numpy()) for weight in step.model.changing_weights().values()
            if not weight.trainable
        ]
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(_ROUNDS + 1):
            for whole, run in ((True, with_terms), (False, without)):
                begun = time.perf_counter()
                float(run())
                seconds[whole].append(time.perf_counter() - begun)
        for weight, value in statistics:
            weight.assign(value)  # Some heads keep statistics of the batches they see.
        # The first passes set up memory and threads.
        return cls(min(seconds[False][1:]), min(seconds[True][1:]))

    @property
    def times(self) -> float:
        """How many times a plain pass a whole one takes."""
        return self.whole / self.plain

    def __str__(self) -> str:
        return (
            f"a forward and backward pass takes {self.whole:.3f} s, without it {self.plain:.3f} s: "
            f"{self.times:.2f} times as long"
        )


def overhead_lines(step: TrainStep, batches: MixedBatches) -> Iterator[str]:
    """What terms that run the model themselves cost: a line for every task that has such."""
    for name, own in batches.tasks.items():
        costly = [term.own_passes for term in step.terms[name] if term.own_passes]
        if costly:
            batch = next(own.updates()).batches[0]
            found = Overhead.measured(step, name, batch, dropout_seed(0, 0, 0))
            rows, time_steps = batch["token_ids"].shape
            yield f"{' and '.join(costly)} of {name}, {rows} rows of {time_steps} tokens: {found}"
