"""Every estimator against another way to the same number, and on cases with a known answer."""

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.linalg import solve
from sklearn.cross_decomposition import CCA
from sklearn.metrics import mutual_info_score, r2_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from tfglue.errors import UserError
from tfglue.transfer.estimators import (
    ESTIMATORS,
    curve_gradient,
    data_size,
    h_score,
    leep,
    log_me,
    nce,
    nearest_neighbours,
    shrunk_h_score,
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def blobs(random, rows=80, units=5, classes=3, apart=1.5):
    labels = random.integers(0, classes, rows)
    labels[:classes] = np.arange(classes)
    return random.normal(size=(rows, units)) + apart * np.eye(classes, units)[labels], labels


def best_evidence(features, target):
    """The marginal likelihood of y ~ N(0, F F'/alpha + 1/beta), maximised by a general method."""
    def negative(logs):
        alpha, beta = np.exp(logs)
        covariance = features @ features.T / alpha + np.eye(len(target)) / beta
        return -stats.multivariate_normal.logpdf(target, np.zeros(len(target)), covariance)

    found = optimize.minimize(negative, [0.0, 0.0], method="Nelder-Mead",
                              options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000})
    return -found.fun / len(target)


@pytest.mark.parametrize("units", [4, 60])
def test_log_me_is_the_largest_marginal_likelihood(random, units):
    features = random.normal(size=(30, units))
    scores = features[:, 0] + 0.5 * random.normal(size=30)
    assert log_me(features, scores) == pytest.approx(best_evidence(features, scores), abs=1e-5)


def test_log_me_of_classes_is_the_mean_over_them(random):
    features, labels = blobs(random, rows=30, units=4)
    expected = np.mean([best_evidence(features, (labels == c).astype(float)) for c in range(3)])
    assert log_me(features, labels) == pytest.approx(expected, abs=1e-5)


def test_h_score_is_the_sum_of_squared_canonical_correlations(random):
    features, labels = blobs(random)
    onehot = np.eye(3)[labels][:, :2]
    left, right = CCA(n_components=2, max_iter=5000, tol=1e-12).fit_transform(features, onehot)
    correlations = [np.corrcoef(left[:, i], right[:, i])[0, 1] for i in range(2)]
    assert h_score(features, labels) == pytest.approx(np.sum(np.square(correlations)), abs=1e-4)


def test_h_score_of_one_unit_is_the_share_of_variance_between_classes(random):
    features, labels = blobs(random, units=3)
    unit = features[:, :1]
    within = sum(((unit[labels == c] - unit[labels == c].mean()) ** 2).sum() for c in range(3))
    expected = 1 - within / ((unit - unit.mean()) ** 2).sum()
    assert h_score(unit, labels) == pytest.approx(expected)


def shrinkage(features):
    """Ledoit and Wolf's, from the spread of the products that a covariance is the mean of."""
    rows, units = features.shape
    centred = features - features.mean(axis=0)
    covariance = centred.T @ centred / rows
    size = np.trace(covariance) / units
    far = np.sum((covariance - size * np.eye(units)) ** 2)
    spread = sum(np.sum((np.outer(row, row) - covariance) ** 2) for row in centred) / rows**2
    return covariance, size, min(spread, far) / far


def test_the_shrunk_h_score_by_its_definition(random):
    features, labels = blobs(random, rows=40, units=60, apart=6)
    covariance, size, share = shrinkage(features)
    assert 0.05 < share < 0.95
    means = np.array([features[labels == c].mean(axis=0) for c in labels])
    between = np.cov(means.T, bias=True)
    shrunk = (1 - share) * covariance + share * size * np.eye(60)
    expected = (1 - share) * np.trace(solve(shrunk, between))
    assert shrunk_h_score(features, labels) == pytest.approx(expected)


def test_with_few_rows_the_shrunk_h_score_tells_signal_from_noise(random):
    features, labels = blobs(random, rows=50, units=128, classes=2, apart=3)
    noise = [shrunk_h_score(random.normal(size=(50, 128)), labels) for _ in range(20)]
    assert shrunk_h_score(features, labels) > max(noise) + 0.05
    with pytest.raises(UserError, match="50 rows of 128 units tell nothing"):
        h_score(features, labels)
    flat = features[:, :3] @ random.normal(size=(3, 128))  # Of little rank it does tell.
    assert h_score(flat, labels) == pytest.approx(h_score(features[:, :3], labels))


