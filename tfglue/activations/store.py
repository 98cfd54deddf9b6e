"""A folder of activations: what it holds, and reading any rows of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tfglue.activations.shard import Shard, index_of, row_key
from tfglue.activations.store_form import DTYPES, TOKENS, StoreForm
from tfglue.data.features import Features
from tfglue.errors import UserError
from tfglue.files import read_json, write_json
from tfglue.form import check_file
from tfglue.kinds import Kind
from tfglue.models.head_config import read_head
from tfglue.tasks.task import Task

FORMAT = "tfglue.activations.v1"
MANIFEST = "manifest.json"

_FORM = {
    "format": str,
    "encoder": {"digest": str, "name": str, "num_layers": int},
    "max_length": int,
    "form": {"layers": [int], "width": int, "dtype": str, "tokens": str, "projected": bool},
    "splits": {str: {"rows": int, "tokens": int, "bytes": int, "digest": str,
                     "shards": [str]}},
}


def row_keys(features: Features) -> list[bytes]:
    """The key of each row; see `row_key`."""
    splits, ids = features.row_splits, features.token_ids
    return [
        row_key(ids[splits[row] : splits[row + 1]], features.first_lengths[row])
        for row in range(len(features))
    ]


class ActivationStore:
    """A store that was written by `tfglue.activations.extraction.Extraction`.

    Rows are found by their token ids. Every record of a shard is a ``tf.train.Example`` with
    ``activations`` (bytes, see `StoreForm`), ``token_ids``, ``first_length``, ``id`` and, where
    there are labels, ``label``.

    Args:
        folder: with ``manifest.json`` and the shards.
        skip_damaged: read every row now, and do without the shards that are not whole.

    Attributes:
        damaged: what is wrong with each shard that is left out.

    Raises:
        UserError: the folder is no store, or a file of it is missing or damaged.
    """

    def __init__(self, folder: str | Path, skip_damaged: bool = False):
        self.folder = Path(folder)
        self.damaged: list[str] = []
        self.manifest = read_manifest(self.folder)
        self.form = StoreForm.from_dict(self.manifest["form"])
        self._shards: dict[str, list[Shard]] = {}
        self._places: dict[bytes, tuple[Shard, int]] = {}
        for split, facts in self.manifest["splits"].items():
            missing = [n for n in facts["shards"] if not index_of(self.folder / n).is_file()]
            if missing:
                raise UserError(
                    f"{self.folder}: {len(missing)} of {len(facts['shards'])} shards of {split} "
                    f"are not written yet, {missing[0]} the first; run the same extraction again, "
                    "which goes on where it was"
                )
            opened = [self._open(name, skip_damaged) for name in facts["shards"]]
            self._shards[split] = [shard for shard in opened if shard is not None]
            for shard in self._shards[split]:
                for row, key in enumerate(shard.keys):
                    self._places.setdefault(key, (shard, row))

    def _open(self, name: str, skip_damaged: bool) -> Shard | None:
        try:
            shard = Shard(self.folder / name)
            if skip_damaged:
                shard.verify()
        except UserError as error:
            if not skip_damaged:
                raise
            self.damaged.append(str(error))
            return None
        return shard

    def verify(self) -> int:
        """Reads every row, and returns how many. Raises UserError for the first damaged one."""
        shards = [shard for own in self._shards.values() for shard in own]
        for shard in shards:
            shard.verify()
        return sum(map(len, shards))

    def split(self, name: str) -> "StoredSplit":
        """The named split. Raises UserError if the store does not hold it."""
        if name not in self._shards:
            raise UserError(
                f"--activations {self.folder}: holds no split '{name}', only "
                f"{', '.join(self._shards)}; extract it with --splits {name}"
            )
        return StoredSplit(self.form, self._shards[name])

    def check_encoder(self, digest: str, name: str) -> None:
        """Raises UserError unless the activations are of the encoder with this digest."""
        if self.manifest["encoder"]["digest"] != digest:
            raise UserError(
                f"--activations {self.folder}: these are of another encoder "
                f"({self.manifest['encoder']['name']}), not of {name}; extract them from it"
            )

    def joined(
        self, features: Mapping[str, Features], task: Task, kind: Kind, head: str
    ) -> dict[str, Features]:
        """Rows of a task with their hidden states.

        Args:
            features: split name -> rows.
            task: which task they are of.
            kind: its kind.
            head: what reads the states, as `read_head` reads it.

        Raises:
            UserError: rows are not in the store, or less of them than the head reads.
        """
        check_head(self.folder, self.manifest, head, task, kind)
        if self.damaged:
            features = {**features, "train": self.present(features["train"])}
        return {
            split: replace(rows, stored=self.rows_of(rows, f"{task.name} {split}"))
            for split, rows in features.items()
        }

    def present(self, features: Features) -> Features:
        """The rows that this store holds. Raises UserError if there are none."""
        held = [row for row, key in enumerate(row_keys(features)) if key in self._places]
        if not held:
            raise UserError(f"--activations {self.folder}: no row to train on is whole")
        return features if len(held) == len(features) else features.take(np.array(held))

    def rows_of(self, features: Features, what: str) -> "StoredRows":
        """The rows of `features`; `what` they are is for the message.

        Raises:
            UserError: some are not in the store.
        """
        keys = row_keys(features)
        missing = [row for row, key in enumerate(keys) if key not in self._places]
        if missing:
            raise UserError(
                f"--activations {self.folder}: {len(missing)} of {len(keys)} rows of {what} are "
                f"not in this store, row {missing[0] + 1} the first; it holds {self._held()}, cut "
                f"to --max_length {self.manifest['max_length']}; give the flags that said which "
                "rows to extract (--train_examples, --tune_split ...), or extract what is missing"
            )
        return StoredRows(self.form, [self._places[key] for key in keys])

    def _held(self) -> str:
        splits = self.manifest["splits"].items()
        rows = ", ".join(f"{facts['rows']} of {name}" for name, facts in splits)
        return f"{rows} of {self.manifest['task']}"


class StoredSplit:
    """A split of a store, row by row as it was written.

    Args:
        form: how states are kept.
        shards: of the split, in order.
    """

    def __init__(self, form: StoreForm, shards: Sequence[Shard]):
        self.form = form
        self.shards = shards

    def labelled(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """States (tokens, layers, width) and labels of every row, one or as many as tokens.

        Raises:
            UserError: a row has no label, or is damaged.
        """
        # One thread: several would mostly wait for Python's lock, which every row needs.
        for shard in self.shards:
            for example in chain.from_iterable(map(shard.read_block, shard.blocks())):
                features = example.features.feature
                if "label" not in features:
                    raise UserError(f"{shard.path}: its rows have no labels; name another split")
                label = features["label"]
                values = label.int64_list.value or label.float_list.value
                yield self.form.decode(features["activations"].bytes_list.value[0]), (
                    np.array(values)
                )


class StoredRows:
    """Rows of a store, in the order of the features they were looked up for.

    Args:
        form: how they are kept.
        places: shard and number of each row.
    """

    def __init__(self, form: StoreForm, places: Sequence[tuple[Shard, int]]):
        self.form = form
        self.places = places

    def read(self, row: int) -> np.ndarray:
        """States of one row, (tokens, layers, width). Raises UserError if it is damaged."""
        shard, number = self.places[row]
        content = shard.read(number).features.feature["activations"].bytes_list.value[0]
        return self.form.decode(content)

    def _fetch(self, rows: np.ndarray) -> None:
        by_shard: dict[Shard, list[int]] = {}
        for shard, number in (self.places[row] for row in rows):
            by_shard.setdefault(shard, []).append(number)
        for shard, numbers in by_shard.items():
            shard.fetch(numbers)

    def padded(self, rows: np.ndarray, time: int) -> np.ndarray:
        """States of several rows, zeros for padding, (rows, time, layers, width).

        Stores of the first token alone give (rows, 1, layers, width).
        """
        self._fetch(rows)
        states = [self.read(row) for row in rows]
        time = 1 if self.form.tokens == "first" else time
        batch = np.zeros((len(rows), time, *states[0].shape[1:]), states[0].dtype)
        for place, found in enumerate(states):
            batch[place, : len(found)] = found
        return batch


def read_manifest(folder: Path) -> dict[str, Any]:
    """Content of a store's manifest. Raises UserError if there is none, or it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(
            f"{folder}: no store of activations (it has no {MANIFEST}); expected one made by "
            "python -m data_prep.activations"
        )
    manifest = read_json(path)
    check_file(manifest, FORMAT, _FORM, path)
    form = manifest["form"]
    if form["dtype"] not in DTYPES or form["tokens"] not in TOKENS or not form["layers"]:
        raise UserError(f"{path}: form: no such form of activations; restore the file")
    return manifest


