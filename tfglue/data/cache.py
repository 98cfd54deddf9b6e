"""Token ids of a text column, computed once for a text and a tokenizer and kept on disk."""

import zipfile

import numpy as np

from tfglue.data.cache_folder import cache_folder
from tfglue.data.features import TokenColumn
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.files import atomic_file, digest_bytes

# Below this many rows tokenizing is faster than looking a file up.
_SMALLEST = 10_000


def tokenize_column(tokenizer: BertTokenizer, texts: list[str]) -> TokenColumn:
    """Token ids of every text, without special tokens; large columns come from the cache.

    The key is a digest of tokenizer and texts, so nothing stale is ever read. A file that cannot
    be read is computed again; a cache that cannot be written is done without.
    """
    if len(texts) < _SMALLEST:
        return tokenizer.tokenize_all(texts)
    path = cache_folder() / "tokens" / f"{column_key(tokenizer, texts)}.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["values"], stored["row_splits"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        pass  # Absent or damaged: compute it.
    values, row_splits = tokenizer.tokenize_all(texts)
    try:
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.savez(stream, values=values, row_splits=row_splits)
    except UserError:
        pass  # A full or read-only cache costs time, not results.
    return values, row_splits


def column_key(tokenizer: BertTokenizer, texts: list[str]) -> str:
    """Digest of all that the token ids of a column depend on."""
    return digest_bytes(
        tokenizer.digest().encode(), "\0".join(texts).encode("utf-8", "surrogatepass")
    )
