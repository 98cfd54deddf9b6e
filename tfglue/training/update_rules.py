"""The arithmetic of optimizers: what one update makes of a weight."""

import math
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
        m, v = _moments(self, gradient, slots)
        m_correction = v_correction = 1.0
        if self.bias_correction:
            m_correction = _correction(self.beta_1, step)
            v_correction = _correction(self.beta_2, step)
        root = ops.sqrt(v / v_correction)
        return rate * (m / m_correction) / (root + self.epsilon), [m, v]


@dataclass(frozen=True)
class GradientDescentRule(UpdateRule):
    """w = w - lr g."""

    def __call__(self, gradient, slots, rate, step):
        return rate * gradient, []


@dataclass(frozen=True)
class AdamaxRule(UpdateRule):
    """Adamax (Kingma and Ba 2015, algorithm 2), with or without its correction.

    m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + epsilon);  w = w - lr m / ((1 - b1^t) u)

    as in PyTorch. Without correction it is w = w - lr m / (u + epsilon): MT-DNN's first code.

    Args:
        bias_correction: whether m is corrected.
        beta_1, beta_2: decay rates of the average and of the largest gradient.
        epsilon: added to the size of a gradient.
    """

    bias_correction: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6

    slots = ("momentum", "largest")

    def __call__(self, gradient, slots, rate, step):
        m, u = slots
        m = self.beta_1 * m + (1 - self.beta_1) * gradient
        u = ops.maximum(self.beta_2 * u, ops.abs(gradient) + self.epsilon)
        if not self.bias_correction:
            return rate * m / (u + self.epsilon), [m, u]
        return rate * m / (_correction(self.beta_1, step) * u), [m, u]


@dataclass(frozen=True)
class RectifiedAdamRule(UpdateRule):
    """RAdam (Liu et al. 2020, algorithm 2), by its authors' code, which MT-DNN's second one has.

    With m and v of Adam and r_t the rectification of the variance, w = w - lr r_t m' sqrt(1 - b2^t)
    / (sqrt(v) + epsilon) as soon as the average v is of five gradients at least (the paper has
    four); before that w = w - lr m'.

    Args:
        beta_1, beta_2: decay rates of the two averages.
        epsilon: added to the root.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6

    slots = ("momentum", "velocity")

    def __call__(self, gradient, slots, rate, step):
        m, v = _moments(self, gradient, slots)
        correction = _correction(self.beta_2, step)
        longest = 2 / (1 - self.beta_2) - 1
        length = longest - 2 * step * (1 - correction) / correction
        # Below its border the root would be of a negative number, whose gradient nobody asks for.
        held = ops.maximum(length, _LEAST_LENGTH)
        rectification = ops.sqrt(
            (held - 4) * (held - 2) * longest / ((longest - 4) * (longest - 2) * held)
        )
        adaptive = rectification * ops.sqrt(correction) / (ops.sqrt(v) + self.epsilon)
        change = ops.where(length >= _LEAST_LENGTH, adaptive, ops.ones_like(v))
        return rate * m / _correction(self.beta_1, step) * change, [m, v]


_LEAST_LENGTH = 5.0


def _moments(rule: AdamRule | RectifiedAdamRule, gradient: Any, slots: Any) -> tuple[Any, Any]:
    """Adam's two averages, of the gradient and of its square, after another gradient."""
    m, v = slots
    m = rule.beta_1 * m + (1 - rule.beta_1) * gradient
    return m, rule.beta_2 * v + (1 - rule.beta_2) * ops.square(gradient)


def _correction(beta: float, step: Any) -> Any:
    """1 - beta^step, without the digits that a difference to 1 loses."""
    return -ops.expm1(step * math.log(beta))


RULES = {
    "adam": AdamRule, "adamax": AdamaxRule, "radam": RectifiedAdamRule,
    "gradient_descent": GradientDescentRule,
}
"""By the name that a saved optimizer gives its rule."""
