"""The stream of updates of several tasks is the same wherever it is entered."""

import numpy as np
import pytest

from tests.training.small_model import small_features
from tfglue.data.batch_plan import BatchPlan
from tfglue.training.samplers import Refinement, TaskOrder, sampler
from tfglue.training.task_batches import MixedBatches, TaskBatches

ROWS = {"nli": 37, "sim": 11, "ner": 5}
REFINED = Refinement(main=1, ratio=2, main_last=False)  # 3 updates of sim, and 6 of 12 others.


def mixed(order="annealed", updates_per_epoch=9, epochs=3):
    drawn = sampler(order) if isinstance(order, str) else order
    tasks = {}
    for task, rows in ROWS.items():
        features = small_features(task, rows)
        plan = BatchPlan(features.lengths, 4, 1, 5, task, "grouped")
        tasks[task] = TaskBatches(features, plan)
    sizes = {task: (rows, tasks[task].plan.updates_per_epoch) for task, rows in ROWS.items()}
    return MixedBatches(tasks, TaskOrder(sizes, drawn, updates_per_epoch, epochs, seed=5))


def taken(batches, start, count):
    stream = batches.updates(start)
    return [next(stream) for _ in range(count)]


@pytest.mark.parametrize("order", ["annealed", "round_robin", "shuffle", REFINED])
@pytest.mark.parametrize("start", [1, 9, 13, 26])
def test_a_stream_entered_late_goes_on_as_the_whole_one(order, start):
    whole = taken(mixed(order), 0, 40)
    late = taken(mixed(order), start, 40 - start)
    for expected, found in zip(whole[start:], late, strict=True):
        assert expected.task == found.task
        assert np.array_equal(expected.batches[0]["token_ids"], found.batches[0]["token_ids"])


def test_counts_are_those_of_the_updates_that_came():
    batches = mixed()
    whole = [update.task for update in taken(batches, 0, 40)]
    for update in (0, 1, 8, 9, 10, 27, 40):
        assert batches.counts(update) == {t: whole[:update].count(t) for t in ROWS}


def rows_of(updates):
    """Task and tokens of every row."""
    return [
        (update.task, tuple(tokens[mask.astype(bool)]))
        for update in updates
        for tokens, mask in zip(
            update.batches[0]["token_ids"].numpy(), update.batches[0]["padding_mask"].numpy(),
            strict=True,
        )
    ]


def test_an_epoch_of_shuffle_is_every_row_of_every_task_once():
    size = 10 + 3 + 2
    updates = taken(mixed("shuffle", updates_per_epoch=size), 0, 2 * size)
    first, second = rows_of(updates[:size]), rows_of(updates[size:])
    everything = sorted(
        (task, tuple(features.token_ids[begin:end]))
        for task, count in ROWS.items() for features in [small_features(task, count)]
        for begin, end in zip(features.row_splits[:-1], features.row_splits[1:], strict=True)
    )
    assert sorted(first) == sorted(second) == everything and first != second


def test_with_a_ratio_no_row_comes_twice_in_an_epoch():
    updates, drawn = taken(mixed(REFINED), 0, 9 * 12), []
    for epoch in range(12):
        rows = rows_of(updates[9 * epoch : 9 * epoch + 9])
        assert len(set(rows)) == len(rows)
        assert sum(task == "sim" for task, _ in rows) == ROWS["sim"]
        drawn.append(frozenset(rows))
    assert len(set(drawn)) > 8


def test_updates_say_how_many_losses_they_have():
    for update in taken(mixed(), 0, 20):
        labels = update.batches[0]["labels"].numpy()
        expected = np.count_nonzero(labels >= 0) if update.task == "ner" else len(labels)
        assert update.loss_terms == expected