def check_head(
    folder: Path, manifest: Mapping[str, Any], head: str, task: Task, kind: Kind
) -> None:
    """Raises UserError if a store holds less of each row than a head reads.

    Args:
        folder: the store.
        manifest: its own.
        head: as `read_head` reads it.
        task: which task it answers.
        kind: its kind.
    """
    chosen, last = read_head(head), manifest["encoder"]["num_layers"]
    form = StoreForm.from_dict(manifest["form"])
    every = form.layers == tuple(range(last + 1))
    if not every and (chosen.all_layers or form.layers[-1] != last):
        held = ",".join(map(str, form.layers))
        raise UserError(
            f"--activations {folder}: holds the states {held} alone, and --head "
            f"{chosen.name} reads {'all' if chosen.all_layers else 'the last'}; extract them"
        )
    if form.tokens == "first" and chosen.all_tokens(kind.every_token):
        raise UserError(
            f"--activations {folder}: holds the first token alone, and --head "
            f"{chosen.name} reads all of {task.name}; extract them, or for texts use "
            "--head linear or adapter_pooler:tokens=first"
        )
    if form.projected and chosen.projected != form.width:
        raise UserError(
            f"--activations {folder}: its states are projected to {form.width} "
            f"units; use --head adapter_pooler:projected={form.width}, not {head}"
        )


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Writes a store's manifest."""
    write_json(folder / MANIFEST, {"format": FORMAT, **manifest})


def with_store(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with what ``--activations`` implies: the run of its encoder, which is frozen.

    Raises:
        UserError: the folder is no store, or other settings contradict it.
    """
    manifest = read_manifest(Path(given["activations"]))
    if given.get("freeze", "encoder") != "encoder":
        raise UserError(
            f"--activations: its encoder is frozen, so --freeze {given['freeze']} cannot be; leave "
            "it out"
        )
    if given.get("adapter", "none") != "none":
        raise UserError("--activations: adapters are parts of the encoder, which does not run here")
    if given.get("intermediate"):
        raise UserError("--activations: --intermediate trains the encoder, which does not run here")
    own = {"freeze": "encoder"}
    if not given.get("init") and not given.get("encoder"):
        own["init"] = manifest["encoder"]["name"]
    return {**own, **given}
