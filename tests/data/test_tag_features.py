"""Rows of tagged sentences: one token answers for each word."""

import numpy as np
import pytest

from tfglue import tasks
from tfglue.data.features import NO_LABEL
from tfglue.data.sources import open_source
from tfglue.data.tag_features import tag_features
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.tokenizer import BertTokenizer
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.tags import TagPredictions

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "##s", "the", "cat"]
TOKENIZER = BertTokenizer(WORDS, lower_case=True)


def sentences(*rows, tags=True):
    splits = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return TaggedSentences(
        ids=[str(n) for n in range(len(rows))], origin="here",
        words=[word for row in rows for word in row], row_splits=splits,
        tags=np.arange(splits[-1], dtype=np.int32) if tags else None,
    )


def rows_of(features):
    return [
        " ".join(TOKENIZER.ids_to_tokens(features.token_ids[begin:end]))
        for begin, end in zip(features.row_splits[:-1], features.row_splits[1:], strict=True)
    ]


def test_the_first_piece_of_a_word_has_its_tag():
    found = tag_features(sentences(["the", "playing", "cats"], ["plays"]), TOKENIZER, 16)
    assert rows_of(found) == ["[CLS] the play ##ing cat ##s [SEP]", "[CLS] play ##s [SEP]"]
    assert found.labels.tolist() == [-1, 0, 1, -1, 2, -1, -1, -1, 3, -1, -1]
    assert found.word_of_token.tolist() == found.labels.tolist()
    assert found.loss_terms.tolist() == [3, 1]
    assert found.first_lengths.tolist() == [7, 4]


def test_a_word_of_which_nothing_is_left_shifts_no_tags():
    found = tag_features(sentences(["the", "\u200b", "cat"]), TOKENIZER, 16)
    assert rows_of(found) == ["[CLS] the [UNK] cat [SEP]"]
    assert found.labels.tolist() == [-1, 0, 1, 2, -1]


def test_every_word_of_a_long_sentence_is_answered_for_once():
    random = np.random.default_rng(0)
    long = [str(random.choice(["the", "playing", "cats", "xyz"])) for _ in range(500)]
    found = tag_features(sentences(long, ["cat"], long[:7]), TOKENIZER, 12)
    assert found.lengths.max() == 12
    answered = found.word_of_token[found.word_of_token >= 0]
    assert sorted(answered) == list(range(508))
    for token in np.flatnonzero(found.word_of_token >= 0):
        word = [*long, "cat", *long[:7]][found.word_of_token[token]]
        piece = TOKENIZER.vocabulary[found.token_ids[token]]
        assert piece == "[UNK]" if word == "xyz" else word.startswith(piece)
    assert np.array_equal(found.labels, found.word_of_token)


def test_without_tags_there_are_no_labels():
    found = tag_features(sentences(["the", "cat"], tags=False), TOKENIZER, 16)
    assert found.labels is None and found.word_of_token.tolist() == [-1, 0, 1, -1]


def test_chosen_sentences_keep_their_words_and_tags():
    taken = sentences(["a", "b"], ["c"], ["d", "e", "f"]).take(np.array([2, 0]))
    assert [taken.sentence(row) for row in range(2)] == [["d", "e", "f"], ["a", "b"]]
    assert taken.tags.tolist() == [3, 4, 5, 0, 1] and taken.ids == ["2", "0"]


@pytest.mark.parametrize("task", ["ner", "chunk", "pos"])
@pytest.mark.parametrize(
    ("casing", "max_length"), [pytest.param("uncased", 128, marks=pytest.mark.slow), ("cased", 16)]
)
def test_every_word_of_real_files_gets_its_own_tag_back(shared_data, task, casing, max_length):
    """One-hot logits at the labelled tokens, read as predictions, are the gold tags."""
    tokenizer = BertTokenizer.from_file(shared_data / "vocab" / f"bert-base-{casing}-vocab.txt")
    source = open_source(tasks.get(task), str(shared_data))
    for split in source.splits():
        examples = source.read(split)
        features = tag_features(examples, tokenizer, max_length)
        assert features.lengths.max() <= max_length
        logits = np.zeros((len(features.token_ids), len(source.task.labels)), np.float32)
        labelled = np.flatnonzero(features.labels != NO_LABEL)
        logits[labelled, features.labels[labelled]] = 1
        found = TagPredictions(source.task, examples, features, Outputs(logits, None))
        assert len(labelled) == len(examples.words)
        assert np.array_equal(found.values, examples.tags)
