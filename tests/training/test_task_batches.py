"""The stream of updates of several tasks is the same wherever it is entered."""

import numpy as np
import pytest

from tests.training.small_model import small_features
from tfglue.data.batch_plan import BatchPlan
from tfglue.training.samplers import TaskOrder, sampler
from tfglue.training.task_batches import MixedBatches, TaskBatches

ROWS = {"nli": 37, "sim": 11, "ner": 5}


def mixed(name="annealed", updates_per_epoch=9, epochs=3):
    tasks = {}
    for task, rows in ROWS.items():
        features = small_features(task, rows)
        plan = BatchPlan(features.lengths, 4, 1, 5, task, "grouped")
        tasks[task] = TaskBatches(features, plan)
    sizes = {task: (rows, tasks[task].plan.updates_per_epoch) for task, rows in ROWS.items()}
    return MixedBatches(tasks, TaskOrder(sizes, sampler(name), updates_per_epoch, epochs, seed=5))


def taken(batches, start, count):
    stream = batches.updates(start)
    return [next(stream) for _ in range(count)]


@pytest.mark.parametrize("name", ["annealed", "round_robin", "shuffle"])
@pytest.mark.parametrize("start", [1, 9, 13, 26])
def test_a_stream_entered_late_goes_on_as_the_whole_one(name, start):
    whole = taken(mixed(name), 0, 40)
    late = taken(mixed(name), start, 40 - start)
    for expected, found in zip(whole[start:], late, strict=True):
        assert expected.task == found.task
        assert np.array_equal(expected.batches[0]["token_ids"], found.batches[0]["token_ids"])


def test_counts_are_those_of_the_updates_that_came():
    batches = mixed()
    whole = [update.task for update in taken(batches, 0, 40)]
    for update in (0, 1, 8, 9, 10, 27, 40):
        assert batches.counts(update) == {t: whole[:update].count(t) for t in ROWS}


def test_an_epoch_of_shuffle_is_every_row_of_every_task_once():
    sizes = [10 + 3 + 2]
    updates = taken(mixed("shuffle", updates_per_epoch=sizes[0]), 0, sizes[0])
    rows = {task: sum(u.rows for u in updates if u.task == task) for task in ROWS}
    assert rows == ROWS


def test_updates_say_how_many_losses_they_have():
    for update in taken(mixed(), 0, 20):
        labels = update.batches[0]["labels"].numpy()
        expected = np.count_nonzero(labels >= 0) if update.task == "ner" else len(labels)
        assert update.loss_terms == expected
