"""How well a source's features or answers suit a target's labels: one number, higher is better.

Every estimator takes features (rows, units) and labels (rows,): whole numbers are classes, others
scores. LEEP and NCE take the probabilities of the source's own classes as features; what needs
classes cuts scores into fifths.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from tfglue.errors import UserError
from tfglue.registry import Registry

_NEIGHBOURS = 5
_EARLY = 0.2


@dataclass(frozen=True)
class Estimator:
    """One way to judge a source.

    Args:
        function: features and labels in, a number out.
        reads: ``states``: hidden states of the source's encoder; ``probabilities``: what its head
            says.
    """

    function: Callable[[np.ndarray, np.ndarray], float]
    reads: Literal["states", "probabilities"]


def log_me(features: ArrayLike, labels: ArrayLike) -> float:
    """Logarithm of maximum evidence a row (You et al. 2021): of a Bayesian linear model.

    Of classes it is the mean over one-against-all targets. Features are taken as they are.
    """
    features, labels = _checked(features, labels)
    targets = _one_hot(labels) if _are_classes(labels) else labels[:, None].astype(np.float64)
    left, values, _ = np.linalg.svd(features, full_matrices=False)
    spectrum = values**2
    return float(np.mean([
        _evidence(left.T @ target, target @ target, spectrum, len(target), features.shape[1])
        for target in targets.T
    ]))


def h_score(features: ArrayLike, labels: ArrayLike) -> float:
    """tr(cov(f)^-1 cov(E[f | y])) (Bao et al. 2019): variance between classes over all of it.

    Raises:
        UserError: centred features have all the rank that there are rows for. Then they score one
            less than the number of classes, whatever they are.
    """
    features, labels = _checked(features, labels)
    rows, units = features.shape
    centred, between = _between_classes(features, labels)
    if rows <= units + 1 and np.linalg.matrix_rank(centred) == rows - 1:
        raise UserError(
            f"H-score: {rows} rows of {units} units tell nothing; take more than {units + 1} rows, "
            "or shrunk_h_score"
        )
    covariance = centred.T @ centred / rows
    return float(np.trace(np.linalg.pinv(covariance, hermitian=True) @ between))


def shrunk_h_score(features: ArrayLike, labels: ArrayLike) -> float:
    """The H-score with a shrunk covariance (Ibrahim et al. 2022), for few rows of many units.

    tr(cov_a(f)^-1 (1 - a) cov(E[f | y])) with cov_a and a by Ledoit and Wolf (2004).
    """
    from sklearn.covariance import ledoit_wolf

    features, labels = _checked(features, labels)
    centred, between = _between_classes(features, labels)
    covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
    return float(np.trace(np.linalg.pinv(covariance, hermitian=True) @ between) * (1 - shrinkage))


def nearest_neighbours(
    features: ArrayLike, labels: ArrayLike, count: int = _NEIGHBOURS
) -> float:
    """How often the nearest other rows say a row's label (Puigcerver et al. 2021).

    By cosine, each row left out in turn. Of classes the share of rows whose `count` nearest vote
    for it (of equal votes the nearer class wins); of scores 1 less the squared error of their mean
    over the variance.
    """
    features, labels = _checked(features, labels)
    count = min(count, len(labels) - 1)
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(norms == 0, 1, norms)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -np.inf)
    nearest = np.argsort(-similar, axis=1, kind="stable")[:, :count]
    if not _are_classes(labels):
        errors = labels - labels[nearest].mean(axis=1)
        return float(1 - np.mean(errors**2) / np.var(labels))
    classes = _classes(labels)
    votes = np.zeros((len(labels), classes.max() + 1))
    # The nearest outweighs all others of an equal vote, and all of this is less than one vote.
    for place in range(count):
        votes[np.arange(len(labels)), classes[nearest[:, place]]] += 1 + 0.25 * 0.5**place
    return float(np.mean(votes.argmax(axis=1) == classes))


def leep(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Log expected empirical prediction (Nguyen et al. 2020), in nats a row; 0 is the best.

    The mean of ``log sum_z p(y | z) p(z | x)`` with p(y | z) from the same rows.
    """
    probabilities, labels = _checked(probabilities, labels)
    _check_probabilities(probabilities)
    classes = _classes(labels)
    joint = _one_hot(classes).T @ probabilities / len(classes)
    given = joint / np.maximum(joint.sum(axis=0), np.finfo(float).tiny)
    expected = np.einsum("nz,nz->n", given[classes], probabilities)
    return float(np.mean(np.log(np.maximum(expected, np.finfo(float).tiny))))


