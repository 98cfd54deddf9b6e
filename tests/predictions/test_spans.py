"""The best spans of questions, against a search over all of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tfglue.data.questions import Questions
from tfglue.data.span_features import SpanWindowing, span_features
from tfglue.data.tokenizer import BertTokenizer
from tfglue.kinds import KINDS
from tfglue.metrics.span import squad_scores
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.spans import SpanPredictions
from tfglue.tasks.task import Task

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "?", *"abcdefghijklmnopqrstuvwxyz"]
TOKENIZER = BertTokenizer(WORDS, lower_case=True)
TASK = Task("squad2", "span", ("question", "context"), ("f1", "exact_match"), negatives=True)
CONTEXTS = ["a b c d e f g h i j k l m n o p", "q r  s\tt", " "]


def predicted(seed=0, null_threshold=0.0, n_best_size=200, max_answer_length=4, scale=3.0):
    questions = Questions(
        ids=["long", "odd", "empty", "none"], origin="here", texts=["x ?"] * 4, contexts=CONTEXTS,
        context_of=np.array([0, 1, 2, 1], np.int32),
        answers=[[("d e", 6)], [("s\tt", 5), ("t", 7)], [], []],
    )
    features = span_features(questions, TOKENIZER, SpanWindowing(11, 3, 64, negatives=True))
    logits = np.random.default_rng(seed).normal(size=(len(features.token_ids), 2)) * scale
    outputs = Outputs(logits.astype(np.float32), np.zeros(len(features), np.float32))
    return SpanPredictions(
        TASK, questions, features, outputs, n_best_size, max_answer_length, null_threshold
    )


def every_span(found, question):
    """Text -> best score, over all pairs of tokens that may be an answer."""
    features, logits, best = found.features, found.outputs.logits.astype(np.float64), {}
    begin, end = features.question_splits[question : question + 2]
    for row in range(begin, end):
        tokens = range(*features.row_splits[row : row + 2])
        for first in tokens:
            for last in tokens:
                fits = first <= last < first + found.max_answer_length
                of_passage = min(features.starts[[first, last]]) >= 0
                if fits and of_passage and features.most_context[first]:
                    context = found.examples.context(question)
                    text = context[features.starts[first] : features.ends[last]]
                    score = logits[first, 0] + logits[last, 1]
                    best[text] = max(best.get(text, -np.inf), score)
    return best


@pytest.mark.parametrize("seed", range(5))
def test_with_enough_candidates_the_search_finds_the_best_of_all(seed):
    found = predicted(seed)
    for question in range(4):
        expected = sorted(every_span(found, question).items(), key=lambda pair: -pair[1])
        best = [(span.text, span.score) for span in found.n_best[question]]
        assert [text for text, _ in best] == [text for text, _ in expected]
        assert np.allclose([s for _, s in best], [s for _, s in expected], atol=1e-5)


def test_candidates_and_answers_are_limited():
    assert all(len(best) <= 3 for best in predicted(n_best_size=3).n_best)
    for best in predicted(max_answer_length=1).n_best:
        assert all(len(span.text) == 1 for span in best)


def test_having_no_answer_scores_as_cls_where_that_is_least():
    found = predicted()
    features = found.features
    for question, null in enumerate(found.null_spans):
        rows = range(*features.question_splits[question : question + 2])
        scores = [found.outputs.logits[features.row_splits[row]].sum() for row in rows]
        assert null.score == pytest.approx(min(scores), abs=1e-5)


def test_the_threshold_decides_what_is_left_unanswered():
    found = predicted()
    for threshold in (-100.0, *found.null_differences[:2], 100.0):
        answers = replace(found, null_threshold=float(threshold)).answers
        for difference, span in zip(found.null_differences, answers, strict=True):
            assert (span.text == "") == (difference > threshold)
    assert all(span.text for span in replace(found, null_threshold=None).answers[:2])
    assert found.answers[2].text == ""


def test_scores_are_the_official_ones():
    found = predicted(null_threshold=1.0)
    dataset = [{"paragraphs": [
        {"context": found.examples.context(q), "qas": [{
            "id": found.examples.ids[q], "question": "x ?",
            "answers": [{"text": t, "answer_start": s} for t, s in found.examples.answers[q]],
            "is_impossible": not found.examples.answers[q],
        }]} for q in range(4)
    ]}]
    files = {name: json.loads(text) for name, text in found.files().items()}
    official = squad_scores(dataset, files["/predictions.json"])
    scores = found.score()
    assert scores["f1"] * 100 == pytest.approx(official["f1"])
    assert scores["exact_match"] * 100 == pytest.approx(official["exact"])
    assert scores["has_answer_f1"] * 100 == pytest.approx(official["HasAns_f1"])
    assert scores["no_answer_f1"] * 100 == pytest.approx(official["NoAns_f1"])
    assert files["/official.json"]["f1"] == pytest.approx(official["f1"])
    assert files["/official.json"]["best_f1"] >= official["f1"] - 1e-9
    assert list(files["/null_odds.json"]) == found.examples.ids


def test_probabilities_of_the_best_answers_add_up():
    files = predicted().files()
    for best in json.loads(files["/nbest_predictions.json"]).values():
        assert sum(span["probability"] for span in best) == pytest.approx(1)
        totals = [span["start_logit"] + span["end_logit"] for span in best]
        assert totals == sorted(totals, reverse=True)
        texts = [span["text"] for span in best]
        assert len(set(texts)) == len(texts)


def test_records_tell_where_the_answer_stands():
    found = predicted(null_threshold=100.0)
    for record, question in zip(found.records(), range(4), strict=True):
        context = found.examples.context(question)
        assert record["label"] == context[record["start"] : record["end"]]
    assert "\t" not in found.text().splitlines()[2].split("\t", 1)[1].split("\t")[0]


def test_plots_come_with_questions_that_have_answers(tmp_path):
    predicted().write(tmp_path / "dev")
    assert {path.name for path in (tmp_path / "dev").iterdir()} == {
        "predictions.json", "nbest_predictions.json", "null_odds.json", "official.json",
        "answering.png", "answering.csv",
    }


def test_the_threshold_is_tuned_to_the_best_f1():
    found = predicted()
    tuned = KINDS.get("span").calibrate(found)["null_score_diff_threshold"]
    best = replace(found, null_threshold=tuned).metrics()["f1"]
    for threshold in (-100.0, *found.null_differences, 100.0):
        assert replace(found, null_threshold=float(threshold)).metrics()["f1"] <= best + 1e-12
