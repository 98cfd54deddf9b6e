"""A file of activations: TFRecord with an index beside it."""

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tfglue.errors import UserError
from tfglue.files import atomic_file, write_tensors

# A record is framed by its length, two checksums of four bytes, and nothing else.
_BEFORE, _AFTER = 12, 4
_BLOCK = 2**20
"""Bytes that are read in one piece, about."""
_OPEN = 64
"""Shards that are open at once; a store may have more of them than a process may open files."""


def row_key(token_ids: np.ndarray, first_length: int) -> bytes:
    """16 bytes that the activations of a row depend on: its ids, and where its second text begins.

    What a frozen encoder makes of a row is a function of these, so a store needs to know nothing
    of subsets, windows or the order of rows.
    """
    ids = np.ascontiguousarray(token_ids, "<i4").tobytes()
    return blake2b(ids, digest_size=16, salt=int(first_length).to_bytes(8, "little")).digest()


def write_shard(path: Path, rows: Iterable[tuple[bytes, Mapping[str, tf.train.Feature]]]) -> None:
    """Writes a shard and, once it is whole, its index; each atomically, the index last.

    Args:
        path: of the ``.tfrecord`` file.
        rows: key (16 bytes) and features of each row; see `ActivationStore`.
    """
    keys, sizes, checks = [], [], []
    with atomic_file(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        for key, features in rows:
            record = tf.train.Example(
                features=tf.train.Features(feature=features)
            ).SerializeToString(deterministic=True)
            writer.write(record)
            keys.append(key)
            sizes.append(len(record))
            checks.append(zlib.crc32(record))
    sizes = np.array(sizes, np.int64)
    ends = np.cumsum(sizes + _BEFORE + _AFTER)
    index = {
        "keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16),
        "starts": ends - _AFTER - sizes,
        "sizes": sizes,
        "checks": np.array(checks, np.uint32),
    }
    write_tensors(index_of(path), index)


def index_of(path: Path) -> Path:
    """The file of the index of a shard."""
    return path.with_suffix(".index.safetensors")


class Shard:
    """A whole shard, opened for reading any row.

    Args:
        path: of the ``.tfrecord`` file.

    Attributes:
        keys: 16 bytes a row.

    Raises:
        UserError: the shard or its index is missing, cut short or damaged.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            index = load_file(index_of(path))
            keys, self._starts = index["keys"], index["starts"]
            self._sizes, self._checks = index["sizes"], index["checks"]
        except FileNotFoundError:
            raise UserError(f"{index_of(path)}: no such file; this shard is not written yet"
                            ) from None
        except (SafetensorError, KeyError, OSError) as error:
            raise UserError(f"{index_of(path)}: not the index of a shard ({error})") from None
        self.keys = [bytes(key) for key in keys]
        try:
            size = path.stat().st_size
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror})") from None
        expected = int(self._starts[-1] + self._sizes[-1]) + _AFTER
        if size != expected:
            raise UserError(
                f"{path}: {size} bytes, expected {expected}; the shard is damaged: "
                "delete it and extract again"
            )

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, row: int) -> tf.train.Example:
        """One row. Raises UserError if its bytes are not those that were written."""
        start, size = int(self._starts[row]), int(self._sizes[row])
        return self._example(row, self._bytes(start, size))

    def fetch(self, rows: Iterable[int]) -> None:
        """Has the system fetch rows that will be read next, all at once.

        Disks deliver many requests together much faster than one after the other. Where a system
        has no such call nothing happens, and reading is slower.
        """
        if hasattr(os, "posix_fadvise"):
            with self._opened() as descriptor:
                for row in rows:
                    start, size = int(self._starts[row]), int(self._sizes[row])
                    os.posix_fadvise(descriptor, start, size, os.POSIX_FADV_WILLNEED)

    def blocks(self) -> list[range]:
        """All rows, in parts that are read in one piece each."""
        number = self._starts // _BLOCK
        borders = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(self)]
        return [range(begin, end) for begin, end in pairwise(borders)]

    def read_block(self, rows: range) -> list[tf.train.Example]:
        """Rows that follow each other. Raises UserError as `read` does."""
        first, last = int(self._starts[rows[0]]), rows[-1]
        content = memoryview(
            self._bytes(first, int(self._starts[last] + self._sizes[last]) - first)
        )
        begins = (self._starts[rows.start : rows.stop] - first).tolist()
        sizes = self._sizes[rows.start : rows.stop].tolist()
        return [
            self._example(row, content[begin : begin + size])
            for row, begin, size in zip(rows, begins, sizes, strict=True)
        ]

    def _example(self, row: int, record: bytes | memoryview) -> tf.train.Example:
        if zlib.crc32(record) != self._checks[row]:
            raise self._damaged(row)
        return tf.train.Example.FromString(record)

    def verify(self) -> None:
        """Reads every row. Raises UserError for the first that is not as it was written."""
        for rows in self.blocks():
            for row, example in zip(rows, self.read_block(rows), strict=True):
                named = example.features.feature
                token_ids = np.array(named["token_ids"].int64_list.value)
                if row_key(token_ids, named["first_length"].int64_list.value[0]) != self.keys[row]:
                    raise self._damaged(row)
        try:
            # What frames the records is nothing to us, but other readers check it.
            read = sum(1 for _ in tf.data.TFRecordDataset(str(self.path)))
        except tf.errors.DataLossError as error:
            read = error.message
        if read != len(self):
            raise UserError(
                f"{self.path}: row borders are damaged; delete the shard and extract again"
            )

    def _bytes(self, start: int, size: int) -> bytes:
        with self._opened() as descriptor:
            return os.pread(descriptor, size, start)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            file = _open(self)
            yield file.descriptor
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror})") from None

    def _damaged(self, row: int) -> UserError:
        return UserError(f"{self.path}: row {row} is damaged; delete the shard and extract again")


class _File:
    """An open file, closed when the last who knows it lets go."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def __del__(self):
        os.close(self.descriptor)


@lru_cache(_OPEN)
def _open(shard: Shard) -> _File:
    return _File(os.open(shard.path, os.O_RDONLY))