def nce(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Negative conditional entropy -H(y | z), z the source's answer (Tran et al. 2019), in nats."""
    probabilities, labels = _checked(probabilities, labels)
    classes = _classes(labels)
    answers = probabilities.argmax(axis=1)
    joint = np.zeros((classes.max() + 1, probabilities.shape[1]))
    np.add.at(joint, (classes, answers), 1 / len(classes))
    marginal = np.broadcast_to(joint.sum(axis=0), joint.shape)
    there = joint > 0
    return float(np.sum(joint[there] * np.log(joint[there] / marginal[there])))


def data_size(examples: int) -> float:
    """The baseline that takes the largest source (Vu et al. 2020, 4.1)."""
    return float(examples)


def curve_gradient(progress: ArrayLike, losses: ArrayLike, early: float = _EARLY) -> float:
    """How fast the source's training loss falls at first (Bingel and Søgaard 2017).

    The slope of the losses, as shares of the first one, over the first part of training by least
    squares, with its sign turned: a loss that falls to nothing in that part has about 1 / early.

    Args:
        progress: (points,), updates done at each point.
        losses: (points,), mean training loss up to it since the point before.
        early: share of training that is looked at; at least the first two points are.

    Raises:
        UserError: there are fewer than two points, or losses that are no numbers.
    """
    progress, losses = np.asarray(progress, np.float64), np.asarray(losses, np.float64)
    if len(progress) < 2 or len(progress) != len(losses):
        raise UserError("learning curve: expected at least two points, train for more updates")
    if not np.isfinite(losses).all():
        raise UserError("learning curve: a loss is NaN or infinite")
    share = progress / progress[-1]
    first = max(2, int(np.sum(share <= early)))
    scale = losses[0] if losses[0] > 0 else 1.0
    return float(-np.polyfit(share[:first], losses[:first] / scale, 1)[0])


ESTIMATORS: Registry[Estimator] = Registry("estimator")
ESTIMATORS.add("logme", Estimator(log_me, "states"))
ESTIMATORS.add("h_score", Estimator(shrunk_h_score, "states"), ["hscore"])
ESTIMATORS.add("knn", Estimator(nearest_neighbours, "states"))
ESTIMATORS.add("leep", Estimator(leep, "probabilities"))
ESTIMATORS.add("nce", Estimator(nce, "probabilities"))


def _between_classes(features: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centred features, and the covariance of the means of classes."""
    centred = features - features.mean(axis=0)
    onehot = _one_hot(_classes(labels))
    means = (onehot.T @ centred) / onehot.sum(axis=0)[:, None]
    return centred, (means.T * onehot.mean(axis=0)) @ means


def _evidence(
    projected: np.ndarray, total: float, spectrum: np.ndarray, rows: int, units: int
) -> float:
    """Largest log evidence a row, over the precisions of weights (alpha) and noise (beta).

    Args:
        projected: the target in the left singular vectors.
        total: its squared norm.
        spectrum: squared singular values.
        rows, units: of the features.
    """
    squares = projected**2
    outside = max(total - squares.sum(), 0.0)
    alpha = beta = 1.0
    for _ in range(1000):
        before = alpha / beta
        shrunk = alpha + beta * spectrum
        weights = np.sum(beta**2 * spectrum * squares / shrunk**2)
        residual = np.sum(alpha**2 * squares / shrunk**2) + outside
        effective = np.sum(beta * spectrum / shrunk)
        alpha = effective / max(weights, 1e-12)
        beta = (rows - effective) / max(residual, 1e-12)
        if abs(alpha / beta - before) <= 1e-9 * before:
            break
    shrunk = alpha + beta * spectrum
    weights = np.sum(beta**2 * spectrum * squares / shrunk**2)
    residual = np.sum(alpha**2 * squares / shrunk**2) + outside
    determinant = np.sum(np.log(shrunk)) + (units - len(spectrum)) * np.log(alpha)
    return (
        units * np.log(alpha) + rows * np.log(beta) - rows * np.log(2 * np.pi)
        - beta * residual - alpha * weights - determinant
    ) / (2 * rows)


def _checked(features: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    features, labels = np.asarray(features, np.float64), np.asarray(labels)
    if features.ndim != 2 or labels.shape != features.shape[:1] or len(labels) < 2:
        raise UserError(
            f"estimator: features {features.shape} and labels {labels.shape}; expected (rows, "
            "units) and (rows,), two rows or more"
        )
    if not np.isfinite(features).all():
        raise UserError("estimator: features hold NaN or infinite numbers")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise UserError("estimator: labels hold NaN or infinite numbers")
    if np.all(labels == labels[0]):
        raise UserError("estimator: all rows have one label; there is nothing to tell apart")
    return features, labels


def _check_probabilities(values: np.ndarray) -> None:
    if values.min() < 0 or not np.allclose(values.sum(axis=1), 1, atol=1e-3):
        raise UserError("estimator: expected probabilities that sum to 1 in every row")


def _are_classes(labels: np.ndarray) -> bool:
    return not np.issubdtype(labels.dtype, np.floating)


def _classes(labels: np.ndarray) -> np.ndarray:
    """Classes as numbers from 0; scores in fifths."""
    if not _are_classes(labels):
        labels = np.searchsorted(np.quantile(labels, [0.2, 0.4, 0.6, 0.8]), labels)
    return np.unique(labels, return_inverse=True)[1]


def _one_hot(labels: np.ndarray) -> np.ndarray:
    classes = _classes(labels)
    return np.eye(classes.max() + 1)[classes]
