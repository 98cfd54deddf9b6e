"""Estimators on what the models of sources compute for a target's rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfglue.activations.hidden_states import HiddenStates
from tfglue.data.batches import batches_by_length
from tfglue.data.features import NO_LABEL, Features
from tfglue.errors import UserError
from tfglue.run import Run
from tfglue.tasks.task import Task
from tfglue.transfer.estimators import ESTIMATORS, curve_gradient
from tfglue.transfer.task_rows import TaskRows

_BATCH = 64
_MOST = 4000
"""Rows or tokens at most that estimators see: they take time in proportion to the square."""

_SEED = 20201
_OF_TOKENS = ("tag",)
_OF_ROWS = ("classify", "answerable")


@dataclass(frozen=True)
class Places:
    """Which of a target's rows or tokens are judged, and their labels.

    Args:
        rows: the row of each.
        tokens: its token; None for rows as a whole, whose tokens are averaged.
        labels: class ids, or scores.
    """

    rows: np.ndarray
    tokens: np.ndarray | None
    labels: np.ndarray


def judged_places(kind: str, features: Features) -> Places:
    """What estimators read of labelled rows, at most so many of it, drawn by a fixed seed.

    Of texts each row; of tags the first piece of each word; of questions the tokens of the answer
    (1) and as many others of the same window (0).

    Raises:
        UserError: the rows have no labels.
    """
    if features.labels is None:
        raise UserError("estimators need the labels of the target; give data that have them")
    random = np.random.default_rng(_SEED)
    if kind == "tag":
        flat = np.flatnonzero(features.labels != NO_LABEL)
        flat = np.sort(random.permutation(flat)[:_MOST])
        rows = np.searchsorted(features.row_splits, flat, side="right") - 1
        return Places(rows, flat - features.row_splits[rows], features.labels[flat])
    if kind == "span":
        return _answers(features, random)
    rows = np.sort(random.permutation(len(features))[:_MOST])
    return Places(rows, None, features.labels[rows])


def _answers(features: Features, random: np.random.Generator) -> Places:
    rows, tokens, labels = [], [], []
    answered = random.permutation(np.flatnonzero(features.labels[:, 0] > 0))
    for row in answered:
        first, last = features.labels[row]
        inside = np.arange(first, last + 1)
        passage = np.arange(features.first_lengths[row], features.lengths[row] - 1)
        outside = random.permutation(np.setdiff1d(passage, inside))[: len(inside)]
        own = np.concatenate([inside, outside])
        rows += [row] * len(own)
        tokens += own.tolist()
        labels += [1] * len(inside) + [0] * len(outside)
        if len(rows) >= _MOST:
            break
    order = np.lexsort((tokens, rows))
    return Places(np.array(rows)[order], np.array(tokens)[order], np.array(labels)[order])


def check_labels(target: TaskRows) -> None:
    """Raises UserError if a target's rows give estimators nothing to tell apart."""
    places = judged_places(target.task.kind, target.features)
    if len(np.unique(places.labels)) < 2:
        raise UserError(
            f"{target.task.name}: estimators need rows of two labels or more, and all "
            f"{len(target.examples)} of {target.examples.origin} have one; give more rows"
        )


def estimate(
    run: Run,
    source: Task,
    target: TaskRows,
    estimators: Sequence[str],
    done: Callable[[int], None] = lambda rows: None,
) -> dict[str, float]:
    """Scores of one source for a target.

    Args:
        run: trained on the source.
        source: its task.
        target: with labels; encoded anew for the run's tokenizer.
        estimators: names of `ESTIMATORS`.
        done: told the rows of every batch.

    Returns:
        Estimator -> number. Those that read a source's answers are left out where it gives none to
        what the target labels: classes of rows suit rows, tags suit words.
    """
    target = target.encoded_by(run.tokenizer)
    check_labels(target)
    places = judged_places(target.task.kind, target.features)
    chosen = [ESTIMATORS.get(name) for name in estimators]
    read: dict[str, np.ndarray | None] = {}
    if any(one.reads == "states" for one in chosen):
        read["states"] = _states(run, source, target.features, places, done)
    if any(one.reads == "probabilities" for one in chosen):
        read["probabilities"] = _probabilities(run, source, target, places)
    found = {
        name: one.function(read[one.reads], places.labels)
        for name, one in zip(estimators, chosen, strict=True)
        if read[one.reads] is not None
    }
    for name, score in found.items():
        if not np.isfinite(score):
            raise UserError(
                f"{run.folder.path}: {name} of {source.name} for {target.task.name} comes to "
                f"{score}; leave the run or the estimator out"
            )
    return found


def learning_curve(run: Run, task: str) -> float:
    """`curve_gradient` of a run's history. Raises UserError that names the run."""
    rows = run.folder.history()
    column = f"train_loss.{task}" if rows and f"train_loss.{task}" in rows[0] else "train_loss"
    points = [(float(row["update"]), float(row[column])) for row in rows if row.get(column)]
    progress, losses = zip(*points, strict=True) if points else ((), ())
    try:
        return curve_gradient(progress, losses)
    except UserError as error:
        raise UserError(f"{run.folder.path}: {error}") from None


def _states(run: Run, source: Task, features: Features, places: Places, done) -> np.ndarray:
    """Last hidden states at places, (places, hidden_dim)."""
    encoder = _Adapted(run.encoder, run.model.adapters.get(source.name))
    states = HiddenStates(encoder, (run.encoder.num_layers,))
    found = np.empty((len(places.rows), run.encoder.hidden_dim))
    wanted = np.unique(places.rows)
    for rows in batches_by_length(features, _BATCH):
        rows = rows[np.isin(rows, wanted)]
        if not len(rows):
            continue
        last = states(features, rows)[:, :, 0]
        number = {row: place for place, row in enumerate(rows)}
        here = np.flatnonzero(np.isin(places.rows, rows))
        local = np.array([number[row] for row in places.rows[here]])
        if places.tokens is not None:
            found[here] = last[local, places.tokens[here]]
        else:
            mask = np.arange(last.shape[1]) < features.lengths[rows][:, None]
            means = np.einsum("bth,bt->bh", last, mask) / features.lengths[rows][:, None]
            found[here] = means[local]
        done(len(rows))
    return found


def _probabilities(
    run: Run, source: Task, target: TaskRows, places: Places
) -> np.ndarray | None:
    """What the source's head says at places, (places, classes); None where it says nothing."""
    suits = _OF_TOKENS if places.tokens is not None else _OF_ROWS
    if source.kind not in suits or target.task.kind == "span":
        return None
    features = target.features
    logits = run.predictor.outputs(source.name, _unlabelled(features)).logits
    at = places.rows
    if places.tokens is not None:
        at = features.row_splits[places.rows] + places.tokens
    chosen = logits[at].astype(np.float64)
    exp = np.exp(chosen - chosen.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=1, keepdims=True)


def _unlabelled(features: Features) -> Features:
    # The target's labels would be compared with the source's answers for a loss.
    return Features(
        token_ids=features.token_ids, row_splits=features.row_splits,
        first_lengths=features.first_lengths,
    )


class _Adapted:
    """An encoder with a task's adapter, called like an encoder."""

    def __init__(self, encoder: Any, adapter: Any):
        self.encoder, self.adapter = encoder, adapter
        self.hidden_dim = encoder.hidden_dim

    def __call__(self, inputs):
        return self.encoder(inputs, adapter=self.adapter)
