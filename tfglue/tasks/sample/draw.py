"""Seeded choices of one split."""

import random
from collections.abc import Sequence
from typing import TypeVar

from tfglue.tasks.sample.words import CONTENT

Choice = TypeVar("Choice")


class Draw:
    """Chooses words and sentence shapes of one split of one task.

    Every choice comes from `random.Random.random`, the one method whose sequence Python promises
    to keep, so the sample is the same on every version.

    Args:
        seed: any text; the same text gives the same choices.
        held_out_share: the share of content words that train never holds (0 for train).
    """

    def __init__(self, seed: str, held_out_share: float = 0.0):
        self._random = random.Random(seed)
        self._held_out_share = held_out_share

    def chance(self, share: float) -> bool:
        """True in `share` of the calls."""
        return self._random.random() < share

    def one(self, options: Sequence[Choice]) -> Choice:
        """One of the options, each as likely."""
        return options[int(self._random.random() * len(options))]

    def other(self, options: Sequence[Choice], than: Choice) -> Choice:
        """One of the options that is not `than`."""
        return self.one([option for option in options if option != than])

    def two(self, options: Sequence[Choice]) -> tuple[Choice, Choice]:
        """Two different options, in any order."""
        first = self.one(options)
        return first, self.other(options, first)

    def weighted(self, options: dict[Choice, float]) -> Choice:
        """One of the keys, as likely as its share of the values' sum."""
        point = self._random.random() * sum(options.values())
        for option, weight in options.items():
            point -= weight
            if point < 0:
                return option
        return option

    def content(self, kind: str) -> str:
        """A content word of a kind of `CONTENT` that no label hangs on."""
        words = CONTENT[kind]
        return self.one(words.held_out if self.chance(self._held_out_share) else words.seen)

    def shuffled(self, options: Sequence[Choice]) -> list[Choice]:
        """All options in a random order."""
        keyed = [(self._random.random(), place) for place in range(len(options))]
        return [options[place] for _, place in sorted(keyed)]
