"""Windows against a reference that cuts them one by one as Google's code describes it."""

import numpy as np
import pytest

from tfglue.data.windows import cut_windows


def reference(length, room, stride):
    """(start, length) of each window."""
    found, start = [], 0
    while True:
        shown = min(length - start, room)
        found.append((start, shown))
        if start + shown == length:
            return found
        start += min(shown, stride)


@pytest.mark.parametrize("stride", [1, 3, 8, 128])
def test_cuts_are_those_of_the_reference(stride):
    random = np.random.default_rng(stride)
    lengths, room = random.integers(0, 60, 200), random.integers(1, 30, 200)
    windows = cut_windows(lengths, room, stride)
    for sequence in range(200):
        mine = windows.sequence == sequence
        found = list(zip(windows.starts[mine], windows.lengths[mine], strict=True))
        assert found == reference(lengths[sequence], room[sequence], stride)


def test_every_token_is_best_in_the_window_of_most_context():
    random = np.random.default_rng(0)
    lengths = random.integers(0, 60, 100)
    windows = cut_windows(lengths, random.integers(2, 30, 100), 7)
    window, place = windows.places()
    best = {}
    for index, (w, p) in enumerate(zip(window, place, strict=True)):
        left = p - windows.starts[w]
        right = windows.lengths[w] - left - 1
        score = min(left, right) + 0.01 * windows.lengths[w]
        key = (windows.sequence[w], p)
        if key not in best or score > best[key][0]:
            best[key] = (score, index)
    assert sorted(index for _, index in best.values()) == np.flatnonzero(
        windows.most_context()
    ).tolist()
    assert len(best) == lengths.sum()
