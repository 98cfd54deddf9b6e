"""Rows made in the graph are those that training makes, token by token."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.small_runs import TOKENIZER
from tfglue.data.batches import padded_batch
from tfglue.data.features import Features, pack
from tfglue.data.questions import Questions
from tfglue.data.span_features import SpanWindowing, span_features
from tfglue.data.tag_features import tag_features
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.windows import cut_windows
from tfglue.serving.question_rows import question_rows
from tfglue.serving.row_windows import RowWindows
from tfglue.serving.sentence_rows import sentence_rows
from tfglue.serving.token_rows import TokenRows, pack_rows


def same_rows(rows: TokenRows, features: Features) -> bool:
    return all(
        np.array_equal(getattr(rows, name), getattr(features, name))
        for name in ("token_ids", "row_splits", "first_lengths", "lengths")
    )


def texts(random, count: int, most: int) -> list[str]:
    """Words that are in the vocabulary, that are not, and that are nothing after normalisation."""
    words = ["the", "town", "naïve", "日本", "\u200b", "Film-ing", "who?", "☃", "q" * 120]
    return [" ".join(random.choice(words, random.integers(0, most))) for _ in range(count)]


@pytest.mark.parametrize("columns", [1, 2])
def test_packed_texts(columns):
    random = np.random.default_rng(columns)
    both = [texts(random, 60, 20) for _ in range(columns)]
    special = dict(max_length=17, cls_id=TOKENIZER.cls_id, sep_id=TOKENIZER.sep_id)
    features = pack([TOKENIZER.tokenize_all(column) for column in both], **special)
    rows = pack_rows([TOKENIZER.tokenize(column) for column in both], **special)
    assert same_rows(rows, features) and features.truncated > 10
    for chosen in ([3, 50, 7], [0], list(range(60))):
        longest = features.lengths[chosen].max()
        batch = rows.padded(tf.constant(chosen, tf.int32), tf.constant(longest, tf.int32))
        expected = padded_batch(features, np.array(chosen))
        assert batch.keys() == expected.keys()
        assert all(np.array_equal(batch[name], expected[name]) for name in batch)


@pytest.mark.parametrize("seed", range(20))
def test_windows(seed):
    random = np.random.default_rng(seed)
    count = random.integers(0, 8)
    lengths, room = random.integers(0, 50, count), random.integers(1, 12, count)
    stride = int(random.integers(1, 9))
    expected = cut_windows(lengths, room, stride)
    lengths = tf.constant(lengths, tf.int64)
    found = RowWindows.cut(lengths, tf.constant(room, tf.int64), stride)
    for name in ("sequence", "starts", "lengths"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert np.array_equal(found.places().values, expected.places()[1])
    assert np.array_equal(found.most_context(lengths), expected.most_context())


@pytest.mark.parametrize("stride", [3, 128])
def test_windows_of_questions(stride):
    random = np.random.default_rng(stride)
    contexts = list(dict.fromkeys([*texts(random, 12, 60), "", " \u200b "]))
    passages = random.integers(0, len(contexts), 30).astype(np.int32)
    asked = texts(random, 30, 12)
    questions = Questions(
        ids=list(map(str, range(30))), origin="here", texts=asked, contexts=contexts,
        context_of=passages, answers=None,
    )
    windowing = SpanWindowing(20, stride, 8, negatives=True)
    features = span_features(questions, TOKENIZER, windowing)
    found = question_rows(
        TOKENIZER, windowing, tf.constant(asked), tf.constant([contexts[p] for p in passages])
    )
    assert same_rows(found.rows, features)
    assert np.array_equal(found.question_of_row, features.example_of_row)
    for name in ("starts", "ends", "most_context"):
        assert np.array_equal(getattr(found, name), getattr(features, name)), name


def test_windows_of_sentences():
    random = np.random.default_rng(0)
    words = [text.split(" ") if text else [] for text in texts(random, 25, 30)]
    splits = np.cumsum([0, *map(len, words)]).astype(np.int64)
    flat = [word for sentence in words for word in sentence]
    sentences = TaggedSentences(
        ids=list(map(str, range(25))), origin="here", words=flat, row_splits=splits, tags=None
    )
    features = tag_features(sentences, TOKENIZER, 12)
    ragged = tf.RaggedTensor.from_row_splits(tf.constant(flat), splits)
    found = sentence_rows(TOKENIZER, 12, ragged)
    assert same_rows(found.rows, features)
    assert np.array_equal(found.word_of_token, features.word_of_token)
    tokens = np.arange(len(features.token_ids))
    order = np.argsort(features.word_of_token[features.word_of_token >= 0])
    expected = tokens[features.word_of_token >= 0][order]
    assert np.array_equal(found.of_words(tf.constant(tokens)), expected)
