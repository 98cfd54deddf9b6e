"""BERT's text normalisation as TensorFlow string operations, the same in training and serving.

The first two steps treat every character by itself (but for the order of several marks that stay
on one letter), so that applied to single characters they tell which character a piece came from.
"""

import tensorflow as tf
import tensorflow_text as tf_text

from tfglue.data.unicode_ranges import (
    DELETED,
    IDEOGRAPHS,
    NONSPACING_MARKS,
    PUNCTUATION,
    WHITESPACE,
    character_class,
)

_WHITESPACE = character_class(WHITESPACE)
_DELETED = character_class(DELETED)
_NONSPACING_MARKS = character_class(NONSPACING_MARKS)
_WORD_OF_ITS_OWN = character_class(PUNCTUATION, IDEOGRAPHS)


def clean(texts: tf.Tensor) -> tf.Tensor:
    """Makes every white space a blank and deletes control, format and private-use characters."""
    texts = tf.strings.regex_replace(texts, _WHITESPACE, " ")
    return tf.strings.regex_replace(texts, _DELETED, "")


def fold_case(texts: tf.Tensor) -> tf.Tensor:
    """Strips accents and lower-cases, as uncased vocabularies expect: decompose, drop marks, lower.

    Hangul stays decomposed, as in the `transformers` tokenizer. Unlike there, about a hundred
    capitals that joined Unicode since 2020 keep their case where TensorFlow's tables lack them.
    """
    texts = tf_text.normalize_utf8(texts, "NFD")
    texts = tf.strings.regex_replace(texts, _NONSPACING_MARKS, "")
    # ICU lower-cases by the machine's locale (Turkish turns I into a dotless i) and turns a sigma
    # at the end of a word into another letter; BERT does neither. So these letters come first.
    texts = tf.strings.lower(texts)
    texts = tf.strings.regex_replace(texts, "Σ", "σ")
    return tf.strings.lower(texts, encoding="utf-8")


def split_words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Splits clean texts of shape (texts,) at blanks; returns words of shape (texts, (words)).

    Every punctuation mark and every Chinese character is a word of its own.
    """
    return tf.strings.split(tf.strings.regex_replace(texts, f"({_WORD_OF_ITS_OWN})", r" \1 "))
