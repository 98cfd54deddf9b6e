"""TextEmb against a mean taken row by row, without padding."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.training.small_model import small_features, small_model
from tfglue.data.span_features import SpanFeatures
from tfglue.transfer.text_embedding import text_embedding


def row_by_row(encoder, features):
    averages, pooled = [], []
    for row in range(len(features)):
        begin, end = features.row_splits[row : row + 2]
        segments = (np.arange(end - begin) >= features.first_lengths[row]).astype(np.int32)
        outputs = encoder({
            "token_ids": tf.constant(features.token_ids[None, begin:end]),
            "segment_ids": tf.constant(segments[None]),
        })
        averages.append(outputs["hidden_states"][-1].numpy()[0].mean(axis=0))
        pooled.append(outputs["pooled_output"].numpy()[0])
    return np.array(averages), np.array(pooled)


@pytest.fixture(scope="module")
def encoder():
    return small_model(dropout=0.5).encoder


@pytest.mark.parametrize("task", ["nli", "ner"])
def test_every_row_counts_alike(encoder, task):
    features = small_features(task, 9)
    averages, pooled = row_by_row(encoder, features)
    found = text_embedding(encoder, features)
    assert found["avg_sequence_output"].dtype == np.float32
    np.testing.assert_allclose(found["avg_sequence_output"], averages.mean(axis=0), atol=2e-6)
    np.testing.assert_allclose(found["pooled_output"], pooled.mean(axis=0), atol=2e-6)


def test_windows_of_a_question_are_averaged_first(encoder):
    plain = small_features("qa", 6)
    tokens = len(plain.token_ids)
    # Questions of three windows, none, one and two.
    features = SpanFeatures(
        token_ids=plain.token_ids, row_splits=plain.row_splits, first_lengths=plain.first_lengths,
        labels=plain.labels, question_splits=np.array([0, 3, 3, 4, 6]),
        starts=np.zeros(tokens), ends=np.zeros(tokens), most_context=np.ones(tokens, bool),
    )
    averages, _ = row_by_row(encoder, features)
    expected = np.mean([averages[:3].mean(0), averages[3], averages[4:].mean(0)], axis=0)
    found = text_embedding(encoder, features, per="question")
    np.testing.assert_allclose(found["avg_sequence_output"], expected, atol=2e-6)
    by_window = text_embedding(encoder, features)["avg_sequence_output"]
    np.testing.assert_allclose(by_window, averages.mean(axis=0), atol=2e-6)
    assert np.abs(by_window - expected).max() > 1e-3


def test_labels_are_not_looked_at(encoder):
    features = small_features("nli", 5)
    bare = text_embedding(encoder, replace(features, labels=None))
    for name, value in text_embedding(encoder, features).items():
        np.testing.assert_array_equal(bare[name], value)
