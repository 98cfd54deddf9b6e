"""Rankings against worked examples, scikit-learn, and a count over all orders."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import ndcg_score
from sklearn.metrics.pairwise import cosine_similarity

from tfglue.errors import UserError
from tfglue.transfer.ranking import (
    average_rank,
    by_score,
    fuse,
    min_max_scaled,
    ndcg,
    rank_sources,
    ranks,
    regret,
)

TRUE = {"A": 0.9, "B": 0.5, "C": 0.1, "D": 0.7}


def test_published_fusion():
    fused = fuse(["ABCD", ["B", "D", "A", "C"]])
    assert [name for name, _ in fused] == ["B", "A", "D", "C"]
    scores = dict(fused)
    expected = {"A": 0.0322665, "B": 0.0325225, "C": 0.0314980, "D": 0.0317540}
    assert scores == pytest.approx(expected, abs=5e-8)


def test_published_ndcg_and_rank_of_the_best():
    assert ndcg("BADC", TRUE) == pytest.approx(0.870303, abs=5e-7)
    assert average_rank("BADC", TRUE) == 2
    assert regret("BADC", TRUE, 1) == pytest.approx(0.4 / 0.9)
    assert regret("BADC", TRUE, 2) == regret("BADC", TRUE, 9) == 0


def test_similarities_are_cosines_of_flattened_vectors():
    random = np.random.default_rng(0)
    vectors = {name: random.normal(size=(3, 4)) for name in "abcde"}
    found = rank_sources(vectors, "c")
    flat = np.array([vectors[name].ravel() for name in vectors])
    expected = dict(zip(vectors, cosine_similarity(flat)[2], strict=True))
    del expected["c"]
    assert dict(found) == pytest.approx(expected)
    assert [name for name, _ in found] == sorted(expected, key=expected.get, reverse=True)
    given = rank_sources({n: v for n, v in vectors.items() if n != "c"}, vectors["c"])
    assert dict(given) == pytest.approx(expected)


def test_centring_takes_the_common_part_away():
    random = np.random.default_rng(1)
    apart = {name: random.normal(size=20) for name in "abcd"}
    common = {name: vector + 1000 for name, vector in apart.items()}
    assert min(score for _, score in rank_sources(common, "a")) > 0.9999
    centred = dict(rank_sources(common, "a", center=True))
    assert centred == pytest.approx(dict(rank_sources(apart, "a", center=True)), abs=1e-9)
    assert max(abs(score) for score in centred.values()) < 0.9


def test_tiny_scores_do_not_vanish():
    vectors = {"a": [1e-200, 0], "b": [3e-200, 1e-203], "c": [0, 1e-170]}
    assert [name for name, _ in rank_sources(vectors, "a")] == ["b", "c"]


def test_ties_share_their_ranks():
    assert ranks([("x", 2), ("y", 1), ("z", 1), ("w", 0)]) == {"x": 1, "y": 2.5, "z": 2.5, "w": 4}
    assert dict(fuse([[("x", 1), ("y", 1)]])) == {"x": 1 / 61.5, "y": 1 / 61.5}
    assert average_rank([("A", 1), ("B", 1), ("C", 0), ("D", 0)], TRUE) == 1.5
    assert average_rank("ABCD", {"A": 1, "B": 0, "C": 1, "D": 0}) == 2


def test_the_same_ranks_in_another_order_are_a_tie():
    # A has the ranks 1, 2, 7 and B 7, 1, 2: added up in turn they differ in the last digit.
    fused = dict(fuse(["ACDEFGB", "BACDEFG", "CBDEFGA"]))
    assert fused["A"] == fused["B"] == pytest.approx(1 / 61 + 1 / 62 + 1 / 67)


def test_a_ranking_that_leaves_a_source_out_may_be_neutral_to_it():
    rankings = ["XABC", "AB"]  # The second knows neither the best nor the worst of the first.
    assert dict(fuse(rankings))["X"] == 1 / 61
    mean = (1 / 61 + 1 / 62) / 2
    assert dict(fuse(rankings, neutral=True)) == pytest.approx(
        {"X": 1 / 61 + mean, "A": 1 / 62 + 1 / 61, "B": 1 / 63 + 1 / 62, "C": 1 / 64 + mean}
    )
    # Being known to both is no merit: the best of one stays before the worst of both.
    places = [name for name, _ in fuse(rankings, neutral=True)]
    assert places.index("X") < places.index("B")
    assert [name for name, _ in fuse(rankings)].index("X") > 1
    assert dict(fuse(["ABCD", "BDAC"], neutral=True)) == dict(fuse(["ABCD", "BDAC"]))


def test_scores_alone_are_a_ranking():
    guess = {"A": 0.1, "B": 0.9, "C": 0.1, "D": -2.0}
    pairs = by_score(guess)
    assert ranks(guess) == ranks(pairs) == {"B": 1, "A": 2.5, "C": 2.5, "D": 4}
    assert fuse([guess]) == fuse({"mine": pairs}) == fuse(guess)
    for measure in (average_rank, ndcg, lambda *one: regret(*one, 2)):
        assert measure(guess, TRUE) == measure(pairs, TRUE) == measure({"t": guess}, {"t": TRUE})


def test_ties_are_the_mean_over_all_their_orders():
    predicted = [("D", 3), ("A", 2), ("B", 2), ("C", 2)]
    orders = [("D", *rest) for rest in itertools.permutations("ABC")]
    assert ndcg(predicted, TRUE) == pytest.approx(np.mean([ndcg(o, TRUE) for o in orders]))
    for k in (1, 2, 3, 4):
        expected = np.mean([regret(order, TRUE, k) for order in orders])
        assert regret(predicted, TRUE, k) == pytest.approx(expected)


def test_ndcg_is_that_of_scikit_learn():
    random = np.random.default_rng(2)
    true, guess = random.uniform(size=9), random.integers(0, 4, 9)
    names = [f"s{i}" for i in range(9)]
    predicted = sorted(zip(names, guess, strict=True), key=lambda pair: -pair[1])
    expected = ndcg_score([2**true - 1], [guess])
    assert ndcg(predicted, dict(zip(names, true, strict=True))) == pytest.approx(expected)


def test_several_targets_are_averaged():
    predicted = {"t": "BADC", "u": "ABCD"}
    scores = {"t": TRUE, "u": TRUE}
    assert average_rank(predicted, scores) == 1.5
    assert ndcg(predicted, scores) == pytest.approx((0.870303 + ndcg("ABCD", TRUE)) / 2, abs=1e-6)
    assert regret(predicted, scores, 1) == pytest.approx(0.4 / 0.9 / 2)


def test_scaling():
    assert min_max_scaled({"a": 0.2, "b": 0.4, "c": 0.3}) == pytest.approx(
        {"a": 0, "b": 1, "c": 0.5}
    )
    assert min_max_scaled({"a": 0.2, "b": 0.2}) == {"a": 1, "b": 1}


def test_sources_without_a_score_do_not_count():
    assert average_rank("CBADX", {"A": 1, "D": 0}) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rank_sources({"a": [1, 2], "b": [1, np.nan]}, "a"), "of b holds NaN"),
        (lambda: rank_sources({"a": [1, 2], "b": [0, 0]}, "a"), "of b is all zeros"),
        (lambda: rank_sources({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, "a", True),
         "is the mean of all"),
        (lambda: rank_sources({"a": [1, 2], "b": [1, 2, 3]}, "a"), "of b has 3 numbers"),
        (lambda: rank_sources({"a": [1, 2]}, "a"), "no source beside"),
        (lambda: rank_sources({"a": [1, 2]}, "b"), "target 'b'"),
        (lambda: average_rank("AB", TRUE), "not ranked: C, D"),
        (lambda: regret("ABCD", TRUE, 0), "at least 1"),
        (lambda: fuse(["ABA"]), "names A twice"),
        (lambda: ndcg("AB", {"A": 0, "B": 0}), "gains anything"),
        (lambda: rank_sources({"a": [1, 2], "b": []}, "a"), "of b is empty"),
        (lambda: rank_sources({"a": [1, 2], "b": ["x", "y"]}, "a"), "of b is no array"),
        (lambda: by_score({"A": 0.1, "B": np.nan, "C": 0.9}), "score of B is NaN"),
        (lambda: fuse([[("A", np.nan), ("B", 1)]]), "score of A is NaN"),
        (lambda: average_rank("BADC", TRUE | {"C": np.nan}), "score of C is NaN"),
        (lambda: regret([("A", np.nan), ("B", 1)], {"A": 1, "B": 0}), "score of A is NaN"),
        (lambda: regret("AB", {}), "none of the sources"),
        (lambda: min_max_scaled({"B": 1.0, "A": np.nan}), "score of A is NaN"),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(UserError, match=message):
        call()
