"""Tokens that know which characters of the text they stand for, found in the graph."""

from dataclasses import dataclass

import tensorflow as tf

from tfglue.data.normalization import clean, fold_case, split_words
from tfglue.data.tokenizer import BertTokenizer

# What a character does to the word it stands in.
_SEPARATES, _IN_WORD, _OWN_WORD = 0, 1, 2


@dataclass(frozen=True)
class AlignedText:
    """Token ids of texts, each with its place in the text as it was written.

    Args:
        code_points: int32 (texts, (characters)).
        token_ids: int32 (texts, (tokens)), without special tokens.
        starts, ends: int32 (tokens,), characters ``text[start:end]`` of the token; marks and
            invisible characters belong to what they follow.
    """

    code_points: tf.RaggedTensor
    token_ids: tf.RaggedTensor
    starts: tf.Tensor
    ends: tf.Tensor

    def strings(self, text: tf.Tensor, start: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """Characters from `start` to before `end` of the given texts, UTF-8 (strings,)."""
        first = tf.gather(self.code_points.row_starts(), text)
        start, end = tf.cast(start, tf.int64), tf.cast(end, tf.int64)
        places = tf.ragged.range(first + start, first + end)
        return tf.strings.unicode_encode(tf.gather(self.code_points.values, places), "UTF-8")


def align_text(tokenizer: BertTokenizer, texts: tf.Tensor) -> AlignedText:
    """Tokenizes texts and finds the characters of every token; computes in a graph or outside.

    The ids are those of `BertTokenizer.tokenize`. That works on normalised text, where places are
    lost; here the written text is cut into BERT's words first, which are then tokenized each once.
    Normalisation treats every character by itself, so that a table of the characters that occur
    tells where words end, and how many normalised characters each becomes.

    Args:
        tokenizer: the encoder's.
        texts: valid UTF-8 (texts,).
    """
    code_points = tf.strings.unicode_decode(texts, "UTF-8")
    known, index = tf.unique(code_points.values)
    roles, widths = _character_roles(
        tokenizer.lower_case, tf.strings.unicode_encode(known[:, None], "UTF-8")
    )
    roles, widths = tf.gather(roles, index), tf.gather(widths, index)
    first, end = _words(code_points, roles, widths > 0)

    characters = tf.ragged.range(first, end)  # (words, (characters)), places in the flat texts.
    written = tf.strings.unicode_encode(tf.gather(code_points.values, characters), "UTF-8")
    distinct, code = tf.unique(written)
    pieces = tf.gather(tokenizer.tokenize(distinct), code)
    starts, ends = _places(tokenizer, pieces, characters, tf.gather(widths, characters.values))

    text_of_word = tf.gather(code_points.value_rowids(), first)
    counts = pieces.row_lengths()
    tokens_of_text = tf.math.unsorted_segment_sum(counts, text_of_word, code_points.nrows())
    within = first - tf.gather(code_points.row_starts(), text_of_word)
    within = tf.repeat(within, counts)
    return AlignedText(
        code_points=code_points,
        token_ids=tf.RaggedTensor.from_row_lengths(pieces.values, tokens_of_text, validate=False),
        starts=tf.cast(within + starts, tf.int32),
        ends=tf.cast(within + ends, tf.int32),
    )


def _character_roles(lower_case: bool, characters: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What normalisation does to single characters.

    Args:
        lower_case: whether the vocabulary is uncased.
        characters: strings of one character each (characters,).

    Returns:
        Role of each, int32, and how many normalised characters it becomes, int64.
    """
    texts = clean(tf.strings.join(["a", characters, "a"]))
    words = split_words(fold_case(texts) if lower_case else texts)
    lengths = words.with_values(tf.strings.length(words.values, unit="UTF8_CHAR"))
    widths = tf.cast(tf.reduce_sum(lengths, axis=1), tf.int64) - 2
    counts = words.row_lengths()
    roles = tf.where(counts == 2, _SEPARATES, tf.where(counts > 2, _OWN_WORD, _IN_WORD))
    return roles, widths


def _words(
    code_points: tf.RaggedTensor, roles: tf.Tensor, visible: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """First character and end of each of BERT's words in the flat texts, int64 (words,)."""
    text = code_points.value_rowids()
    apart = roles != _IN_WORD
    # A run of characters that belong together ends at a text's border, at a blank, and on either
    # side of a character that is a word of its own.
    begins = tf.concat([[True], (text[1:] != text[:-1]) | apart[1:] | apart[:-1]], axis=0)
    begins = begins[: tf.size(roles)]
    run = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    place = tf.range(tf.size(roles, out_type=tf.int64))
    nowhere = tf.size(roles, out_type=tf.int64)
    first_visible = tf.math.segment_min(tf.where(visible, place, nowhere), run)
    end = tf.math.segment_max(place, run) + 1
    kept = (first_visible < nowhere) & (tf.boolean_mask(roles, begins) != _SEPARATES)
    # Invisible characters before the first visible one are no part of the word.
    return tf.boolean_mask(first_visible, kept), tf.boolean_mask(end, kept)


def _places(
    tokenizer: BertTokenizer,
    pieces: tf.RaggedTensor,
    characters: tf.RaggedTensor,
    widths: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Characters of each piece within its word, int64 (pieces,); see `align_text`.

    Args:
        tokenizer: knows how long its tokens are.
        pieces: ids (words, (pieces)).
        characters: of the words (words, (characters)).
        widths: int64, how many normalised characters each of these becomes.
    """
    word = pieces.value_rowids()
    first_character = characters.row_splits
    # For each normalised character of all words in a row: the character it came from.
    origin = tf.repeat(tf.range(tf.size(widths, out_type=tf.int64)), widths)
    normalised = tf.gather(_from_zero(tf.cumsum(widths)), first_character)
    size = tf.gather(tf.constant(tokenizer.piece_lengths, tf.int64), pieces.values)
    before = _from_zero(tf.cumsum(size))
    begin = before[:-1] - tf.gather(before, tf.gather(pieces.row_starts(), word))
    # An unknown word, whose one piece says nothing of its length, is one token as a whole.
    spelled = tf.gather(before, pieces.row_splits)
    whole = tf.gather(
        spelled[1:] - spelled[:-1] != normalised[1:] - normalised[:-1], word
    )
    begin = tf.gather(normalised, word) + tf.where(whole, tf.zeros_like(begin), begin)
    limit = tf.maximum(tf.size(origin, out_type=tf.int64) - 1, 0)
    last = tf.range(tf.size(word, out_type=tf.int64)) == tf.gather(pieces.row_limits(), word) - 1
    following = tf.gather(origin, tf.minimum(begin + size, limit))
    ends = tf.where(last | whole, tf.gather(first_character, word + 1), following)
    # A piece may end within the characters that one written character became.
    own_last = tf.gather(origin, tf.clip_by_value(begin + size - 1, 0, limit)) + 1
    ends = tf.where(whole, ends, tf.maximum(ends, own_last))
    start_of_word = tf.gather(first_character, word)
    starts = tf.gather(origin, tf.minimum(begin, limit)) - start_of_word
    return tf.where(whole, tf.zeros_like(starts), starts), ends - start_of_word


def _from_zero(sums: tf.Tensor) -> tf.Tensor:
    """Running sums with a zero before them."""
    return tf.concat([tf.zeros([1], sums.dtype), sums], axis=0)
