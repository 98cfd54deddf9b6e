"""Every token's characters, on odd texts and on real ones."""

import json
import unicodedata

import numpy as np
import pytest

from tfglue.data.aligned_tokens import align_tokens
from tfglue.data.tokenizer import BertTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS),
         "naive", "cafe", "##fe", "日", "本", "!", ",", "(", ")", "##ᅡ", "ᄒ", "##ᆫ"]

ODD_TEXTS = {
    "accents": ("a naïve café!", ["a", "naïve", "café", "!"]),
    "marks of their own": ("cafe\u0301, x", ["cafe\u0301", ",", "x"]),
    "several marks": ("e\u0323\u0301a", ["e\u0323\u0301", "a"]),
    "Chinese without blanks": ("日本a日", ["日", "本", "a", "日"]),
    "Hangul": ("한a", ["한", "한", "한", "a"]),
    "emoji are unknown": ("a 👩‍👩‍👧 b", ["a", "👩‍👩‍👧", "b"]),
    "odd white space": ("\u3000a\u00a0\t\r\n b\u2028 ", ["a", "b"]),
    "invisible characters": ("a\u200bb \u200bc\u00ad", ["a\u200b", "b", "c\u00ad"]),
    "nothing but marks": ("\u0301 \u200b", []),
    "capitals": ("CAFE", ["CAFE"]),
    "no text": ("", []),
    "lone surrogates": ("a\ud800b", ["a\ud800", "b"]),
    "special tokens are text": ("[SEP]", ["[", "S", "E", "P", "]"]),
    "too long a word": ("q" * 101 + " a", ["q" * 101, "a"]),
}


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(WORDS, lower_case=True)


def pieces(aligned, texts):
    for row, text in enumerate(texts):
        begin, end = aligned.row_splits[row : row + 2]
        yield [text[aligned.starts[t] : aligned.ends[t]] for t in range(begin, end)]


def test_odd_texts_all_at_once(tokenizer):
    texts = [text for text, _ in ODD_TEXTS.values()]
    found = pieces(align_tokens(tokenizer, texts), texts)
    for (name, (_, expected)), piece in zip(ODD_TEXTS.items(), found, strict=True):
        assert piece == expected, name


def test_ids_are_those_of_the_tokenizer(tokenizer):
    texts = [text for text, _ in ODD_TEXTS.values()]
    aligned = align_tokens(tokenizer, texts)
    token_ids, row_splits = tokenizer.tokenize_all(texts)
    assert np.array_equal(aligned.token_ids, token_ids)
    assert np.array_equal(aligned.row_splits, row_splits)


def test_without_texts_there_are_no_tokens(tokenizer):
    aligned = align_tokens(tokenizer, [])
    assert len(aligned.token_ids) == 0 and aligned.row_splits.tolist() == [0]


@pytest.mark.parametrize("name", ["uncased", "cased"])
def test_on_real_passages_tokens_spell_what_they_stand_for(shared_data, name):
    tokenizer = BertTokenizer.from_file(shared_data / f"vocab/bert-base-{name}-vocab.txt")
    texts = [
        paragraph["context"]
        for split in ("train", "dev")
        for article in json.loads((shared_data / f"squad/{split}-v2.0.json").read_text())["data"]
        for paragraph in article["paragraphs"]
    ]
    aligned = align_tokens(tokenizer, texts)
    token_ids, row_splits = tokenizer.tokenize_all(texts)
    assert np.array_equal(aligned.token_ids, token_ids)
    assert np.array_equal(aligned.row_splits, row_splits)
    for row, found in enumerate(pieces(aligned, texts)):
        tokens = tokenizer.ids_to_tokens(token_ids[row_splits[row] : row_splits[row + 1]])
        for token, piece in zip(tokens, found, strict=True):
            if token == "[UNK]":
                continue
            expected = normalised(piece, tokenizer.lower_case)
            if "HANGUL" in unicodedata.name(piece[0], ""):
                # One written syllable becomes several letters, which may be tokens of their own.
                assert token.removeprefix("##") in expected
            else:
                assert token.removeprefix("##") == expected


def normalised(text, lower_case):
    """The normalisation of BERT's paper, by Python's own tables."""
    kept = "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf"))
    if not lower_case:
        return kept
    letters = unicodedata.normalize("NFD", kept.lower())
    return "".join(c for c in letters if unicodedata.category(c) != "Mn")
