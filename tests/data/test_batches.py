import numpy as np
import pytest

from tfglue.data.batch_plan import BatchPlan
from tfglue.data.batches import Padding, batches_by_length, padded_batch
from tfglue.data.features import Features

LENGTHS = np.random.default_rng(0).integers(3, 60, 1003)


def plan(**changes):
    options = dict(
        lengths=LENGTHS, batch_size=16, accumulate=1, seed=7, task="rte", batching="grouped"
    )
    return BatchPlan(**(options | changes))


def features(labels=None):
    row_splits = np.concatenate([[0], np.cumsum(LENGTHS)])
    random = np.random.default_rng(1)
    return Features(
        token_ids=random.integers(1, 1000, row_splits[-1]).astype(np.int32),
        row_splits=row_splits,
        first_lengths=random.integers(2, LENGTHS + 1).astype(np.int32),
        labels=labels,
    )


def flat(updates):
    return np.concatenate([rows for update in updates for rows in update])


@pytest.mark.parametrize("batching", ["grouped", "plain"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_every_row_comes_once_an_epoch(batching, accumulate):
    made = plan(batching=batching, accumulate=accumulate)
    updates = made.epoch(2)
    assert sorted(flat(updates)) == list(range(1003))
    assert len(updates) == made.updates_per_epoch == -(-1003 // (16 * accumulate))
    assert max(len(rows) for update in updates for rows in update) == 16


def test_the_plan_is_a_function_of_seed_epoch_and_task():
    same = flat(plan().epoch(3))
    assert np.array_equal(same, flat(plan().epoch(3)))
    for other in (plan(seed=8).epoch(3), plan().epoch(4), plan(task="mrpc").epoch(3)):
        assert not np.array_equal(same, flat(other))


@pytest.mark.parametrize("batching", ["grouped", "plain"])
def test_what_comes_together_is_drawn_anew_for_every_epoch(batching):
    made = plan(batching=batching)
    one, other = ({frozenset(rows) for (rows,) in made.epoch(epoch)} for epoch in (0, 1))
    assert len(one) == len(other) == 63 and not one & other


@pytest.mark.parametrize("batching", ["grouped", "plain"])
def test_accumulation_changes_how_an_update_is_cut_but_not_its_rows(batching):
    whole = plan(batch_size=48, batching=batching).epoch(0)
    parts = plan(batch_size=16, accumulate=3, batching=batching).epoch(0)
    for left, right in zip(whole, parts, strict=True):
        assert np.array_equal(left[0], np.concatenate(right))


def test_grouping_by_length_saves_most_of_the_padding():
    def padded(updates):
        return sum(LENGTHS[rows].max() * len(rows) for update in updates for rows in update)

    assert padded(plan().epoch(0)) < 1.1 * LENGTHS.sum()
    assert padded(plan(batching="plain").epoch(0)) > 1.6 * LENGTHS.sum()


def test_batches_hold_the_rows_padded_with_masks_and_segments_as_in_numpy():
    labels = np.arange(1003, dtype=np.int32)
    made = features(labels)
    for rows in (np.array([5, 900, 3]), np.array([17]), np.array([1002])):
        batch = padded_batch(made, rows)
        width = LENGTHS[rows].max()
        tokens, segments, mask = np.zeros((3, len(rows), width), np.int32)
        for position, row in enumerate(rows):
            start, stop = made.row_splits[row : row + 2]
            tokens[position, : stop - start] = made.token_ids[start:stop]
            segments[position, made.first_lengths[row] : stop - start] = 1
            mask[position, : stop - start] = 1
        assert np.array_equal(batch["token_ids"], tokens)
        assert np.array_equal(batch["segment_ids"], segments)
        assert np.array_equal(batch["padding_mask"], mask)
        assert np.array_equal(batch["labels"], labels[rows])


def test_unlabelled_rows_give_batches_without_labels():
    assert set(padded_batch(features(), np.array([1, 2]))) == {
        "token_ids", "segment_ids", "padding_mask",
    }


def test_rows_and_width_are_rounded_up_and_what_is_added_is_masked():
    made, rows = features(np.arange(1003, dtype=np.int32)), np.array([5, 900, 3])
    exact, wide = padded_batch(made, rows), padded_batch(made, rows, Padding(4, (16, 64)))
    assert wide["token_ids"].shape == (4, 64)
    assert list(exact["row_mask"]) == [1, 1, 1] and list(wide["row_mask"]) == [1, 1, 1, 0]
    width = exact["token_ids"].shape[1]
    for name in ("token_ids", "segment_ids", "padding_mask"):
        assert np.array_equal(wide[name][:3, :width], exact[name])
        assert not np.any(wide[name][:, width:])
    assert np.all(np.sum(wide["padding_mask"], axis=1) > 0)


def test_inference_batches_hold_every_row_once_longest_first():
    batches = batches_by_length(features(), 100)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    lengths = LENGTHS[np.concatenate(batches)]
    assert np.all(np.diff(lengths) <= 0)
