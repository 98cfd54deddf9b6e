"""Optimizers by name, with the published choice of which weights decay."""

from collections.abc import Callable, Mapping
from dataclasses import asdict

import keras
from keras import ops

from tfglue.registry import Registry
from tfglue.training.update_rules import (
    RULES,
    AdamaxRule,
    AdamRule,
    GradientDescentRule,
    RectifiedAdamRule,
    UpdateRule,
)


@keras.saving.register_keras_serializable(package="tfglue")
class RuleOptimizer(keras.optimizers.Optimizer):
    """A Keras optimizer that updates by a rule.

    Weight decay is decoupled (Loshchilov and Hutter 2019): before its update a weight that decays
    is multiplied by 1 - lr decay.

    Args:
        learning_rate: rate or schedule.
        rule: the arithmetic of an update.
        name, options: as in `keras.optimizers.Optimizer`, ``weight_decay`` among them.
    """

    def __init__(self, learning_rate, rule: UpdateRule, name: str = "rule", **options):
        super().__init__(learning_rate=learning_rate, name=name, **options)
        self.rule = rule
        self._slots: list[list[keras.Variable]] = []

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._slots = [
            [self.add_variable_from_reference(variable, slot) for variable in variables]
            for slot in self.rule.slots
        ]

    def slots_of(self, weight) -> list[keras.Variable]:
        """What is remembered of a weight, in the order of the rule's `slots`."""
        index = self._get_variable_index(weight)
        return [group[index] for group in self._slots]

    def decays(self, weight) -> bool:
        """Whether the weight is made smaller at every update."""
        return bool(self.weight_decay) and self._use_weight_decay(weight)

    def update_step(self, gradient, variable, learning_rate):
        slots = self.slots_of(variable)
        rate = ops.cast(learning_rate, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        change, values = self.rule(ops.cast(gradient, variable.dtype), slots, rate, step)
        for slot, value in zip(slots, values, strict=True):
            self.assign(slot, value)
        self.assign_sub(variable, change)

    def get_config(self):
        kind = next(name for name, rule in RULES.items() if type(self.rule) is rule)
        return super().get_config() | {"rule": {"kind": kind, **asdict(self.rule)}}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        rule = dict(config["rule"])
        return super().from_config(
            {**config, "rule": RULES[rule.pop("kind")](**rule)}, custom_objects
        )


OPTIMIZERS: Registry[Callable[[float], UpdateRule]] = Registry("optimizer")
"""The rule of each, given its epsilon."""
OPTIMIZERS.add("adamw", lambda epsilon: AdamRule(epsilon=epsilon))
OPTIMIZERS.add("adam_uncorrected", lambda epsilon: AdamRule(False, epsilon=epsilon))
OPTIMIZERS.add("adamax", lambda epsilon: AdamaxRule(epsilon=epsilon))
OPTIMIZERS.add("adamax_uncorrected", lambda epsilon: AdamaxRule(False, epsilon=epsilon))
OPTIMIZERS.add("radam", lambda epsilon: RectifiedAdamRule(epsilon=epsilon))
OPTIMIZERS.add("sgd", lambda epsilon: GradientDescentRule())

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
) -> RuleOptimizer:
    """The named optimizer, built on `named_weights` (all that any task trains).

    Weights that `decays` leaves out do not decay.
    """
    optimizer = RuleOptimizer(schedule, OPTIMIZERS.get(name)(epsilon), weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(
        var_list=[weight for key, weight in named_weights.items() if not decays(key)]
    )
    optimizer.build(list(named_weights.values()))
    return optimizer
