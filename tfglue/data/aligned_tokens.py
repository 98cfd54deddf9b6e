"""Tokens of a corpus that know which characters of their texts they stand for."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

from tfglue.data.aligned_text import align_text
from tfglue.data.tokenizer import BertTokenizer

# Halves of surrogate pairs, which UTF-8 cannot hold, and what BERT deletes like them.
_HALVES, _DELETED = re.compile("[\ud800-\udfff]"), "\ufffd"

# Texts of one call in the graph; it bounds the memory that a corpus takes.
_CHUNK = 512


@dataclass(frozen=True)
class AlignedTokens:
    """Token ids of texts, each with its place in the text as it was written.

    Args:
        token_ids: int32 (tokens,), of all texts in a row, without special tokens.
        row_splits: int64 (texts + 1,), the borders between texts.
        starts, ends: int32 (tokens,), characters ``text[start:end]`` of the token.
    """

    token_ids: np.ndarray
    row_splits: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def align_tokens(tokenizer: BertTokenizer, texts: Sequence[str]) -> AlignedTokens:
    """Tokenizes a whole corpus as `align_text` does, a part of it at a time."""
    compiled = _compiled(tokenizer)
    whole = [encodable(text) for text in texts]
    parts = [
        [array.numpy() for array in compiled(tf.constant(whole[begin : begin + _CHUNK], tf.string))]
        for begin in range(0, max(len(whole), 1), _CHUNK)
    ]
    token_ids, lengths, starts, ends = map(np.concatenate, zip(*parts, strict=True))
    row_splits = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return AlignedTokens(token_ids, row_splits, starts, ends)


def encodable(text: str) -> str:
    """The text with what UTF-8 cannot hold as characters that BERT deletes, one for one."""
    return _HALVES.sub(_DELETED, text)


@lru_cache(maxsize=2)
def _compiled(tokenizer: BertTokenizer) -> tf.types.experimental.PolymorphicFunction:
    def align(texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = align_text(tokenizer, texts)
        return found.token_ids.values, found.token_ids.row_lengths(), found.starts, found.ends

    return tf.function(align, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
