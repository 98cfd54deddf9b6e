"""What linear maps can read from each layer of a store, at each position of a text."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfglue.activations.store import ActivationStore, StoredSplit
from tfglue.data.features import NO_LABEL
from tfglue.errors import UserError, suggestion
from tfglue.metrics import compute
from tfglue.tasks.task import Task

POSITIONS = ("first", "mean", "last", "middle")
WORDS = "words"
"""The position of tasks that tag: the first piece of every word."""

_REGULARIZATION = np.logspace(-2, 5, 15)


class LayerProbe:
    """Linear probes: one for every layer and position, fitted on train and scored on dev.

    Classes and tags are read by a ridge classifier, scores by ridge regression, on standardised
    states; the strength of the ridge is chosen by leave-one-out validation on train alone. Nothing
    is drawn by chance. Tags are scored word by word (``accuracy``), so entities are not.

    Args:
        store: with labels, of all tokens unless `positions` is ``first`` alone.
        task: what the store's rows are of.
        positions: names in `POSITIONS`, or numbers of tokens from 0 ([CLS]); rows that are shorter
            are left out of that position. Tagging tasks have `WORDS` alone.

    Raises:
        UserError: positions that do not exist, a task without such labels, or a split that is
            missing.
    """

    def __init__(self, store: ActivationStore, task: Task, positions: Sequence[str] | None = None):
        if task.kind not in ("classify", "regress", "tag"):
            raise UserError(
                f"--activations {store.folder}: {task.name} is of kind {task.kind}; probes read "
                "labels of texts and of words"
            )
        usual = (WORDS,) if task.kind == "tag" else POSITIONS[:3]
        if store.form.tokens == "first":
            usual = ("first",)
        self.task = task
        self.store = store
        self.positions = tuple(dict.fromkeys(positions or usual))
        for position in self.positions:
            self._check(position)
        self.metrics = ("accuracy",) if task.kind == "tag" else task.metrics
        self._splits = {name: store.split(name) for name in ("train", "dev")}

    def _check(self, position: str) -> None:
        words = self.task.kind == "tag"
        known = (WORDS,) if words else POSITIONS
        numbered = not words and re.fullmatch(r"\d{1,4}", position)
        if position not in known and not numbered:
            raise UserError(
                f"--positions: unknown position '{position}'{suggestion(position, known)} (of "
                f"{self.task.name}: {', '.join(known)}{'' if words else ', or numbers from 0'})"
            )
        if self.store.form.tokens == "first" and position not in ("first", "0"):
            raise UserError(
                f"--positions {position}: {self.store.folder} holds the first token alone"
            )

    def scores(self, done: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
        """A row for every layer and position: ``layer``, ``position``, ``rows``, the metrics.

        Args:
            done: told after every probe.

        Raises:
            UserError: no row of a split has a position.
        """
        found = []
        for index, layer in enumerate(self.store.form.layers):
            # One layer at a time bounds the memory.
            read = {name: self._read(split, index) for name, split in self._splits.items()}
            for position in self.positions:
                (states, labels), (dev_states, gold) = (
                    read[name][position] for name in ("train", "dev")
                )
                if not len(labels) or not len(gold):
                    raise UserError(f"--positions {position}: no row is so long")
                answers = _probe(self.task.kind).fit(states, labels).predict(dev_states)
                found.append(
                    {"layer": layer, "position": position, "rows": len(gold),
                     **compute(self.metrics, gold, answers)}
                )
                done()
        return found

    def floor(self) -> float:
        """The main metric of always answering what train says most often, or on average."""
        from sklearn.dummy import DummyClassifier, DummyRegressor

        train, gold = (self._labels(self._splits[name]) for name in ("train", "dev"))
        plain = DummyRegressor() if self.task.kind == "regress" else (
            DummyClassifier(strategy="most_frequent")
        )
        answers = plain.fit(np.zeros((len(train), 1)), train).predict(np.zeros((len(gold), 1)))
        return compute(self.metrics[:1], gold, answers)[self.metrics[0]]

    @staticmethod
    def _labels(split: StoredSplit) -> np.ndarray:
        labels = np.concatenate([label for _, label in split.labelled()])
        return labels[labels != NO_LABEL]

    def _read(self, split: StoredSplit, index: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """States (rows, width) and labels at each position."""
        states: dict[str, list] = {position: [] for position in self.positions}
        labels: dict[str, list] = {position: [] for position in self.positions}
        for own, label in split.labelled():
            row = own[:, index].astype(np.float32)
            for position in self.positions:
                chosen, answers = _at(position, row, label)
                states[position].append(chosen)
                labels[position].append(answers)
        return {p: (np.concatenate(states[p]), np.concatenate(labels[p])) for p in self.positions}


def _at(position: str, row: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a position reads of a row's states (tokens, width): (found, width) and their labels."""
    if position == WORDS:
        words = label != NO_LABEL
        return row[words], label[words]
    if position == "mean":
        return row.mean(axis=0, keepdims=True), label
    places = {"first": 0, "middle": len(row) // 2, "last": len(row) - 1}
    place = places.get(position)
    place = int(position) if place is None else place
    chosen = row[place : place + 1]
    return chosen, label[: len(chosen)]


def _probe(kind: str):
    """An unfitted probe."""
    from sklearn.linear_model import RidgeClassifierCV, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = RidgeCV if kind == "regress" else RidgeClassifierCV
    return make_pipeline(StandardScaler(), linear(alphas=_REGULARIZATION))
