"""Candidates of queries, each example one pair, before any tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfglue.data.examples import TextExamples
from tfglue.errors import UserError

RIGHT = 0
"""The label of the right candidate: of a task that ranks, the first."""


@dataclass(frozen=True, kw_only=True)
class RankedExamples(TextExamples):
    """Pairs of a query and one of its candidates.

    Args:
        ids, origin, skipped, texts, labels: as in `TextExamples`; labels are `RIGHT` or 1.
        group_of_example: int64 (examples,), the number of the group whose candidates are ranked
            against each other, from 0 in the order in which groups begin.
    """

    group_of_example: np.ndarray

    @property
    def groups(self) -> np.ndarray:
        """The candidates of a query stay together when data are split."""
        return self.group_of_example

    @property
    def units(self) -> np.ndarray:
        """The candidates of a query stay together in subsets."""
        return self.group_of_example

    @property
    def strata(self) -> np.ndarray:
        """0 for what is ranked, which subsets take first, and 1 for the rest."""
        return (~self.complete).astype(np.int64)

    @cached_property
    def complete(self) -> np.ndarray:
        """bool (examples,): whether the group has one right candidate beside wrong ones.

        Without labels: whether it has several candidates.
        """
        several = np.bincount(self.group_of_example) > 1
        if self.labels is not None:
            several &= self.right_counts == 1
        return several[self.group_of_example]

    @property
    def right_counts(self) -> np.ndarray:
        """int64 (groups,): right candidates of each."""
        right = (self.labels == RIGHT).astype(np.int64)
        return np.bincount(self.group_of_example, weights=right).astype(np.int64)

    @property
    def coverage(self) -> str:
        """What of the examples is ranked, for people."""
        chosen = self.group_of_example[self.complete]
        what = "one right candidate beside wrong ones" if self.labelled else "several candidates"
        return (
            f"{len(chosen)} of {len(self)} pairs are in the {len(np.unique(chosen))} of "
            f"{self.group_of_example.max() + 1} groups with {what}"
        )

    def check_scored(self):
        """Raises UserError where no group has one right candidate beside wrong ones."""
        if self.labelled and not self.complete.any():
            raise UserError(
                f"{self.origin}: no query has one right candidate beside wrong ones, so there is "
                f"nothing to rank (of {len(self)} pairs)"
            )

    def take(self, rows):
        """The chosen pairs, in the order of `rows`; groups are what is left of them."""
        return ranked(super().take(rows), self.group_of_example[rows])

    def content(self) -> list[bytes]:
        """Texts, labels and groups."""
        return [*super().content(), np.asarray(self.group_of_example, np.int64).tobytes()]


def ranked(examples: TextExamples, group_of_example: Sequence[object]) -> RankedExamples:
    """Pairs in groups; equal values of `group_of_example` are one."""
    _, first, group = np.unique(group_of_example, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))
    return RankedExamples(
        ids=examples.ids, origin=examples.origin, skipped=examples.skipped, texts=examples.texts,
        labels=examples.labels, group_of_example=place[group.reshape(-1)].astype(np.int64),
    )


def grouped(examples: TextExamples, paired_lines: bool = False) -> RankedExamples:
    """Pairs of a query and a candidate in groups of one query.

    Args:
        examples: their first texts are the queries.
        paired_lines: whether two examples of one query that follow each other are a group of their
            own, as in version 1 of QNLI, where queries come back; what is left over is grouped by
            query.
    """
    queries = examples.texts[0]
    if not paired_lines:
        return ranked(examples, _numbers(queries))
    groups, row, names = [], 0, _numbers(queries)
    while row < len(queries):
        if row + 1 < len(queries) and names[row] == names[row + 1]:
            groups += [len(queries) + row] * 2
            row += 2
        else:
            groups.append(names[row])
            row += 1
    return ranked(examples, groups)


def _numbers(queries: Sequence[str]) -> list[int]:
    """For each query the row in which it is seen first."""
    seen: dict[str, int] = {}
    return [seen.setdefault(query, row) for row, query in enumerate(queries)]
