"""Tokens of a corpus, computed once for its texts and a tokenizer and kept on disk."""

import zipfile
from collections.abc import Callable

import numpy as np

from tfglue.data.aligned_tokens import AlignedTokens, align_tokens
from tfglue.data.cache_folder import cache_folder
from tfglue.data.features import TokenColumn
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import atomic_file, digest_bytes

# Below this many texts tokenizing is faster than looking a file up.
_SMALLEST = 10_000

_ALIGNED_VERSION = "aligned.v1"

Arrays = dict[str, np.ndarray]


def tokenize_column(tokenizer: BertTokenizer, texts: list[str]) -> TokenColumn:
    """Token ids of every text, without special tokens; large columns come from the cache."""

    def compute() -> Arrays:
        values, row_splits = tokenizer.tokenize_all(texts)
        return {"values": values, "row_splits": row_splits}

    stored = _cached(tokenizer, texts, "", ("values", "row_splits"), compute)
    return stored["values"], stored["row_splits"]


def tokenize_aligned(tokenizer: BertTokenizer, texts: list[str]) -> AlignedTokens:
    """Tokens of every text with their characters; large corpora come from the cache."""
    names = ("token_ids", "row_splits", "starts", "ends")
    stored = _cached(
        tokenizer, texts, _ALIGNED_VERSION, names, lambda: vars(align_tokens(tokenizer, texts))
    )
    return AlignedTokens(**stored)


def column_key(tokenizer: BertTokenizer, texts: list[str], what: str = "") -> str:
    """Digest of all that the tokens of a corpus depend on."""
    return digest_bytes(
        f"{tokenizer.digest()}{what}".encode(), "\0".join(texts).encode("utf-8", "surrogatepass")
    )


def _cached(
    tokenizer: BertTokenizer,
    texts: list[str],
    what: str,
    names: tuple[str, ...],
    compute: Callable[[], Arrays],
) -> Arrays:
    """The arrays of these names, read or computed.

    The key is a digest of tokenizer and texts, so nothing stale is ever read. A file that cannot
    be read is computed again; a cache that cannot be written is done without.
    """
    if len(texts) < _SMALLEST:
        return compute()
    path = cache_folder() / "tokens" / f"{column_key(tokenizer, texts, what)}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass  # Absent or damaged: compute it.
    arrays = compute()
    try:
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, **arrays)
    except UserError:
        pass  # A full or read-only cache costs time, not results.
    return arrays
