"""Which updates a run does, and which of its epochs it keeps."""

import math

import numpy as np
import tensorflow as tf

from tfglue.config import BEST_BY_TASK
from tfglue.data.batch_plan import BatchPlan
from tfglue.errors import UserError
from tfglue.preparation import Prepared, PreparedTask
from tfglue.setting_values import saved_epochs
from tfglue.training.devices import needs_fixed_shapes
from tfglue.training.replicas import padding_for
from tfglue.training.samplers import Refinement, TaskOrder, sampler
from tfglue.training.task_batches import MixedBatches, TaskBatches


class RunPlan:
    """The order of a run's batches and tasks, and where it ends.

    Args:
        prepared: settings and data.

    Attributes:
        updates_per_epoch: updates that make an epoch.
        total_updates: where training ends.
        saved_epochs: epochs whose weights are kept; None for all.
        kept_weights: how many sets of weights the run keeps beside the one it ends with.
        shortfall: a line on other tasks with fewer updates than `--mix_ratio` asks for, or None.

    Raises:
        UserError: settings ask for what a task does not have, or for epochs there are not.
    """

    def __init__(self, prepared: Prepared):
        self._config = config = prepared.config
        self._tasks = prepared.tasks
        self._plans = {name: self._plan(one) for name, one in prepared.tasks.items()}
        self.shortfall: str | None = None
        self._order = self._order_of_tasks()
        self.updates_per_epoch = self._order.updates_per_epoch
        self.total_updates = max(1, round(config.epochs * self.updates_per_epoch))
        if config.max_steps is not None:
            self.total_updates = min(self.total_updates, config.max_steps)
        epochs = -(-self.total_updates // self.updates_per_epoch)
        self.saved_epochs = saved_epochs(config.save)
        if self.saved_epochs and max(self.saved_epochs) > epochs:
            raise UserError(
                f"--save: there is no epoch {max(self.saved_epochs)}; this run ends with {epochs}"
            )
        if config.save == BEST_BY_TASK:
            self.kept_weights = len(self._tasks)
        else:
            self.kept_weights = (
                1 + epochs if self.saved_epochs is None else len(self.saved_epochs)
            )

    def batches(self) -> MixedBatches:
        """The stream of updates, padded as the devices want it."""
        strategy = tf.distribute.get_strategy()
        batches = {
            name: TaskBatches(
                one.features["train"],
                self._plans[name],
                padding_for(
                    strategy.num_replicas_in_sync, one.config.batch_size, one.config.max_length,
                    needs_fixed_shapes(strategy),
                ),
            )
            for name, one in self._tasks.items()
        }
        return MixedBatches(batches, self._order)

    def _plan(self, one: PreparedTask) -> BatchPlan:
        config, train = self._config, one.features["train"]
        classes = one.kind.classes(train) if config.balance else None
        if config.balance and classes is None:
            raise UserError(f"--balance: task {one.task.name} has no classes of rows")
        if config.strategy != "none" and train.group_of_row is not None:
            raise UserError(
                f"--strategy: {one.task.name} ranks the candidates of a query, which several "
                "devices would share out among them; train it without"
            )
        return BatchPlan(
            lengths=train.lengths,
            batch_size=one.config.batch_size,
            accumulate=config.accumulate,
            seed=config.seed,
            task=one.task.name,
            batching=config.batching,
            classes=classes,
            groups=train.group_of_row,
            batch_tokens=config.batch_tokens,
        )

    def _order_of_tasks(self) -> TaskOrder:
        config, sizes = self._config, {}
        for name, plan in self._plans.items():
            rows = min(len(plan.lengths), config.task_cap or len(plan.lengths))
            sizes[name] = (rows, plan.updates_for(rows))
        per_epoch = config.steps_per_epoch or sum(updates for _, updates in sizes.values())
        if config.steps_per_task is not None:
            per_epoch = config.steps_per_task * len(sizes)
        chosen = sampler(config.sampler)
        if config.mix_ratio or config.main_task_last:
            main = list(sizes).index(config.main_task or next(iter(sizes)))
            chosen = Refinement(main, config.mix_ratio, config.main_task_last)
            updates = np.array([updates for _, updates in sizes.values()])
            per_epoch = chosen.updates(updates)
            if per_epoch == updates[main]:
                raise UserError(
                    f"--mix_ratio {config.mix_ratio:g}: no update of the others is left beside the "
                    f"{updates[main]} of {list(sizes)[main]}; give {1 / updates[main]:.3g} or more"
                )
            others = updates.sum() - updates[main]
            if config.mix_ratio and round(config.mix_ratio * updates[main]) > others:
                self.shortfall = (
                    f"--mix_ratio {config.mix_ratio:g}: the other tasks have {others} updates for "
                    f"the {updates[main]} of {list(sizes)[main]}; an epoch takes them all"
                )
        epochs = min(config.epochs, (config.max_steps or math.inf) / per_epoch)
        return TaskOrder(sizes, chosen, per_epoch, math.ceil(epochs), config.seed)
