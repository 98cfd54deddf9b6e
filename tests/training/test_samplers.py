"""Sampling of tasks against the numbers of the PALs paper and its code."""

import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.training.samplers import (
    Refinement,
    TaskOrder,
    annealed_exponent,
    probabilities,
    sampler,
)

# Batches of 32 in 25 epochs of GLUE's training sets, as the published code has them.
SIZES = {
    "cola": 6680, "mrpc": 2865, "mnli": 306798, "rte": 1945, "stsb": 4491, "sst": 52616,
    "qqp": 284257, "qnli": 84715,
}
PUBLISHED = {
    1.0: dict(mnli=0.412, qqp=0.382, qnli=0.114, sst=0.071, cola=0.009, stsb=0.006, mrpc=0.0038,
              rte=0.0026),
    0.5: dict(mnli=0.299, qqp=0.288, qnli=0.157, sst=0.124, cola=0.044, stsb=0.036, mrpc=0.029,
              rte=0.024),
    0.2: dict(mnli=0.196, qqp=0.193, qnli=0.151, sst=0.138, cola=0.091, stsb=0.084, mrpc=0.077,
              rte=0.071),
}


@pytest.mark.parametrize("exponent", PUBLISHED)
def test_probabilities_are_the_published_ones(exponent):
    found = dict(zip(SIZES, probabilities(np.array(list(SIZES.values())), exponent), strict=True))
    for task, expected in PUBLISHED[exponent].items():
        assert found[task] == pytest.approx(expected, abs=1e-3)
    assert sum(found.values()) == pytest.approx(1)


def test_the_exponent_falls_from_1_to_a_fifth_in_equal_steps():
    path = [annealed_exponent(epoch, 25) for epoch in range(25)]
    assert path[0] == 1 and path[-1] == pytest.approx(0.2)
    assert np.allclose(np.diff(path), -0.8 / 24)
    assert annealed_exponent(0, 1) == 1


def order(name, updates=2400, epochs=3, sizes=SIZES):
    return TaskOrder(
        {task: (size, -(-size // 32)) for task, size in sizes.items()}, sampler(name), updates,
        epochs, seed=1,
    )


@pytest.mark.parametrize(
    ("name", "exponents"),
    [("proportional", (1, 1, 1)), ("sqrt", (0.5, 0.5, 0.5)), ("uniform", (0, 0, 0)),
     ("annealed", (1, 0.6, 0.2)), ("temperature:5", (0.2, 0.2, 0.2))],
)
def test_counts_are_within_chance_of_the_probabilities(name, exponents):
    for epoch, exponent in enumerate(exponents):
        counts = np.bincount(order(name).epoch(epoch), minlength=8)
        chances = probabilities(np.array(list(SIZES.values())), exponent)
        deviation = np.sqrt(2400 * chances * (1 - chances))
        assert np.all(np.abs(counts - 2400 * chances) < 4.5 * deviation + 1)


def test_round_robin_rotates_through_all_tasks_and_goes_on_over_epochs():
    drawn = np.concatenate([order("round_robin", updates=11).epoch(e) for e in range(4)])
    assert drawn.tolist() == [number % 8 for number in range(44)]


def test_shuffle_is_every_update_of_every_task_once():
    small = {"a": 100, "b": 33, "c": 1}
    made = order("shuffle", updates=7, sizes=small)
    assert np.bincount(made.epoch(0)).tolist() == [4, 2, 1]
    assert made.epoch(0).tolist() != made.epoch(1).tolist() or (
        made.epoch(0).tolist() != made.epoch(2).tolist()
    )
    long = order("shuffle", updates=17, sizes=small).epoch(0)
    assert np.bincount(long[:14]).tolist() == [8, 4, 2] and len(long) == 17


def test_the_order_is_a_function_of_seed_and_epoch():
    assert np.array_equal(order("annealed").epoch(2), order("annealed").epoch(2))
    assert not np.array_equal(order("annealed").epoch(1), order("annealed").epoch(2))


@pytest.mark.parametrize(
    ("text", "message"),
    [("anealed", "did you mean 'annealed'"), ("temperature", "temperature:t"),
     ("temperature:-1", "positive"), ("temperature:nan", "positive"), ("sqrt:2", "takes no value")],
)
def test_wrong_samplers_are_said(text, message):
    with pytest.raises(UserError, match=message):
        sampler(text)


UPDATES = np.array([5, 9, 3, 40])


def refined(ratio=None, last=False, main=1, epochs=4):
    made = Refinement(main, ratio, last)
    sizes = {str(place): (32 * count, int(count)) for place, count in enumerate(UPDATES)}
    order = TaskOrder(sizes, made, made.updates(UPDATES), epochs, seed=2)
    return [order.epoch(epoch) for epoch in range(epochs)]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("ratio", "others"), [(None, 48), (0.5, 4), (2, 18), (100, 48), (0.01, 0)])
def test_every_epoch_has_the_main_task_once_and_so_many_of_the_others(ratio, others, last):
    epochs = refined(ratio, last)
    for epoch in epochs:
        counts = np.bincount(epoch, minlength=4)
        assert counts[1] == 9 and counts.sum() == 9 + others
        assert np.all(counts <= UPDATES)
        assert (epoch[-9:] == 1).all() if last else others in (0, 4) or not (epoch[-9:] == 1).all()
    if others:
        assert len({tuple(epoch) for epoch in refined(ratio, last, epochs=40)}) > 5
        # Drawn in proportion to size, anew in every epoch.
        if others < 48:
            longer = refined(ratio, last, epochs=40)
            drawn = [np.bincount(epoch, minlength=4).tolist() for epoch in longer]
            assert len({tuple(counts) for counts in drawn}) > 1
            shares = np.sum(drawn, axis=0)[[0, 2, 3]] / (40 * others)
            assert np.allclose(shares, np.array([5, 3, 40]) / 48, atol=0.09)


def test_without_a_ratio_an_epoch_is_the_multiset_of_all_batches():
    for epoch in refined():
        assert np.bincount(epoch).tolist() == UPDATES.tolist()
