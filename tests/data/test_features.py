"""Packing against a reference that does it row by row as the BERT paper's code describes it."""

import numpy as np
import pytest

from tfglue.data.features import pack

CLS, SEP = 101, 102


def reference_row(first, second, max_length):
    """Drops from the longer one, from the second one in a tie, until both fit."""
    first, second = list(first), None if second is None else list(second)
    if second is None:
        return [CLS, *first[: max_length - 2], SEP], min(len(first), max_length - 2) + 2
    while len(first) + len(second) > max_length - 3:
        (first if len(first) > len(second) else second).pop()
    return [CLS, *first, SEP, *second, SEP], len(first) + 2


def column(rows):
    lengths = [len(row) for row in rows]
    values = np.array([token for row in rows for token in row], np.int32)
    return values, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


@pytest.mark.parametrize("max_length", [8, 9, 16, 31, 128])
@pytest.mark.parametrize("fields", [1, 2])
def test_packing_equals_the_row_by_row_reference(max_length, fields):
    random = np.random.default_rng(max_length)
    texts = [
        [random.integers(1000, 2000, random.integers(0, 40)).tolist() for _ in range(300)]
        for _ in range(fields)
    ]
    features = pack(
        [column(rows) for rows in texts], max_length=max_length, cls_id=CLS, sep_id=SEP
    )
    truncated = 0
    for index in range(300):
        second = texts[1][index] if fields == 2 else None
        expected, first_length = reference_row(texts[0][index], second, max_length)
        start, stop = features.row_splits[index : index + 2]
        assert features.token_ids[start:stop].tolist() == expected
        assert features.first_lengths[index] == first_length
        truncated += len(expected) < sum(len(rows[index]) for rows in texts) + fields + 1
    assert features.truncated == truncated


def test_labels_and_lengths_are_kept():
    labels = np.array([1, 0], np.int32)
    features = pack(
        [column([[5, 6], []])], max_length=8, cls_id=CLS, sep_id=SEP, labels=labels
    )
    assert features.lengths.tolist() == [4, 2]
    assert features.labels is labels
    assert len(features) == 2
