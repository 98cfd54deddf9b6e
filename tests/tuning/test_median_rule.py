"""The median stopping rule, by hand."""

import pytest

from tuning.median_rule import MedianRule, curve_of

# Means up to epoch 2: .5, .55, .6, .65, .7; median .6. Up to epoch 1: .4, .5, .6, .7, .8.
PEERS = [[[(1, 0.4), (2, 0.6)]], [[(1, 0.5), (2, 0.6), (3, 0.9)]], [[(1, 0.6), (2, 0.6)]],
         [[(1, 0.7), (2, 0.6)]], [[(1, 0.8), (2, 0.6)]]]  # fmt: skip


@pytest.mark.parametrize(
    ("curve", "hopeless"),
    [
        ([(1, 0.59)], True),
        ([(1, 0.6)], False),  # Strictly worse.
        ([(1, 0.1), (2, 0.59)], True),
        ([(1, 0.1), (2, 0.61)], False),  # Its best counts, not its mean.
        ([(1, 0.61), (2, 0.1)], False),
        ([(0.5, 0.1)], False),  # Nobody was scored by then.
    ],
)
def test_the_best_so_far_is_held_against_the_median_of_means(curve, hopeless):
    assert MedianRule("x", True, PEERS).hopeless(curve) == hopeless


def test_of_a_loss_less_is_better():
    rule = MedianRule("x", False, PEERS)
    assert rule.hopeless([(1, 0.61)]) and not rule.hopeless([(1, 0.6)])


def test_runs_that_ended_before_count_with_what_they_had():
    rule = MedianRule("x", True, [[[(1, 0.2)]]] * 3 + PEERS[:2])
    assert not rule.hopeless([(1, 0.3), (2, 0.3)])
    assert rule.hopeless([(1, 0.1), (2, 0.1)])


def test_fewer_than_five_others_end_nothing():
    assert not MedianRule("x", True, PEERS[:4]).hopeless([(1, 0.0)])


def test_seeds_of_a_trial_are_one_peer():
    seeds = [[(1, 0.9)]] * 5
    assert not MedianRule("x", True, [seeds]).hopeless([(1, 0.0)])
    rule = MedianRule("x", True, [seeds, *PEERS[:4]])  # Medians of .9, .4, .5, .6, .7.
    assert rule.hopeless([(1, 0.59)]) and not rule.hopeless([(1, 0.6)])


def test_curves_come_from_rows_that_hold_the_score():
    rows = [{"epoch": "0.5", "x": ""}, {"epoch": "1.0", "x": "0.25"}, {"epoch": 2, "y": 1},
            {"epoch": 3, "x": 0.5}]  # fmt: skip
    assert curve_of(rows, "x") == [(1.0, 0.25), (3.0, 0.5)]
