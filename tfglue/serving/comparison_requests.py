"""Requests whose answers are compared with the run's: examples of its tasks, in every form."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np

from tfglue.data.examples import Examples
from tfglue.data.subset import whole_units
from tfglue.serving.facts import ExportFacts
from tfglue.serving.served_task import ServedTask
from tfglue.serving.warmup import serialized

_FEW = 8
_SIZES = (1, 3, 32)


@dataclass(frozen=True)
class ComparisonRequests:
    """Requests to one signature, and whose answers come back.

    Args:
        signature: what is asked.
        requests: the inputs of each request.
        rows: task name -> its examples, and their rows in the joined answers.
    """

    signature: str
    requests: list[Mapping[str, np.ndarray]]
    rows: Mapping[str, tuple[Examples, np.ndarray]]


def comparison_requests(
    facts: ExportFacts, examples: Mapping[str, Examples]
) -> Iterator[ComparisonRequests]:
    """Requests to all signatures that take text.

    All examples as they are, in batches of several sizes; a few of them as `tf.train.Example`, and
    a few of each task in one mixed batch.

    Args:
        facts: the export's.
        examples: some of each task.
    """
    for name, signature in facts.signatures.items():
        form, task = signature["form"], signature["task"]
        if form == "mixed":
            yield _mixed(name, facts.tasks, examples)
        elif form != "token_ids":
            served, own = facts.tasks[task], examples[task]
            if form == "strings":
                parts = list(_parts(own))
                requests = [served.request(own.take(rows)) for rows in parts]
                places = np.argsort(np.concatenate(parts)) if parts else np.arange(0)
            else:
                own = own.take(np.arange(min(_FEW, len(own))))
                requests = [{"examples": serialized(served.request(own))}]
                places = np.arange(len(own))
            yield ComparisonRequests(name, requests, {task: (own, places)})


def _parts(examples: Examples) -> Iterator[np.ndarray]:
    yield from whole_units(examples.units, chain(_SIZES, repeat(_SIZES[-1])))


def _mixed(
    name: str, tasks: Mapping[str, ServedTask], examples: Mapping[str, Examples]
) -> ComparisonRequests:
    """The tasks take turns row by row."""
    rows, found = [], {}
    for task, served in tasks.items():
        own = examples[task]
        fit = [row for row in range(len(own)) if served.as_texts(own, row) is not None][:_FEW]
        found[task] = own.take(np.array(fit, np.int64))
        rows += [(turn, task, *served.as_texts(own, row)) for turn, row in enumerate(fit)]
    rows.sort(key=lambda row: row[0])  # Stable, so that tasks keep their order within a turn.
    inputs = {
        key: np.array([row[place].encode() for row in rows], object)
        for place, key in enumerate(("task", "text_a", "text_b"), start=1)
    }
    places = {task: [n for n, row in enumerate(rows) if row[1] == task] for task in tasks}
    return ComparisonRequests(
        name, [inputs],
        {task: (own, np.array(places[task], np.int64)) for task, own in found.items()},
    )
