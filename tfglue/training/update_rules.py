"""The arithmetic of optimizers: what one update makes of a weight."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from keras import ops


@dataclass(frozen=True)
class UpdateRule:
    """A rule is a value, equal to others with the same settings, and holds no weights."""

    slots: ClassVar[tuple[str, ...]] = ()
    """Names of what is remembered of every weight from one update to the next."""

    @abstractmethod
    def __call__(
        self, gradient: Any, slots: Sequence[Any], rate: Any, step: Any
    ) -> tuple[Any, list[Any]]:
        """One update.

        Args:
            gradient: of the weight, in its shape and dtype.
            slots: what is remembered, each in the weight's shape, zeros at first.
            rate: learning rate, scalar.
            step: which update this is, from 1, scalar float.

        Returns:
            What is taken away from the weight, and the new slots.
        """


@dataclass(frozen=True)
class AdamRule(UpdateRule):
    """Adam (Kingma and Ba 2015, algorithm 1), with or without its correction.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w = w - lr m' / (sqrt(v') + epsilon)

    where m' = m / (1 - b1^t) and v' = v / (1 - b2^t), as in the paper and in PyTorch.
    `keras.optimizers.AdamW` adds epsilon before it corrects v, so its epsilon is 30 times larger at
    the first update, and BERT's gradients are small enough to feel that. Without correction, m' = m
    and v' = v: the optimizer of Google's BERT code.

    Args:
        bias_correction: whether m and v are corrected.
        beta_1, beta_2: decay rates of the two averages.
        epsilon: added to the root.
    """

    bias_correction: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6

    slots = ("momentum", "velocity")

    def __call__(self, gradient, slots, rate, step):
        m, v = slots
        m = self.beta_1 * m + (1 - self.beta_1) * gradient
        v = self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient)
        m_correction = v_correction = 1.0
        if self.bias_correction:
            m_correction = 1 - ops.power(ops.cast(self.beta_1, gradient.dtype), step)
            v_correction = 1 - ops.power(ops.cast(self.beta_2, gradient.dtype), step)
        root = ops.sqrt(v / v_correction)
        return rate * (m / m_correction) / (root + self.epsilon), [m, v]


@dataclass(frozen=True)
class GradientDescentRule(UpdateRule):
    """w = w - lr g."""

    def __call__(self, gradient, slots, rate, step):
        return rate * gradient, []


RULES = {"adam": AdamRule, "gradient_descent": GradientDescentRule}
"""By the name that a saved optimizer gives its rule."""
