"""Tokens that know which characters of the text they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfglue.data.normalization import clean, fold_case, split_words
from tfglue.data.tokenizer import BertTokenizer

# What a character does to the word it stands in.
_SEPARATES, _IN_WORD, _OWN_WORD = 0, 1, 2


@dataclass(frozen=True)
class AlignedTokens:
    """Token ids of texts, each with its place in the text as it was written.

    Args:
        token_ids: int32 (tokens,), of all texts in a row, without special tokens.
        row_splits: int64 (texts + 1,), the borders between texts.
        starts, ends: int32 (tokens,), characters ``text[start:end]`` of the token; marks and
            invisible characters belong to what they follow.
    """

    token_ids: np.ndarray
    row_splits: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def align_tokens(tokenizer: BertTokenizer, texts: Sequence[str]) -> AlignedTokens:
    """Tokenizes texts and finds the characters of every token.

    The ids are those of `BertTokenizer.tokenize`. That works on normalised text, where places are
    lost; here the written text is cut into BERT's words first, which are then tokenized each once.
    Normalisation treats every character by itself, so that a table of the characters that occur
    tells where words end, and how many normalised characters each becomes.
    """
    characters = _Characters(tokenizer, texts)
    starts, ends = characters.words()
    flat = "".join(texts)
    codes: dict[str, int] = {}
    borders = zip(starts.tolist(), ends.tolist(), strict=True)
    written = (flat[start:end] for start, end in borders)
    code_of = np.fromiter((codes.setdefault(w, len(codes)) for w in written), np.int64, len(starts))
    pieces = _WordPieces(tokenizer, list(codes), characters)

    counts = np.diff(pieces.row_splits)[code_of]
    word_of_token = np.repeat(np.arange(len(code_of)), counts)
    token_splits = np.concatenate([[0], np.cumsum(counts)])
    within = np.arange(token_splits[-1]) - token_splits[word_of_token]
    places = pieces.row_splits[code_of[word_of_token]] + within
    text_of_word = np.searchsorted(characters.text_splits, starts, side="right") - 1
    offset = (starts - characters.text_splits[text_of_word])[word_of_token]
    tokens_of_text = np.bincount(text_of_word[word_of_token], minlength=len(texts))
    return AlignedTokens(
        token_ids=pieces.token_ids[places],
        row_splits=np.concatenate([[0], np.cumsum(tokens_of_text)]).astype(np.int64),
        starts=(offset + pieces.starts[places]).astype(np.int32),
        ends=(offset + pieces.ends[places]).astype(np.int32),
    )


class _Characters:
    """All characters of the texts in a row, and what normalisation does to each."""

    def __init__(self, tokenizer: BertTokenizer, texts: Sequence[str]):
        lengths = [len(text) for text in texts]
        self.text_splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self._points, inverse = np.unique(_code_points("".join(texts)), return_inverse=True)
        self._roles, self._widths = _roles(tokenizer, self._points)
        self._inverse = inverse

    def words(self) -> tuple[np.ndarray, np.ndarray]:
        """First character and end of each of BERT's words, int64 (words,)."""
        roles, widths = self._roles[self._inverse], self._widths[self._inverse]
        visible = widths > 0
        # A run of characters that belong together ends at a text's border, at a blank, and on
        # either side of a character that is a word of its own.
        breaks = np.zeros(len(roles) + 1, bool)
        breaks[self.text_splits] = True
        apart = roles != _IN_WORD
        breaks[:-1] |= apart
        breaks[1:] |= apart
        borders = np.flatnonzero(breaks)
        first, end = borders[:-1], borders[1:]
        seen = np.concatenate([[0], np.cumsum(visible)])
        kept = (seen[end] > seen[first]) & (roles[first] != _SEPARATES)
        first, end = first[kept], end[kept]
        # Invisible characters before the first visible one are no part of the word.
        places = np.flatnonzero(visible)
        return places[seen[first]], end

    def widths(self, text: str) -> np.ndarray:
        """How many normalised characters each character becomes; all of them occur in the texts."""
        return self._widths[np.searchsorted(self._points, _code_points(text))]


class _WordPieces:
    """Pieces of distinct words, and their characters within the word."""

    def __init__(self, tokenizer: BertTokenizer, words: list[str], characters: _Characters):
        self.token_ids, self.row_splits = tokenizer.tokenize_all(words)
        lengths = np.array([len(word) for word in words], np.int64)
        first_character = np.concatenate([[0], np.cumsum(lengths)])
        widths = characters.widths("".join(words))
        # For each normalised character of all words in a row: the character it came from.
        origin = np.repeat(np.arange(len(widths)), widths)
        normalised = np.concatenate([[0], np.cumsum(widths)])[first_character]

        counts = np.diff(self.row_splits)
        word = np.repeat(np.arange(len(words)), counts)
        size = tokenizer.piece_lengths[self.token_ids]
        before = np.concatenate([[0], np.cumsum(size)])
        begin = before[:-1] - before[self.row_splits[word]]
        # An unknown word, whose one piece says nothing of its length, is one token as a whole.
        whole = (np.diff(before[self.row_splits]) != np.diff(normalised))[word]
        begin = np.where(whole, 0, begin)
        last_piece = np.arange(len(word)) == self.row_splits[word + 1] - 1
        begin_at = normalised[word] + begin
        limit = max(len(origin) - 1, 0)
        starts = origin[np.minimum(begin_at, limit)] if len(origin) else begin_at
        following = np.minimum(begin_at + size, limit)
        ends = np.where(last_piece | whole, first_character[word + 1], origin[following])
        # A piece may end within the characters that one written character became.
        own_last = origin[np.clip(begin_at + size - 1, 0, limit)] + 1
        ends = np.where(whole, ends, np.maximum(ends, own_last))
        self.starts = np.where(whole, 0, starts - first_character[word])
        self.ends = ends - first_character[word]


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _roles(tokenizer: BertTokenizer, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Role of each code point, and how many normalised characters it becomes."""
    roles = np.full(len(points), _IN_WORD, np.int8)
    widths = np.zeros(len(points), np.int64)
    # Halves of surrogate pairs, which UTF-8 cannot hold, are characters that BERT deletes.
    held = np.flatnonzero((points < 0xD800) | (points > 0xDFFF))
    texts = clean(tf.constant([f"a{chr(points[place])}a".encode() for place in held], tf.string))
    words = split_words(fold_case(texts) if tokenizer.lower_case else texts)
    lengths = tf.RaggedTensor.from_row_splits(
        tf.strings.length(words.values, unit="UTF8_CHAR"), words.row_splits
    )
    counts = words.row_lengths().numpy()
    widths[held] = tf.reduce_sum(lengths, axis=1).numpy() - 2
    roles[held[counts == 2]] = _SEPARATES
    roles[held[counts > 2]] = _OWN_WORD
    return roles, widths
