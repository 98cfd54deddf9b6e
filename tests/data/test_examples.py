"""What identifies the rows of a split."""

from dataclasses import replace

import numpy as np
import pytest

from tfglue.data.examples import TextExamples

ROWS = TextExamples(
    ids=["0", "1", "2"],
    texts=(["red", "blue sky", ""], ["a", "b", "c\ud800"]),
    labels=np.array([1, 0, 1], np.int32),
    origin="rows.tsv",
)


def test_the_digest_is_that_of_equal_rows_wherever_they_are_from():
    same = replace(ROWS, labels=ROWS.labels.copy(), origin="elsewhere.tsv", skipped=3)
    assert ROWS.digest() == same.digest() == ROWS.digest()
    assert len(ROWS.digest()) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"ids": ["0", "1", "3"]},
        {"texts": (["red", "blue", "sky"], ["a", "b", "c\ud800"])},
        {"texts": (["a", "b", "c\ud800"], ["red", "blue sky", ""])},
        {"labels": np.array([1, 1, 1], np.int32)},
        {"labels": None},
    ],
)
def test_the_digest_differs_where_a_row_does(changes):
    assert replace(ROWS, **changes).digest() != ROWS.digest()


def test_chosen_rows_have_a_digest_of_their_own():
    whole = ROWS.digest()
    assert ROWS.take(np.array([2, 0])).digest() != whole
    assert ROWS.take(np.arange(3)).digest() == whole
