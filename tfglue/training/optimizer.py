"""Optimizers by name, with the published choice of which weights decay."""

from collections.abc import Callable, Mapping
from functools import partial

import keras
from keras import ops

from tfglue.registry import Registry


@keras.saving.register_keras_serializable(package="tfglue")
class Adam(keras.optimizers.Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), with or without correction.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
    w = w - lr (m' / (sqrt(v') + epsilon) + decay w)

    where m' = m / (1 - b1^t) and v' = v / (1 - b2^t), as in the paper and in PyTorch.
    `keras.optimizers.AdamW` adds epsilon before it corrects v, so its epsilon is 30 times larger at
    the first update, and BERT's gradients are small enough to feel that. Without correction, m' = m
    and v' = v: the optimizer of Google's BERT code.

    Args:
        learning_rate: rate or schedule.
        bias_correction: whether m and v are corrected.
        beta_1, beta_2: decay rates of the two averages.
        epsilon: added to the root.
        name, options: as in `keras.optimizers.Optimizer`, ``weight_decay`` among them.
    """

    def __init__(
        self,
        learning_rate=1e-3,
        bias_correction: bool = True,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        name: str = "adam",
        **options,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.bias_correction = bias_correction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._momentums = [self.add_variable_from_reference(v, "momentum") for v in variables]
        self._velocities = [self.add_variable_from_reference(v, "velocity") for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        m_correction = v_correction = 1.0
        if self.bias_correction:
            step = ops.cast(self.iterations + 1, variable.dtype)
            m_correction = 1 - ops.power(ops.cast(self.beta_1, variable.dtype), step)
            v_correction = 1 - ops.power(ops.cast(self.beta_2, variable.dtype), step)
        root = ops.sqrt(v / v_correction)
        self.assign_sub(variable, rate * (m / m_correction) / (root + self.epsilon))

    def get_config(self):
        return super().get_config() | {
            "bias_correction": self.bias_correction,
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


OPTIMIZERS: Registry[Callable[..., keras.optimizers.Optimizer]] = Registry("optimizer")
OPTIMIZERS.add("adamw", Adam)
OPTIMIZERS.add("adam_uncorrected", partial(Adam, bias_correction=False))
OPTIMIZERS.add("sgd", lambda epsilon, **options: keras.optimizers.SGD(**options))

_NOT_DECAYED = (".bias", ".gamma", ".beta")


def decays(name: str) -> bool:
    """Whether the weight of this name decays: everything but biases and LayerNorm."""
    return not name.endswith(_NOT_DECAYED)


def build_optimizer(
    name: str,
    schedule: keras.optimizers.schedules.LearningRateSchedule,
    named_weights: Mapping[str, keras.Variable],
    *,
    weight_decay: float,
    epsilon: float,
) -> keras.optimizers.Optimizer:
    """The named optimizer, built on `named_weights` (all that any task trains).

    Weights that `decays` leaves out do not decay.
    """
    optimizer = OPTIMIZERS.get(name)(
        learning_rate=schedule, weight_decay=weight_decay, epsilon=epsilon
    )
    optimizer.exclude_from_weight_decay(
        var_list=[weight for key, weight in named_weights.items() if not decays(key)]
    )
    optimizer.build(list(named_weights.values()))
    return optimizer
