"""Bytes become text as Python decodes and splits them."""

import sys

import numpy as np
import tensorflow as tf

from tfglue.serving.valid_text import split_at_blanks, valid_text

ALL = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]


def test_every_character_stays_as_it_is():
    written = [character.encode() for character in ALL]
    assert valid_text(tf.constant(written)).numpy().tolist() == written


def test_other_bytes_are_replaced_as_python_replaces_them():
    random = np.random.default_rng(0)
    wild = [bytes(random.integers(0, 256, random.integers(0, 12)).tolist()) for _ in range(3000)]
    found = valid_text(tf.constant(wild)).numpy()
    assert [text.decode() for text in found] == [text.decode("utf-8", "replace") for text in wild]


def test_words_are_those_of_split():
    texts = [f" a{character}b {character}" for character in ALL]
    found = split_at_blanks(tf.constant([text.encode() for text in texts])).to_list()
    for text, words in zip(texts, found, strict=True):
        assert [word.decode() for word in words] == text.split()
