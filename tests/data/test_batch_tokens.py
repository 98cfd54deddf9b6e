"""Batches cut by tokens: their size, what an epoch holds, and that every row counts alike."""

import numpy as np
import pytest

from tests.training.small_model import small_features, small_model, small_step, values
from tfglue.data.batch_plan import BatchPlan
from tfglue.errors import UserError
from tfglue.training.task_batches import TaskBatches


def plan_of(lengths, tokens, accumulate=1, seed=3):
    return BatchPlan(
        np.asarray(lengths), None, accumulate, seed, "nli", "grouped", batch_tokens=tokens
    )


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("tokens", [40, 200, 4000])
def test_no_pass_has_more_tokens_and_every_row_comes_once(tokens, accumulate):
    lengths = np.random.default_rng(1).integers(4, 40, 500)
    plan = plan_of(lengths, tokens, accumulate)
    seen = []
    for epoch in range(3):
        updates = plan.epoch(epoch)
        assert len(updates) == plan.updates_per_epoch
        passes = [rows for update in updates for rows in update]
        assert all(len(rows) * lengths[rows].max() <= tokens for rows in passes)
        assert np.array_equal(np.sort(np.concatenate(passes)), np.arange(500))
        assert all(len(update) == accumulate for update in updates[:-1])
        seen.append({tuple(sorted(rows)) for rows in passes})
    if tokens == 200:
        # Every epoch mixes anew; rows of a length that few have may meet again.
        assert len(seen[0] & seen[1]) < 0.1 * len(seen[0])


def test_little_room_is_left():
    lengths = np.random.default_rng(1).integers(10, 128, 5000)
    plan = plan_of(lengths, 4096)
    passes = [rows for update in plan.epoch(0) for rows in update]
    padded = sum(len(rows) * lengths[rows].max() for rows in passes)
    assert padded < 1.12 * lengths.sum()  # Rows of a pass are of like length.
    assert len(passes) < 1.25 * lengths.sum() / 4096


def test_an_epoch_is_a_function_of_the_seed():
    lengths = np.random.default_rng(1).integers(4, 40, 100)
    one, same, other = (plan_of(lengths, 120, seed=seed).epoch(2) for seed in (3, 3, 4))
    flat = [[rows.tolist() for update in epoch for rows in update] for epoch in (one, same, other)]
    assert flat[0] == flat[1] != flat[2]


def test_a_row_longer_than_a_pass_is_said():
    with pytest.raises(UserError, match="--batch_tokens 30: a row of nli has 31 tokens"):
        plan_of([5, 31], 30)


def test_candidates_of_a_query_are_not_cut_by_tokens():
    groups = np.array([0, 0, 1])
    with pytest.raises(UserError, match=r"--batch_tokens: nli ranks .*; use --batch_size"):
        BatchPlan(np.full(3, 9), None, 1, 0, "nli", "grouped", groups=groups, batch_tokens=40)


@pytest.mark.slow
def test_every_row_counts_alike_however_large_its_batch():
    """With SGD at a vanishing rate, an epoch moves weights by the mean gradient of all rows."""
    features = small_features()
    rate = 1e-4
    moved = []
    for plan in (plan_of(features.lengths, 60), BatchPlan(features.lengths, 37, 1, 3, "nli",
                                                        "grouped")):
        model = small_model()
        before = values(model)
        step = small_step(model, clip_norm=0, learning_rate=rate)
        updates = TaskBatches(features, plan).updates()
        for _ in range(plan.updates_per_epoch):
            update = next(updates)
            step("nli", update.batches, update.divisor, [np.zeros(2, np.int32)])
        change = {name: value - before[name] for name, value in values(model).items()}
        moved.append({n: c / plan.updates_per_epoch / rate for n, c in change.items()})
    for name in moved[0]:
        assert np.allclose(moved[0][name], moved[1][name], atol=2e-3), name
    sizes = {len(rows) for update in plan_of(features.lengths, 60).epoch(0) for rows in update}
    assert len(sizes) > 2
