"""Entities and their scores by hand, and against seqeval."""

import json
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

from tests.reference.perturbed_tags import PREFIXES, SEED, SHARE, corpus_tags, damaged, drawn_tags
from tfglue.errors import UserError
from tfglue.metrics import tagging
from tfglue.metrics.entity import entities

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "reference" / "tagging_golden.json").read_text(encoding="utf-8")
)


@pytest.fixture
def seqeval_scores():
    """What seqeval says, in the form of the golden file."""
    pytest.importorskip(
        "seqeval", reason="the reference seqeval is absent: pip install --use-pep517 seqeval"
    )
    from tests.reference.make_tagging_golden import scores

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns of what is undefined.
        yield scores


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-A I-A O B-A", [("A", 0, 2), ("A", 3, 4)]),
        ("I-A I-A B-A O I-B", [("A", 0, 2), ("A", 2, 3), ("B", 4, 5)]),  # IOB1.
        ("B-A I-B I-B", [("A", 0, 1), ("B", 1, 3)]),
        ("I-A E-A I-A E-A O E-B", [("A", 0, 2), ("A", 2, 4), ("B", 5, 6)]),  # IOE.
        ("S-A B-A I-A E-A S-B", [("A", 0, 1), ("A", 1, 4), ("B", 4, 5)]),  # IOBES.
        ("E-A E-A S-A I-A", [("A", 0, 1), ("A", 1, 2), ("A", 2, 3), ("A", 3, 4)]),
        ("B I O I", [("_", 0, 2), ("_", 3, 4)]),
        ("B-x-y I-x-y I-x", [("x-y", 0, 2), ("x", 2, 3)]),
    ],
)
def test_entities_by_hand(tags, expected):
    assert entities(tags.split()) == expected


def test_scores_by_hand():
    gold = [["B-A", "I-A", "O", "B-B"], ["O", "B-A"]]
    predicted = [["B-A", "O", "O", "B-B"], ["B-B", "B-A"]]
    # Right: B and the second A; predicted 4, there 3.
    assert tagging.precision(gold, predicted) == pytest.approx(2 / 4)
    assert tagging.recall(gold, predicted) == pytest.approx(2 / 3)
    assert tagging.entity_f1(gold, predicted) == pytest.approx(4 / 7)
    assert tagging.accuracy(gold, predicted) == pytest.approx(4 / 6)
    assert tagging.per_label_report(gold, predicted) == [
        ("A", 0.5, 0.5, 0.5, 2),
        ("B", 0.5, 1.0, pytest.approx(2 / 3), 1),
    ]


def test_an_entity_ends_with_its_sentence():
    one, two = [["B-A", "I-A"]], [["B-A"], ["I-A"]]
    assert tagging.entity_f1(one, one) == tagging.entity_f1(two, two) == 1
    assert tagging.per_label_report(two, two)[0].support == 2


def test_tags_without_entities_score_nothing():
    nothing, something = [["O", "O"]], [["B-A", "O"]]
    for gold, predicted in ((nothing, nothing), (nothing, something), (something, nothing)):
        for metric in (tagging.precision, tagging.recall, tagging.entity_f1):
            assert metric(gold, predicted) == 0
    assert tagging.per_label_report(nothing, nothing) == []


def test_the_report_of_plain_tags_by_hand():
    gold, predicted = [["NN", "VB"], ["NN", "DT"]], [["NN", "NN"], ["NN", "JJ"]]
    assert tagging.token_label_report(gold, predicted) == [
        ("DT", 0, 0, 0, 1),
        ("JJ", 0, 0, 0, 0),
        ("NN", pytest.approx(2 / 3), 1, pytest.approx(0.8), 2),
        ("VB", 0, 0, 0, 1),
    ]
    assert tagging.accuracy(gold, predicted) == 0.5


def check(gold, predicted, expected):
    names = {"precision": "precision", "recall": "recall", "f1": "entity_f1",
             "accuracy": "accuracy"}
    for name, function in names.items():
        found = getattr(tagging, function)(gold, predicted)
        assert found == pytest.approx(expected[name], abs=1e-9), name
    rows = tagging.per_label_report(gold, predicted)
    assert [row.label for row in rows] == list(expected["labels"])
    for row in rows:
        assert np.allclose(row[1:], expected["labels"][row.label], rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["scheme"])
def test_drawn_tags_score_as_seqeval_said(case):
    gold, predicted = ([line.split() for line in case[side]] for side in ("gold", "predicted"))
    for tags, expected in zip(gold, case["entities"], strict=True):
        assert [[e.label, e.start, e.stop - 1] for e in entities(tags)] == expected
    check(gold, predicted, case["scores"])


@pytest.mark.parametrize("name", GOLDEN["corpora"])
def test_damaged_corpora_score_as_seqeval_said(name, shared_data):
    gold = corpus_tags(shared_data / name)
    check(gold, damaged(gold, SEED, SHARE), GOLDEN["corpora"][name])


@pytest.mark.parametrize("scheme", PREFIXES)
def test_thousands_of_drawn_tags_score_as_seqeval_says(scheme, seqeval_scores):
    from seqeval.metrics.sequence_labeling import get_entities

    draw = random.Random(scheme)
    sentences = []
    for _ in range(2000):
        sentences.append(drawn_tags(draw, scheme, 1 + int(12 * draw.random())))
        found = [(e.label, e.start, e.stop - 1) for e in entities(sentences[-1])]
        assert found == get_entities(sentences[-1]), sentences[-1]
    for first in range(0, 2000, 10):
        gold = sentences[first : first + 10]
        predicted = damaged(gold, first, 0.3)
        check(gold, predicted, seqeval_scores(gold, predicted))


@pytest.mark.parametrize("name", ("conll2003/test.txt", "conll2000/train.txt"))
@pytest.mark.parametrize("share", (0.0, 0.02, 0.5))
@pytest.mark.slow
def test_damaged_corpora_score_as_seqeval_says(name, share, seqeval_scores, shared_data):
    gold = corpus_tags(shared_data / name)[:500]
    predicted = damaged(gold, 3, share)
    check(gold, predicted, seqeval_scores(gold, predicted))


@pytest.mark.parametrize(
    ("gold", "predicted", "message"),
    [
        ([["O"]], [], "0 tagged sentences for 1"),
        ([["O"], ["O"]], [["O"], []], "sentence 2 has 1 tokens and 0 predicted tags"),
        ([], [], "no token to score"),
        ([[]], [[]], "no token to score"),
        ([["O"]], [["NN"]], "tag 'NN': .* score other tags with accuracy"),
        ([["BPER"]], [["O"]], "tag 'BPER'"),
        ([["U-PER"]], [["O"]], "tag 'U-PER'"),
    ],
)
def test_mistakes_name_what_to_mend(gold, predicted, message):
    with pytest.raises(UserError, match=message):
        tagging.entity_f1(gold, predicted)
