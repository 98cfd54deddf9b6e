"""A file of activations: TFRecord with an index beside it."""

import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors import SafetensorError
from safetensors.numpy import load_file

from tfglue.errors import UserError
from tfglue.files import atomic_file, write_tensors

# A record is framed by its length, two checksums of four bytes, and nothing else.
_BEFORE, _AFTER = 12, 4


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
            self._bytes = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: cannot be read ({error})") from None
        expected = int(self._starts[-1] + self._sizes[-1]) + _AFTER
        if len(self._bytes) != expected:
            raise UserError(
                f"{path}: {len(self._bytes)} bytes, expected {expected}; the shard is damaged: "
                "delete it and extract again"
            )

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._bytes)

    def read(self, row: int) -> tf.train.Example:
        """One row. Raises UserError if its bytes are not those that were written."""
        start = int(self._starts[row])
        record = self._bytes[start : start + int(self._sizes[row])].tobytes()
        if zlib.crc32(record) != self._checks[row]:
            raise UserError(
                f"{self.path}: row {row} is damaged; delete the shard and extract again"
            )
        return tf.train.Example.FromString(record)

    def verify(self) -> None:
        """Reads every row. Raises UserError for the first that is not as it was written."""
        for row in range(len(self)):
            self.read(row)
        try:
            # What frames the records is nothing to us, but other readers check it.
            read = sum(1 for _ in tf.data.TFRecordDataset(str(self.path)))
        except tf.errors.DataLossError as error:
            read = error.message
        if read != len(self):
            raise UserError(
                f"{self.path}: row borders are damaged; delete the shard and extract again"
            )
