"""A moving average of the weights, which is scored and kept in their place."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import keras
import numpy as np
import tensorflow as tf


class AveragedWeights:
    """average = decay average + (1 - decay) weight, after every update (MT-DNN's ``ema_opt``).

    It begins as the weights are. Training goes on from the weights themselves; there the average
    was kept, and never used.

    Args:
        weights: name -> weight that training changes.
        decay: share of the average that an update leaves.
    """

    def __init__(self, weights: Mapping[str, keras.Variable], decay: float):
        self.weights = dict(weights)
        self.decay = decay
        self.averages = {
            name: keras.Variable(weight.numpy(), trainable=False, name="average")
            for name, weight in self.weights.items()
        }
        self._on_one_device = not tf.distribute.has_strategy()

    def update(self) -> None:
        """Takes the weights as they are after an update."""
        if self._on_one_device:
            _program(self.decay)(
                [average.value for average in self.averages.values()],
                [weight.value for weight in self.weights.values()],
            )
            return
        for name, average in self.averages.items():
            average.assign(self.decay * average.value + (1 - self.decay) * self.weights[name].value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages stand in the weights' place inside."""
        kept = {name: weight.numpy() for name, weight in self.weights.items()}
        self.take_place()
        try:
            yield
        finally:
            for name, weight in self.weights.items():
                weight.assign(kept[name])

    def take_place(self) -> None:
        """Puts the averages into the weights' place for good."""
        for name, weight in self.weights.items():
            weight.assign(self.averages[name].value)

    def values(self) -> dict[str, np.ndarray]:
        """What a checkpoint holds."""
        return {name: average.numpy() for name, average in self.averages.items()}


@cache
def _program(decay: float) -> Callable[..., None]:
    """One program for all weights: XLA makes one pass over them where there were three."""

    def update(averages, weights):
        for average, weight in zip(averages, weights, strict=True):
            average.assign(decay * average + (1 - decay) * weight)

    return tf.function(update, jit_compile=True, autograph=False)
