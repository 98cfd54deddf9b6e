import string

import pytest

from tfglue.data.learn_vocabulary import (
    SPECIAL_TOKENS,
    TINY_VOCABULARY,
    learn_vocabulary,
    sample_texts,
)
from tfglue.data.tokenizer import BertTokenizer

PRINTABLE = "".join(character for character in string.printable if not character.isspace())


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer.from_file(TINY_VOCABULARY)


def test_the_tiny_vocabulary_is_uncased_and_of_at_most_two_thousand_tokens(tokenizer):
    assert tokenizer.lower_case
    assert tokenizer.vocabulary[:5] == SPECIAL_TOKENS
    assert 500 <= len(tokenizer.vocabulary) <= 2000


def test_every_ascii_character_starts_and_continues_words(tokenizer):
    tokens = set(tokenizer.vocabulary)
    for character in PRINTABLE.lower():
        assert character in tokens and f"##{character}" in tokens


def test_no_latin_word_is_unknown(tokenizer):
    texts = [
        PRINTABLE,
        " ".join(PRINTABLE),
        "Zyzzyva's quixotic jazz-flavoured Übermensch ate 42.7% of the naïve café's crème brûlée",
        *("".join(PRINTABLE[start::7]) for start in range(7)),
    ]
    values, _ = tokenizer.tokenize_all(texts)
    assert tokenizer.unk_id not in values


def test_words_of_the_sample_are_mostly_whole(tokenizer):
    texts = sample_texts()
    values, _ = tokenizer.tokenize_all(texts)
    parts = sum(token.startswith("##") for token in tokenizer.ids_to_tokens(values))
    assert tokenizer.unk_id not in values
    assert parts / len(values) < 0.1


def test_the_committed_file_is_what_learning_gives(tokenizer):
    learned = learn_vocabulary(sample_texts(), size=2000)
    assert learned == list(tokenizer.vocabulary), "run python -m tfglue.data.learn_vocabulary"


def test_learning_keeps_frequent_words_whole_and_ignores_case_and_accents():
    texts = ["The kitten sat. THE KITTEN purred.", "the kittén slept"] * 5
    vocabulary = learn_vocabulary(texts, size=200)
    assert {"the", "kitten"} <= set(vocabulary)
    assert not {"The", "KITTEN", "kittén"} & set(vocabulary)
    assert vocabulary == learn_vocabulary(texts, size=200)
