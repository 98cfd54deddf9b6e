"""Optimizers by name, with the published choice of which weights decay."""

from collections.abc import Callable, Mapping

import keras
from keras import ops

from tfglue.registry import Registry
from tfglue.training.schedule import WarmupSchedule


@keras.saving.register_keras_serializable(package="tfglue")
class AdamUncorrected(keras.optimizers.Optimizer):
    """Adam without bias correction and with decoupled decay: the optimizer of Google's BERT code.

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w = w - lr (m / (sqrt(v) + epsilon) + decay w).
    """

    def __init__(
        self, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-6, name="adam_uncorrected",
        **options,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **options)
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
        self.assign_sub(variable, rate * m / (ops.sqrt(v) + self.epsilon))

    def get_config(self):
        return super().get_config() | {
            "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon,
        }


OPTIMIZERS: Registry[Callable[..., keras.optimizers.Optimizer]] = Registry("optimizer")
OPTIMIZERS.add("adamw", keras.optimizers.AdamW)
OPTIMIZERS.add("adam_uncorrected", AdamUncorrected)
OPTIMIZERS.add("sgd", lambda learning_rate, weight_decay, epsilon: keras.optimizers.SGD(
    learning_rate, weight_decay=weight_decay
))

_NOT_DECAYED = (".bias", ".gamma", ".beta")


def decays(name: str) -> bool:
    """Whether the weight of this name decays: everything but biases and LayerNorm."""
    return not name.endswith(_NOT_DECAYED)


def build_optimizer(
    name: str,
    schedule: WarmupSchedule,
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
