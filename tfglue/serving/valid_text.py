"""Strings as they come over the wire, made text."""

import tensorflow as tf

from tfglue.data.unicode_ranges import character_class

# What str.split() takes for white space; BERT's own list lacks a few of these.
_BLANKS = character_class(
    "0009-000D 001C-0020 0085 00A0 1680 2000-200A 2028-2029 202F 205F 3000"
)


def valid_text(strings: tf.Tensor) -> tf.Tensor:
    """Strings of any shape as valid UTF-8.

    What is no UTF-8 becomes U+FFFD, a character that BERT deletes. Valid strings stay as they are,
    so that places in characters are those of the client's text.
    """
    return tf.strings.unicode_transcode(
        strings, "UTF-8", "UTF-8", errors="replace", replacement_char=0xFFFD
    )


def split_at_blanks(texts: tf.Tensor) -> tf.RaggedTensor:
    """Words (texts, (words)) of valid texts (texts,), as Python's ``text.split()`` splits."""
    return tf.strings.split(tf.strings.regex_replace(texts, _BLANKS, " "))
