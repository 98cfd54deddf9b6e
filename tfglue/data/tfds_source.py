"""A task's rows from tensorflow-datasets."""

import logging
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np

from tfglue.data.examples import Examples, TextExamples
from tfglue.data.rows import as_declared
from tfglue.data.tfds_questions import TFDS_FEATURES, questions_of_rows
from tfglue.data.tfds_sentences import sentences_of_rows
from tfglue.errors import UserError, suggestion
from tfglue.tasks.squad import QUESTION_METRICS
from tfglue.tasks.task import Task

_UNLABELLED = -1


class TfdsSource:
    """A task as tensorflow-datasets holds it, downloaded there on first use.

    Rows come in the order of ``idx``, which is the order of the published file (TFDS itself stores
    them shuffled); data sets without such a number, such as SNLI and those of tagged sentences,
    keep the order of TFDS. Splits that the task declares as unlabelled are read without labels. In
    labelled splits, a row that TFDS marks with -1 is left out and counted if the task has labels to
    ignore, and an error otherwise. Questions on passages come as `questions_of_rows` orders them.

    Raises UserError for a task that is not in TFDS.
    """

    kind = "tfds"

    def __init__(self, task: Task):
        if task.tfds is None:
            raise UserError(f"{task.name} is not in tensorflow-datasets; use --data DIR")
        self.task = task
        self.description = f"tfds {task.tfds.name}"
        self._tags: list[str] = []

    def splits(self) -> tuple[str, ...]:
        """All splits that the task declares for TFDS."""
        return tuple(self.task.tfds.splits)

    def read(self, split: str, labelled: bool = True) -> Examples:
        """Reads one split, downloading it first if need be.

        Raises UserError where there is no network, the download fails, or the data set is not as
        the task declares it.
        """
        if split not in self.task.tfds.splits:
            raise UserError(
                f"task '{self.task.name}' has no split '{split}' in tensorflow-datasets"
                f"{suggestion(split, self.splits())} (splits: {', '.join(self.splits())})"
            )
        with_labels = labelled and self.task.files[split].labelled
        rows = self._load(split)
        origin = f"tfds {self.task.tfds.name}/{self.task.tfds.splits[split]}"
        if self.task.kind in QUESTION_METRICS:
            return questions_of_rows(rows, self.task, origin, with_labels)
        if self.task.kind == "tag":
            return sentences_of_rows(rows, self.task, self._tags, origin, with_labels)
        return self._text_examples(origin, rows, with_labels)

    def _load(self, split: str) -> list[dict[str, Any]]:
        name = self.task.tfds.name
        try:
            import tensorflow_datasets as tfds

            builder = tfds.builder(name)
            self._check(builder.info.features)
            with _without_warnings("absl"):
                prepared = builder.is_prepared()
            if not prepared:
                # None where nobody recorded them.
                _require_network(builder.url_infos or ())
            dataset = tfds.load(name, split=self.task.tfds.splits[split], shuffle_files=False)
            return list(tfds.as_numpy(dataset))
        except UserError:
            raise
        except ModuleNotFoundError as error:
            package = error.name.split(".")[0]
            raise UserError(
                f"--data tfds: the package '{package}' is missing; pip install {package}"
            ) from None
        # Whatever stops TFDS here (network, checksum, disk, a split that is not there) is outside
        # this program, and its many exception types share no base but this one.
        except Exception as error:
            raise UserError(
                f"--data tfds: {name} cannot be downloaded or read ({_one_line(error)}); "
                f"offline, pass the task's files with --data DIR or use --data sample"
            ) from error

    def _check(self, features: Any) -> None:
        questions = self.task.kind in QUESTION_METRICS
        texts = self.task.tfds.text or self.task.text_fields
        wanted = TFDS_FEATURES if questions else (*texts, self.task.tfds.label)
        missing = [name for name in wanted if name not in features]
        if missing:
            raise UserError(
                f"tfds {self.task.tfds.name}: no feature '{missing[0]}' "
                f"(features: {', '.join(features)}); another version of tensorflow-datasets may fit"
            )
        if questions:
            return
        if self.task.kind == "tag":
            # Tags are read by their names, in whichever order those come.
            self._tags = features[self.task.tfds.label].feature.names
            return
        names = getattr(features["label"], "names", None)
        if tuple(names or ()) != self.task.labels:
            raise UserError(
                f"tfds {self.task.tfds.name}: its labels are {names}, the task declares "
                f"{list(self.task.labels)}; another version of tensorflow-datasets may fit"
            )

    def _text_examples(self, origin: str, rows: list[dict], with_labels: bool) -> TextExamples:
        ids = [int(row.get("idx", number)) for number, row in enumerate(rows)]
        chosen = np.argsort(ids, kind="stable")
        labels = None
        skipped = 0
        if with_labels:
            labels = np.asarray([row["label"] for row in rows], self.task.label_dtype)
            kept = chosen[labels[chosen] != _UNLABELLED]
            skipped = len(chosen) - len(kept)
            if skipped and not self.task.ignored_labels:
                raise UserError(f"{origin}: {skipped} rows have no label")
            chosen = kept
            labels = labels[chosen]
        texts = tuple(
            [rows[row][field].decode() for row in chosen] for field in self.task.text_fields
        )
        for row, parts in zip(chosen, zip(*texts, strict=True), strict=True):
            if not any(part.strip() for part in parts):
                raise UserError(f"{origin}: the text of row {ids[row]} is blank")
        found = TextExamples(
            ids=[str(ids[row]) for row in chosen],
            origin=origin,
            skipped=skipped,
            texts=texts,
            labels=labels,
        )
        return as_declared(found, self.task, [f"{origin}: row {number}" for number in found.ids])


def _require_network(urls: Iterable[str]) -> None:
    """Raises UserError if no host of `urls` has an address and no proxy is set.

    TFDS itself goes on trying for more than three minutes before it gives up.
    """
    hosts = sorted({urlsplit(url).hostname or "" for url in urls})
    if not hosts or getproxies():
        return
    for host in hosts:
        try:
            socket.getaddrinfo(host, 443)
            return
        except OSError:
            continue
    raise UserError(
        f"--data tfds: no network ({', '.join(hosts)} cannot be found); "
        "pass the task's files with --data DIR or use --data sample"
    )


@contextmanager
def _without_warnings(logger: str) -> Iterator[None]:
    """Silences a logger's warnings: that a data set is not there yet is no news before its load."""
    chosen = logging.getLogger(logger)
    level = chosen.level
    chosen.setLevel(logging.ERROR)
    try:
        yield
    finally:
        chosen.setLevel(level)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
