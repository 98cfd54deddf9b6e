"""Which task's batch comes next, when several are trained together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tfglue.errors import UserError
from tfglue.registry import Registry

ANNEALED_TO = 0.2
"""Exponent of the last epoch (Stickland and Murray 2019, 3.3)."""


@dataclass(frozen=True)
class TaskSizes:
    """How large the tasks are, in the order in which they were named.

    Args:
        examples: of each task, its cap applied.
        updates: that one pass over these takes.
    """

    examples: np.ndarray
    updates: np.ndarray


@dataclass(frozen=True)
class Epoch:
    """Where training stands.

    Args:
        number: from 0.
        count: epochs of the whole training, rounded up.
        updates: optimizer updates of this epoch.
        random: seeded for this epoch alone.
    """

    number: int
    count: int
    updates: int
    random: np.random.Generator


Sampler = Callable[[TaskSizes, Epoch], np.ndarray]
"""Returns the place of the task of each update of an epoch, (updates,)."""


def probabilities(examples: np.ndarray, exponent: float) -> np.ndarray:
    """Chances of tasks, proportional to ``examples ** exponent`` (Stickland and Murray 2019, 3.3).

    1 is proportional sampling, 1/2 square-root sampling, 0 gives all tasks the same chance.
    """
    logarithms = exponent * np.log(examples)
    weights = np.exp(logarithms - logarithms.max())
    return weights / weights.sum()


def annealed_exponent(epoch: int, epochs: int) -> float:
    """1 in the first epoch, `ANNEALED_TO` in the last, in equal steps; 1 where there is but one."""
    return 1 - (1 - ANNEALED_TO) * epoch / max(epochs - 1, 1)


def shuffle(sizes: TaskSizes, epoch: Epoch) -> np.ndarray:
    """All updates of all tasks in random order, begun again where an epoch is longer than that."""
    once = np.repeat(np.arange(len(sizes.updates)), sizes.updates)
    rounds = [epoch.random.permutation(once) for _ in range(-(-epoch.updates // len(once)))]
    return np.concatenate(rounds)[: epoch.updates]


@dataclass(frozen=True)
class Refinement:
    """All updates of a main task in every epoch, and as many of the others as a ratio says.

    Those of the others are drawn anew for each epoch from all batches that it has, none twice
    (MT-DNN's code, and its ``ratio`` and ``mix_opt``).

    Args:
        main: place of the main task.
        ratio: updates of the others, times those of the main task; None for all of them.
        main_last: whether the main task comes after all others, instead of among them.
    """

    main: int
    ratio: float | None
    main_last: bool

    rows_of_epoch: ClassVar[bool] = True

    def updates(self, sizes: np.ndarray) -> int:
        """Updates of an epoch.

        Args:
            sizes: updates that one pass over each task takes.
        """
        return int(sizes[self.main]) + self._others(sizes)

    def __call__(self, sizes: TaskSizes, epoch: Epoch) -> np.ndarray:
        """The place of the task of each update."""
        pool = np.repeat(np.arange(len(sizes.updates)), sizes.updates)
        others = epoch.random.permutation(pool[pool != self.main])[: self._others(sizes.updates)]
        order = np.concatenate([others, pool[pool == self.main]])
        return order if self.main_last else epoch.random.permutation(order)

    def _others(self, sizes: np.ndarray) -> int:
        every = int(sizes.sum() - sizes[self.main])
        return every if self.ratio is None else min(every, round(self.ratio * sizes[self.main]))


def round_robin(sizes: TaskSizes, epoch: Epoch) -> np.ndarray:
    """One task after the other; epochs go on where the last one stopped."""
    first = epoch.number * epoch.updates
    return (first + np.arange(epoch.updates)) % len(sizes.updates)


def _drawn(exponent: Callable[[Epoch], float]) -> Sampler:
    def sample(sizes: TaskSizes, epoch: Epoch) -> np.ndarray:
        chances = probabilities(sizes.examples, exponent(epoch))
        return epoch.random.choice(len(chances), epoch.updates, p=chances)

    return sample


SAMPLERS: Registry[Sampler] = Registry("sampler")
SAMPLERS.add("shuffle", shuffle)
SAMPLERS.add("round_robin", round_robin)
SAMPLERS.add("proportional", _drawn(lambda epoch: 1.0))
SAMPLERS.add("sqrt", _drawn(lambda epoch: 0.5))
SAMPLERS.add("uniform", _drawn(lambda epoch: 0.0))
SAMPLERS.add("annealed", _drawn(lambda epoch: annealed_exponent(epoch.number, epoch.count)))

_TEMPERATURE = "temperature"


def sampler(text: str) -> Sampler:
    """The sampler of a `--sampler` setting; ``temperature:t`` draws with the exponent 1/t.

    Raises:
        UserError: for an unknown name, or a temperature that is no positive number.
    """
    name, colon, value = text.partition(":")
    if name.strip().lower() != _TEMPERATURE:
        if colon:
            raise UserError(f"--sampler {text}: {name} takes no value; only {_TEMPERATURE}:t does")
        return SAMPLERS.get(name)
    try:
        temperature = float(value)
        if not 0 < temperature < float("inf"):
            raise ValueError
    except ValueError:
        raise UserError(
            f"--sampler {text}: expected {_TEMPERATURE}:t with a positive number t"
        ) from None
    return _drawn(lambda epoch: 1 / temperature)


@dataclass(frozen=True)
class TaskOrder:
    """The order of tasks over a whole training, a function of the seed.

    Args:
        sizes: by task.
        sampler: draws an epoch.
        updates_per_epoch: optimizer updates that make an epoch.
        epochs: of the whole training, rounded up.
        seed: seed of the run.
    """

    sizes: Mapping[str, tuple[int, int]]
    sampler: Sampler
    updates_per_epoch: int
    epochs: int
    seed: int

    @property
    def rows_of_epoch(self) -> bool:
        """Whether each epoch begins with its own rows, or tasks go on where they were."""
        return getattr(self.sampler, "rows_of_epoch", False)

    def epoch(self, number: int) -> np.ndarray:
        """Places of the tasks of an epoch's updates, (updates_per_epoch,)."""
        examples, updates = np.array(list(self.sizes.values())).T
        # The word keeps this stream apart from those that order rows.
        random = np.random.default_rng([self.seed, number, 0x7A5C])
        epoch = Epoch(number, self.epochs, self.updates_per_epoch, random)
        return self.sampler(TaskSizes(examples, updates), epoch)
