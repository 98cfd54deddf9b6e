"""SQuAD's scores by hand, and against the numbers of the official script."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.reference.perturbed_answers import DRAWN, SEED, drawn_answers, drawn_dataset
from tfglue.errors import UserError
from tfglue.metrics import span
from tfglue.metrics.null_threshold import best_threshold

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "reference" / "squad_golden.json").read_text(encoding="utf-8")
)


def question(identity, *answers):
    return {"id": identity, "answers": [{"text": text, "answer_start": 0} for text in answers]}


def dataset(*questions):
    return [{"title": "t", "paragraphs": [{"context": "", "qas": list(questions)}]}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The  Cat", "cat"),
        ("a an the", ""),
        ("theatre, an-other and Anna", "theatre another and anna"),
        ("U.S.A.", "usa"),
        ("A.", ""),  # Punctuation goes first, which leaves an article.
        ("the-end", "theend"),
        ("a—b", "—b"),  # A dash outside ASCII stays, and parts words.
        ("“The End”", "“ end”"),
        ("É\u00a0tude\n", "é tude"),
        ("a\u0301", "\u0301"),  # To the script a combining mark is no letter: an article goes.
        ("漢字 ½", "漢字 ½"),
    ],
)
def test_answers_are_normalised_in_the_official_order(text, expected):
    assert span.normalize_answer(text) == expected


def test_exact_match_and_f1_by_hand():
    assert span.exact_match("the U.S.", ["Us", "America"]) == 1.0
    assert span.exact_match("U.S. of America", ["Us", "America"]) == 0.0
    # Two of three words are right, two of two are found.
    assert span.f1("in the old town", ["Old Town!", "x"]) == pytest.approx(0.8, abs=1e-12)
    # A repeated word counts as often as both sides have it: 2 of 3 and 2 of 2.
    assert span.f1("no no no", ["no no"]) == pytest.approx(0.8, abs=1e-12)
    assert span.f1("town", ["city", "village"]) == 0.0


@pytest.mark.parametrize(
    ("prediction", "golds", "expected"),
    [
        ("", [], 1.0),
        ("the", [], 1.0),
        ("x", [], 0.0),
        ("", ["x"], 0.0),
        (".", ["x"], 0.0),
        ("", ["The"], 1.0),  # Gold answers of nothing do not count: no answer is right.
        ("", ["the", "x"], 0.0),
        ("x", ["the", "x"], 1.0),
    ],
)
def test_no_answer_on_either_side(prediction, golds, expected):
    assert span.exact_match(prediction, golds) == expected
    assert span.f1(prediction, golds) == expected


def test_question_scores_are_arrays_of_single_questions():
    scores = span.question_scores(["Old town", "", "x"], [["the old town", "y"], ["y"], []])
    assert scores.exact.tolist() == [1, 0, 0]
    assert scores.f1.tolist() == [1, 0, 0]
    assert scores.has_answer.tolist() == [True, True, False]
    assert scores.answered.tolist() == [True, False, True]
    cut = scores.with_threshold(np.array([0.5, 0.2, 0.6]), 0.5)
    assert cut.exact.tolist() == cut.f1.tolist() == [1, 0, 1]
    assert cut.answered.tolist() == [True, False, False]
    with pytest.raises(UserError, match="1 predictions for 2 questions"):
        span.question_scores(["x"], [[], []])


@pytest.mark.parametrize("name", GOLDEN)
def test_scores_are_those_of_the_official_script(name, request):
    if name in DRAWN:
        data = drawn_dataset(*DRAWN[name])
    else:
        path = request.getfixturevalue("shared_data") / "squad" / f"{name}.json"
        data = json.loads(path.read_text(encoding="utf-8"))["data"]
    predictions, null_scores = drawn_answers(data, SEED)
    for threshold, expected in GOLDEN[name].items():
        if threshold == "none":
            found = span.squad_scores(data, predictions)
        else:
            found = span.squad_scores(data, predictions, null_scores, float(threshold))
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert found[key] == pytest.approx(value, abs=1e-9), (threshold, key)


def test_a_small_evaluation_by_hand():
    data = dataset(question("a", "blue"), question("b", "red car"), question("c"), question("d"))
    predictions = {"d": "sky", "a": "blue", "b": "car", "c": ""}
    plain = span.squad_scores(data, predictions)
    assert plain == {
        "exact": 50.0, "f1": pytest.approx(100 * (1 + 2 / 3 + 1) / 4), "total": 4,
        "HasAns_exact": 50.0, "HasAns_f1": pytest.approx(100 * (1 + 2 / 3) / 2), "HasAns_total": 2,
        "NoAns_exact": 50.0, "NoAns_f1": 50.0, "NoAns_total": 2,
    }
    scores = span.squad_scores(data, predictions, {"a": -2, "c": -1, "b": 1, "d": 2}, 1)
    assert scores["exact"] == 75.0
    assert scores["best_exact"] == 75.0 and scores["best_exact_thresh"] == -2
    assert scores["best_f1_thresh"] == 1
    # a: 1 of 1 right; b: 1 of 3; recall rises to 1/2 at the first and no further.
    assert scores["pr_exact_ap"] == pytest.approx(50.0)
    assert scores["pr_oracle_ap"] == pytest.approx(100 * (1 / 2 + 2 / 3 / 2))


def test_equal_scores_are_searched_in_the_order_of_their_file_as_the_script_does():
    data = dataset(question("a", "x"), question("b"))
    predictions = {"a": "x", "b": "y"}
    assert span.squad_scores(data, predictions, {"a": 0, "b": 0})["best_exact"] == 100.0
    assert span.squad_scores(data, predictions, {"b": 0, "a": 0})["best_exact"] == 50.0


def test_every_form_of_the_data_set_and_files_score_the_same(tmp_path):
    data = drawn_dataset(5, 30, 0.5)
    predictions, null_scores = drawn_answers(data, 5)
    expected = span.squad_scores(data, predictions, null_scores)
    paths = []
    content = {"data": {"version": "v2.0", "data": data}, "texts": predictions, "odds": null_scores}
    for name, value in content.items():
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(value), encoding="utf-8")
    assert span.squad_scores(content["data"], predictions, null_scores) == expected
    assert span.squad_scores(*paths) == expected
    assert span.squad_scores(*map(str, paths)) == expected


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize("seed", range(40))
def test_the_best_threshold_is_that_of_brute_force(seed, official):
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    scores = random.random(count)
    has_answer, answered = random.random((2, count)) < random.random((2, 1))
    scores *= answered
    if official:
        null_scores = random.permutation(count) + 0.5  # The script means scores above 0, no ties.
    else:
        null_scores = random.integers(-5, 5, count).astype(float)

    def total(threshold):
        own = np.where(has_answer, scores, ~answered)
        return np.where(null_scores > threshold, ~has_answer, own).sum()

    found = best_threshold(scores, has_answer, answered, null_scores, official=official)
    tried = [-10.0, *null_scores, 100.0]
    assert found.total == pytest.approx(max(map(total, tried)), abs=1e-9)
    assert found.total == pytest.approx(total(found.value), abs=1e-9)


def test_nothing_to_answer_gets_a_threshold_that_answers_nothing():
    arguments = np.zeros(2), np.zeros(2, bool), np.ones(2, bool), np.array([-3.0, -2.0])
    assert best_threshold(*arguments) == (2.0, -4.0)
    assert best_threshold(*arguments, official=True) == (2.0, 0.0)


DATA = dataset(question("a", "x"), question("b"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((DATA, {}), r"^predictions: 'a' is missing \(2 of 2 "),
        ((DATA, {"a": ""}), r"^predictions: 'b' is missing \(1 of 2 "),
        ((DATA, {"a": "", "b": "", "c": ""}), r"^predictions: 'c' is no question .*\(1 are not\)"),
        ((DATA, {"a": "", "b": None}), "^predictions: 'b' has None; give text"),
        ((DATA, ["", ""]), "^predictions: expected an object"),
        ((DATA, {"a": "", "b": ""}, {"a": 0}), "^no_answer_scores: 'b' is missing"),
        ((DATA, {"a": "", "b": ""}, {"a": 0, "b": np.nan}), "'b' has nan; give a finite number"),
        ((DATA, {"a": "", "b": ""}, {"a": 0, "b": "1"}), "'b' has '1'; give a finite number"),
        (([], {}), "^dataset: holds no question"),
        (("none.json", {}), "none.json: no such file"),
        (({"version": 1}, {}), "^dataset: expected a list under 'data'"),
        ((3, {}), "^dataset: expected a list under 'data'"),
        (([{}], {}), r"^dataset: data\[0\]: expected a list under 'paragraphs'"),
        ((dataset({"id": "a"}), {}), r"data\[0\].paragraphs\[0\].qas\[0\]: .* under 'answers'"),
        ((dataset({"id": 3}), {}), r"qas\[0\]: expected a text under 'id'"),
        ((dataset({"id": "a", "answers": ["x"]}), {}), r"answers\[0\]: expected a text under 't"),
        ((dataset(question("a"), question("a")), {}), r"qas\[1\]: the id 'a' stands twice"),
    ],
)
def test_mistakes_name_what_to_mend(arguments, message):
    with pytest.raises(UserError, match=message) as caught:
        span.squad_scores(*arguments)
    assert "\n" not in str(caught.value)
