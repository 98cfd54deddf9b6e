"""Sentences of words as rows, made in the graph."""

from dataclasses import dataclass

import tensorflow as tf

from tfglue.data.tokenizer import BertTokenizer
from tfglue.serving.row_windows import RowWindows
from tfglue.serving.token_rows import TokenRows, with_special_tokens

_NO_WORD = -1


@dataclass(frozen=True)
class SentenceRows:
    """`tfglue.data.tag_features.TagFeatures` inside the graph.

    Args:
        rows: the windows, those of one sentence side by side.
        words: strings (sentences, (words)).
        word_of_token: int64 (tokens,), the number of the word that a token answers for, -1 for all
            others; every word is answered for once.
    """

    rows: TokenRows
    words: tf.RaggedTensor
    word_of_token: tf.Tensor

    def of_words(self, of_tokens: tf.Tensor) -> tf.Tensor:
        """Values (words, ...) from those of all tokens (tokens, ...)."""
        token = tf.where(self.word_of_token >= 0)[:, 0]
        order = tf.argsort(tf.gather(self.word_of_token, token))
        return tf.gather(of_tokens, tf.gather(token, order))


def sentence_rows(
    tokenizer: BertTokenizer, max_length: int, words: tf.RaggedTensor
) -> SentenceRows:
    """Packs sentences as `tfglue.data.tag_features.tag_features` does.

    Args:
        tokenizer: the encoder's.
        max_length: tokens of a row at most.
        words: valid UTF-8 (sentences, (words)).
    """
    distinct, code = tf.unique(words.values)
    pieces = tokenizer.tokenize(distinct)
    # A word of which nothing is left is unknown.
    nothing = tf.fill([pieces.nrows(), 1], tf.constant(tokenizer.unk_id, tf.int32))
    nothing = tf.ragged.boolean_mask(nothing, pieces.row_lengths()[:, None] == 0)
    pieces = tf.gather(tf.concat([pieces, nothing], axis=1), code)

    first_token = words.row_splits
    splits = tf.gather(pieces.row_splits, first_token)
    lengths = splits[1:] - splits[:-1]
    room = tf.fill(tf.shape(lengths), tf.constant(max_length - 2, tf.int64))
    windows = RowWindows.cut(lengths, room, max(1, (max_length - 2) // 2))
    first = tf.gather(splits, windows.sequence) + windows.starts
    shown = tf.ragged.range(first, first + windows.lengths)
    rows = with_special_tokens(
        [tf.gather(pieces.values, shown)], tokenizer.cls_id, tokenizer.sep_id
    )
    word = tf.gather(pieces.value_rowids(), shown.values)
    answers = (tf.gather(pieces.row_starts(), word) == shown.values)
    answers &= windows.most_context(lengths)
    special = tf.fill([shown.nrows(), 1], tf.constant(_NO_WORD, tf.int64))
    word = shown.with_values(tf.where(answers, word, _NO_WORD))
    return SentenceRows(rows, words, tf.concat([special, word, special], axis=1).values)
