"""Running a frozen encoder over splits once and keeping what it computes."""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfglue.activations.hidden_states import HiddenStates
from tfglue.activations.shard import Shard, index_of, write_shard
from tfglue.activations.store import MANIFEST, read_manifest, row_keys, write_manifest
from tfglue.activations.store_form import SHARD_MB, StoreForm
from tfglue.data.batches import batches_by_length
from tfglue.data.examples import Examples
from tfglue.data.features import Features
from tfglue.errors import UserError
from tfglue.folder_lock import locked
from tfglue.models.encoder import BertEncoder

RUN = "run"
"""Where in the store's folder the run lies that was trained for it."""

_BATCH = 64
_OVERHEAD = 160
"""Bytes a record has beside activations and tokens, about: framing, names, digests, index."""


Split = tuple[Examples, Features]
"""Examples of a split and the rows that they make."""


class Extraction:
    """What one store will hold, and writing it.

    A shard holds the rows between two borders and is computed for itself, so a shard that is
    written again is the same, bit for bit, whatever was written before.

    Args:
        encoder: frozen; it runs in float32 without dropout.
        splits: split -> its rows.
        form: what is kept of each row.
        facts: what the manifest says of encoder, run and task.
        folder: the store.
        shard_mb: about so large is a shard.
    """

    def __init__(
        self,
        encoder: BertEncoder,
        splits: Mapping[str, Split],
        form: StoreForm,
        facts: Mapping[str, Any],
        folder: Path,
        shard_mb: float = SHARD_MB,
    ):
        self.splits = dict(splits)
        self.form = form
        self.folder = Path(folder)
        self._states = HiddenStates(
            encoder, form.layers, form.tokens == "first", form.width if form.projected else None
        )
        self.borders = {
            name: _borders(rows, form, shard_mb * 1e6) for name, (_, rows) in splits.items()
        }
        self.manifest = {
            **facts,
            "form": form.to_dict(),
            "splits": {
                name: {
                    "rows": len(features),
                    "tokens": int(form.tokens_kept(features.lengths).sum()),
                    "bytes": int(form.bytes_of(features.lengths).sum()),
                    "digest": examples.digest(),
                    "shards": [
                        f"{name}-{number:05d}-of-{len(self.borders[name]) - 1:05d}.tfrecord"
                        for number in range(len(self.borders[name]) - 1)
                    ],
                }
                for name, (examples, features) in self.splits.items()
            },
        }

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return len(self._shards())

    def rows_of(self, index: int, count: int) -> int:
        """Rows of every `count`-th shard from `index` on."""
        return sum(end - begin for _, begin, end in self._shards()[index::count])

    @property
    def bytes(self) -> int:
        """Bytes the whole store takes, about."""
        return sum(int(_row_bytes(rows, self.form).sum()) for _, rows in self.splits.values())

    def seconds(self) -> float:
        """Seconds that computing all rows takes, from the rate of a few of average length."""
        splits = [features for _, features in self.splits.values()]
        tokens = sum(len(features.token_ids) for features in splits)
        features = max(splits, key=len)
        middle = np.argsort(features.lengths, kind="stable")
        rows = middle[len(middle) // 2 :][:_BATCH]
        for _ in range(2):  # The first time compiles.
            start = time.perf_counter()
            self._states(features, rows)
        return (time.perf_counter() - start) * tokens / int(features.lengths[rows].sum())

    def begin(self) -> None:
        """Writes the manifest, or finds that of the same extraction.

        Raises:
            UserError: the folder holds another store or something else, or the disk is too small.
        """
        self.check_folder()
        self.check_disk()
        if not (self.folder / MANIFEST).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_manifest(self.folder, self.manifest)

    def check_folder(self, before_training: bool = False) -> None:
        """Raises UserError if the folder holds another store or something else.

        Args:
            before_training: the encoder is still to become the one of the store.
        """
        if (self.folder / MANIFEST).is_file():
            found = read_manifest(self.folder)
            for name, value in self.manifest.items():
                trained = name == "encoder" and before_training
                # The same run may be named by another path; its weights are what counts.
                if not trained and _unnamed(found.get(name)) != _unnamed(value):
                    raise UserError(
                        f"--output {self.folder}: holds a store of another {name}; name another "
                        "folder, or repeat the command that made it"
                    )
        elif self.folder.exists() and any(
            entry.name != RUN and not entry.name.startswith(".") for entry in self.folder.iterdir()
        ):
            raise UserError(
                f"--output {self.folder}: is not empty and holds no store; name another folder"
            )

    def check_disk(self) -> int:
        """Bytes that are free. Raises UserError if the store does not fit."""
        existing = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        free = shutil.disk_usage(existing).free
        there = sum(path.stat().st_size for path in self.folder.glob("*.tfrecord"))
        if self.bytes - there > free:
            raise UserError(
                f"--output {self.folder}: the store takes {self.bytes / 1e9:.2f} GB, "
                f"{free / 1e9:.2f} GB are free; keep less (--tokens first, --layers, --dtype int8)"
            )
        return free

    def write(self, index: int, count: int, done: Callable[[int], None]) -> None:
        """Writes every `count`-th shard from `index` on that is not whole already.

        Args:
            index: of this process, from 0.
            count: of processes.
            done: told the rows of every shard, also of those that were there.
        """
        for path, begin, end in self._shards()[index::count]:
            with locked(self.folder, f".{path.stem}.lock"):
                # Half a file of a killed process; others may be writing other shards.
                for leftover in self.folder.glob(f".{path.stem}.*.tmp"):
                    shutil.rmtree(leftover)
                if not _is_whole(path):
                    split = path.name.rpartition("-of-")[0].rpartition("-")[0]
                    write_shard(path, self._rows(self.splits[split], begin, end))
            done(end - begin)

    def _shards(self) -> list[tuple[Path, int, int]]:
        """File, first row and row after the last of every shard."""
        return [
            (self.folder / name, *borders)
            for split, facts in self.manifest["splits"].items()
            for name, borders in zip(
                facts["shards"], pairwise(self.borders[split]), strict=True
            )
        ]

    def _rows(self, split: Split, begin: int, end: int) -> Iterator[tuple[bytes, dict]]:
        """Key and features of each row of a shard, in order."""
        examples, whole = split
        ids = [examples.ids[number] for number in whole.example_of_row[begin:end]]
        features = whole.rows(begin, end)
        states: list[np.ndarray | None] = [None] * len(features)
        for rows in batches_by_length(features, _BATCH):
            computed = self._states(features, rows)
            kept = self.form.tokens_kept(features.lengths[rows])
            for row, found, tokens in zip(rows, computed, kept, strict=True):
                states[row] = self.form.encode(found[:tokens])
        for row, key in enumerate(row_keys(features)):
            token_ids = features.token_ids[features.row_splits[row] : features.row_splits[row + 1]]
            named = {
                "activations": _bytes(states[row]),
                "id": _bytes(ids[row].encode("utf-8", "surrogatepass")),
                "token_ids": _numbers(token_ids),
                "first_length": _numbers(features.first_lengths[row : row + 1]),
            }
            if features.labels is not None:
                named["label"] = _label(features, row)
            yield key, named


def _unnamed(fact: Any) -> Any:
    return {k: v for k, v in fact.items() if k != "name"} if isinstance(fact, dict) else fact


def _row_bytes(features: Features, form: StoreForm) -> np.ndarray:
    return form.bytes_of(features.lengths) + 4 * features.lengths + _OVERHEAD


def _borders(features: Features, form: StoreForm, shard_bytes: float) -> list[int]:
    """Numbers of the first rows of the shards, and of the row after the last."""
    after = np.cumsum(_row_bytes(features, form))
    shards = max(1, round(after[-1] / shard_bytes))
    cuts = np.searchsorted(after, after[-1] * np.arange(1, shards) / shards)
    return list(dict.fromkeys([0, *(int(cut) + 1 for cut in cuts), len(features)]))


def _is_whole(path: Path) -> bool:
    if not index_of(path).is_file():
        return False
    try:
        Shard(path)
    except UserError:
        return False
    return True


def _bytes(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _numbers(values: np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values.tolist()))


def _label(features: Features, row: int) -> tf.train.Feature:
    if features.label_per_token:
        values = features.labels[features.row_splits[row] : features.row_splits[row + 1]]
    else:
        values = np.atleast_1d(features.labels[row])
    if values.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values.tolist()))
    return _numbers(values)