def test_neighbours_are_those_of_scikit_learn(random):
    features, labels = blobs(random, rows=61)
    scores = features[:, 0] + random.normal(size=61)
    model = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    found = cross_val_predict(model, features, labels, cv=LeaveOneOut())
    assert nearest_neighbours(features, labels, 1) == pytest.approx(np.mean(found == labels))
    two = (labels > 0).astype(int)  # Of two classes three neighbours have no equal votes.
    model = KNeighborsClassifier(3, metric="cosine", algorithm="brute")
    found = cross_val_predict(model, features, two, cv=LeaveOneOut())
    assert nearest_neighbours(features, two, 3) == pytest.approx(np.mean(found == two))
    model = KNeighborsRegressor(4, metric="cosine", algorithm="brute")
    found = cross_val_predict(model, features, scores, cv=LeaveOneOut())
    assert nearest_neighbours(features, scores, 4) == pytest.approx(r2_score(scores, found))


def test_of_equal_votes_the_nearer_class_wins():
    angles = np.array([0.0, 0.1, 0.25, 0.3, 0.45])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # Rows 0, 1 and 4 see two votes each; the nearest of 4 is of the other class.
    assert nearest_neighbours(features, np.array([0, 0, 1, 1, 0]), 4) == pytest.approx(2 / 5)


def test_leep_by_its_definition(random):
    probabilities = random.dirichlet(np.ones(4), 50)
    labels = random.integers(0, 3, 50)
    total = 0.0
    for row, label in enumerate(labels):
        likelihood = 0.0
        for z in range(4):
            joint = sum(probabilities[i, z] for i in range(50) if labels[i] == label)
            likelihood += joint / probabilities[:, z].sum() * probabilities[row, z]
        total += np.log(likelihood)
    assert leep(probabilities, labels) == pytest.approx(total / 50)


def test_answers_that_decide_the_label_lose_nothing_and_blind_ones_all_of_it(random):
    labels = random.integers(0, 3, 200)
    sure = np.eye(3)[(labels + 1) % 3]
    shares = np.bincount(labels) / 200
    entropy = -np.sum(shares * np.log(shares))
    assert leep(sure, labels) == pytest.approx(0, abs=1e-9) == nce(sure, labels)
    blind = np.full((200, 4), 0.25)
    assert leep(blind, labels) == pytest.approx(-entropy) == nce(blind, labels)


def test_nce_is_the_mutual_information_less_the_entropy(random):
    probabilities = random.dirichlet(np.ones(4), 200)
    labels = (probabilities.argmax(axis=1) + random.integers(0, 2, 200)) % 3
    shares = np.bincount(labels) / 200
    entropy = -np.sum(shares * np.log(shares))
    expected = mutual_info_score(labels, probabilities.argmax(axis=1)) - entropy
    assert nce(probabilities, labels) == pytest.approx(expected)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_what_suits_the_labels_is_ranked_above_noise(random, name):
    features, labels = blobs(random, rows=200, apart=3)
    noise = random.normal(size=features.shape)
    estimator = ESTIMATORS.get(name)
    if estimator.reads == "probabilities":
        features, noise = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
                           for x in (features, noise))
    assert estimator.function(features, labels) > estimator.function(noise, labels) + 0.05
    scores = features[:, 0] + 0.01 * random.normal(size=200)
    assert estimator.function(features, scores) > estimator.function(noise, scores)


def test_baselines():
    assert data_size(7) == 7
    progress = np.arange(1, 101)
    assert curve_gradient(progress, 2 - 0.01 * progress) == pytest.approx(1 / 1.99)
    early = np.where(progress <= 20, 2 - 0.05 * progress, 1.0)
    assert curve_gradient(progress, early) == pytest.approx(5 / 1.95)
    assert curve_gradient([1, 10], [1.0, 0.1]) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_me(np.ones((3, 2)), np.ones(3, int)), "one label"),
        (lambda: h_score(np.full((4, 2), np.nan), np.arange(4)), "NaN"),
        (lambda: log_me(np.eye(3), np.array([0.1, np.nan, 0.2])), "labels hold NaN"),
        (lambda: curve_gradient([1, 2], [1.0, np.nan]), "a loss is NaN"),
        (lambda: nce(np.ones((3, 2)), np.arange(4)), "features"),
        (lambda: leep(np.ones((3, 2)), np.arange(3)), "sum to 1"),
        (lambda: curve_gradient([1], [1.0]), "two points"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(UserError, match=message):
        call()
