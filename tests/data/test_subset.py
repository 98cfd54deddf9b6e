import numpy as np

from tfglue.data.examples import TextExamples
from tfglue.data.subset import nested_order, subset, subset_size

CLASSES = np.random.default_rng(0).choice(3, 2000, p=[0.6, 0.3, 0.1])
SCORES = np.random.default_rng(1).uniform(0, 5, 2000).astype(np.float32)


def test_order_holds_every_row_once():
    assert sorted(nested_order(CLASSES)) == list(range(2000))


def test_every_prefix_has_the_shares_of_the_whole():
    order = nested_order(CLASSES)
    whole = np.bincount(CLASSES) / 2000
    for size in (20, 100, 555):
        counts = np.bincount(CLASSES[order[:size]], minlength=3)
        assert np.all(np.abs(counts - whole * size) <= 1.5)


def test_scores_are_stratified_by_quintile():
    ids = [str(number) for number in range(2000)]
    examples = TextExamples(ids=ids, origin="here", texts=(ids,), labels=SCORES)
    order = nested_order(examples.strata)
    edges = np.quantile(SCORES, [0.2, 0.4, 0.6, 0.8])
    counts = np.bincount(np.searchsorted(edges, SCORES[order[:100]]), minlength=5)
    assert np.all(np.abs(counts - 20) <= 1)


def test_order_is_the_same_every_time_and_not_the_order_of_the_file():
    assert np.array_equal(nested_order(CLASSES), nested_order(CLASSES))
    assert not np.array_equal(nested_order(CLASSES)[:50], np.arange(50))


def test_sizes():
    assert subset_size(100, 30, None) == 30
    assert subset_size(100, 300, None) == 100
    assert subset_size(100, None, 0.25) == 25
    assert subset_size(100, None, 0.001) == 1
    assert subset_size(100, None, None) == 100


def test_the_papers_shares_lie_in_one_another_and_keep_the_classes():
    ids = [str(number) for number in range(2000)]
    examples = TextExamples(ids=ids, origin="here", texts=(ids,), labels=CLASSES)
    rows = np.arange(2000)
    parts = [subset(examples, rows, subset_size(2000, None, share)) for share in (0.001, 0.01, 0.1)]
    assert [len(part) for part in parts] == [2, 20, 200]
    assert set(parts[0]) < set(parts[1]) < set(parts[2])
    counts = np.bincount(CLASSES[parts[2]], minlength=3)
    assert np.all(np.abs(counts - np.bincount(CLASSES) / 10) <= 1.5)
