"""Ensembles of answers against probabilities that are combined by hand."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import logsumexp, softmax

from tests.predictions.test_answerable import TASK as ANSWERABLE_TASK
from tests.predictions.test_answerable import TOKENIZER as ANSWERABLE_TOKENIZER
from tests.predictions.test_answerable import questions
from tests.predictions.test_spans import every_span, predicted
from tfglue.data.examples import TextExamples
from tfglue.data.span_features import SpanWindowing, span_features
from tfglue.data.tag_features import tag_features
from tfglue.data.tagged_sentences import TaggedSentences
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.kinds import KINDS
from tfglue.predictions.answerable import AnswerablePredictions
from tfglue.predictions.combination import MODES, check_mode, combined_positions
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.rows import ClassPredictions, ScorePredictions
from tfglue.predictions.tags import TagPredictions
from tfglue.tasks.task import Task

BY_HAND = {
    "mean": lambda members: np.mean(members, axis=0),
    "max": lambda members: np.max(members, axis=0),
    "sum": lambda members: np.sum(members, axis=0),
}
CLASSES = Task("x", "classify", ("text",), ("accuracy",), labels=("a", "b", "c"))
SCORES = Task("x", "regress", ("text",), ("pearson",), score_range=(0.0, 5.0))
TAGS = Task("ner", "tag", ("words",), ("entity_f1", "accuracy"), labels=("O", "B-X", "I-X"))


def normalized(values, axis=-1):
    return values / values.sum(axis=axis, keepdims=True)


def texts(labels):
    ids = [str(number) for number in range(len(labels))]
    return TextExamples(ids=ids, origin="here", texts=(ids,), labels=labels)


def classes(probabilities, labels=(0, 1, 2)):
    logits = np.log(np.array(probabilities)) + 3.0  # A softmax takes any constant away.
    examples = texts(np.array(labels, np.int32))
    return ClassPredictions(CLASSES, examples, None, Outputs(logits.astype(np.float32), None))


def tags(seed=0, max_length=8, words=6):
    """Two sentences of words in pieces; short rows make windows of the longer one."""
    tokenizer = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##b"], True)
    sentences = TaggedSentences(
        ids=["0", "1"], origin="here", words=["ab", "a", "b", "a", "abb", "b"][:words],
        row_splits=np.array([0, 4, words]), tags=np.array([1, 2, 0, 0, 1, 0][:words], np.int32),
    )
    features = tag_features(sentences, tokenizer, max_length)
    logits = np.random.default_rng(seed).normal(size=(len(features.token_ids), 3)) * 2
    return TagPredictions(TAGS, sentences, features, Outputs(logits.astype(np.float32), None))


def answerable(seed=0, threshold=0.0):
    asked = questions()
    features = span_features(asked, ANSWERABLE_TOKENIZER, SpanWindowing(8, 4, 8, negatives=True))
    logits = np.random.default_rng(seed).normal(size=(len(features), 2)).astype(np.float32)
    outputs = Outputs(logits, np.zeros(len(features)))
    return AnswerablePredictions(ANSWERABLE_TASK, asked, features, outputs, threshold)


def scores(values):
    logits = np.array(values, np.float32)[:, None]
    examples = texts(np.linspace(0, 5, len(values), dtype=np.float32))
    return ScorePredictions(SCORES, examples, None, Outputs(logits, None))


def test_numbers_that_can_be_checked_in_the_head():
    first = classes([[0.6, 0.3, 0.1], [0.5, 0.5, 1e-30], [0.2, 0.2, 0.6]])
    second = classes([[0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.2, 0.2, 0.6]])
    mean = first.combined([second], "mean")
    assert np.allclose(mean.probabilities[0], [0.35, 0.55, 0.1])
    highest = first.combined([second], "max").probabilities
    assert np.allclose(highest[0], [0.6 / 1.5, 0.8 / 1.5, 0.1 / 1.5])
    assert np.allclose(highest[1], [1 / 3, 1 / 3, 1 / 3])
    assert mean.answer_texts == ["b", "b", "c"] and mean.gold_texts == ["a", "b", "c"]
    assert mean.right.tolist() == [False, True, True]
    # Second in the first row is a, which is right; in the others the first answer is.
    assert mean.second_scores()["accuracy"].tolist() == [1, 0, 0]


@pytest.mark.parametrize("mode", MODES)
def test_classes_of_three_members(mode):
    rng = np.random.default_rng(7)
    probabilities = softmax(rng.normal(size=(3, 20, 3)) * 4, axis=-1)
    members = [classes(own, rng.integers(3, size=20)) for own in probabilities]
    found = members[0].combined(members[1:], mode)
    expected = normalized(BY_HAND[mode](probabilities))
    assert np.allclose(found.probabilities, expected, atol=1e-6)
    assert np.array_equal(found.values, expected.argmax(axis=-1))


@pytest.mark.parametrize("mode", MODES)
def test_starts_and_ends_are_combined_on_their_own_in_every_window(mode):
    members = [predicted(seed) for seed in (1, 2, 3)]
    found = members[0].combined(members[1:], mode)
    for begin, end in pairwise(found.features.row_splits):
        own = np.array([softmax(one.outputs.logits[begin:end], axis=0) for one in members])
        expected = normalized(BY_HAND[mode](own), axis=0)
        assert np.allclose(softmax(found.outputs.logits[begin:end], axis=0), expected, atol=1e-6)
        weights = [logsumexp(one.outputs.logits[begin:end], axis=0) for one in members]
        assert np.allclose(
            logsumexp(found.outputs.logits[begin:end], axis=0), np.mean(weights, axis=0), atol=1e-5
        )
    for question in range(len(found.examples)):  # The search is that of every run.
        best = sorted(every_span(found, question).items(), key=lambda pair: -pair[1])
        assert [span.text for span in found.n_best[question]] == [text for text, _ in best]


def test_an_answer_does_not_end_before_it_begins():
    """Where BERTVision's two independent positions are no answer, ours is the best possible one."""
    one = predicted()
    begin, end = one.features.row_splits[:2]
    inside = begin + np.flatnonzero(one.features.starts[begin:end] >= 0)
    logits = np.zeros_like(one.outputs.logits)
    logits[inside[2], 0], logits[inside[1], 1] = 9.0, 9.0
    members = [replace(one, outputs=Outputs(own, None)) for own in (logits, logits / 2)]
    found = members[0].combined(members[1:], "max")
    first, last = found.outputs.logits[begin:end].argmax(axis=0)
    assert first > last
    span = found.best_spans[0]
    assert span.text and 0 <= span.start < span.end


def test_thresholds_are_averaged():
    assert predicted(null_threshold=1.0).combined([predicted(1, null_threshold=4.0)], "mean"
                                                  ).null_threshold == 2.5
    every = predicted(null_threshold=None)
    assert every.combined([every], "mean").null_threshold is None
    assert answerable(threshold=1.0).combined([answerable(1, 3.0)], "max").threshold == 2.0


@pytest.mark.parametrize("mode", MODES)
def test_tags_are_combined_by_words_however_they_are_cut(mode):
    members = [tags(1, max_length=6), tags(2, max_length=9)]
    assert len(members[0].features) != len(members[1].features)
    found = members[0].combined(members[1:], mode)
    by_word = np.array([softmax(one.word_logits, axis=-1) for one in members])
    expected = normalized(BY_HAND[mode](by_word))
    assert np.allclose(softmax(found.word_logits, axis=-1), expected, atol=1e-6)
    assert found.features is members[0].features
    answers = [TAGS.labels[tag] for tag in expected.argmax(axis=-1)]
    assert found.answer_texts == [" ".join(answers[:4]), " ".join(answers[4:])]
    gold = ["B-X I-X O O", "B-X O"]
    assert found.gold_texts == gold
    assert found.right.tolist() == [a == b for a, b in zip(found.answer_texts, gold, strict=True)]


@pytest.mark.parametrize("mode", MODES)
def test_windows_of_answerable_questions(mode):
    members = [answerable(1), answerable(2)]
    found = members[0].combined(members[1:], mode)
    windows = normalized(BY_HAND[mode]([softmax(one.outputs.logits, axis=1) for one in members]))
    expected = [
        windows[begin:end, 0].max() for begin, end in pairwise(found.features.question_splits)
    ]
    assert np.allclose(found.probabilities[:, 0], expected, atol=1e-6)
    assert found.gold_texts == ["answerable", "unanswerable", "answerable", "unanswerable"]


def test_scores_are_averaged_as_they_are_answered():
    found = scores([1.0, 7.0, -2.0]).combined([scores([2.0, 3.0, 1.0])], "mean")
    assert found.values.tolist() == [1.5, 4.0, 0.5]
    assert found.answer_texts == ["1.5", "4.0", "0.5"] and found.gold_texts == ["0.0", "2.5", "5.0"]
    assert found.right is None and found.second_scores() == {}
    with pytest.raises(UserError, match="too high on average"):
        found.combined([found], "max")
    with pytest.raises(UserError, match="not on their scale"):
        found.combined([found], "sum")


MEMBERS = {
    "classify": lambda: classes(softmax(np.random.default_rng(1).normal(size=(9, 3)) * 30, axis=-1),
                                np.arange(9) % 3),
    "span": lambda: predicted(4, null_threshold=0.5),
    "span without negatives": lambda: predicted(5, null_threshold=None, scale=30.0),
    "answerable": lambda: answerable(6, 0.25),
    "tag": lambda: tags(8),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", MEMBERS)
def test_a_run_and_its_copies_answer_as_it_does(kind, mode):
    one = MEMBERS[kind]()
    found = one.combined([one, one], mode)
    assert found.answer_texts == one.answer_texts
    assert found.metrics() == one.metrics()
    if kind.startswith("span"):
        assert np.allclose(found.null_differences, one.null_differences, atol=1e-5)
        assert [[span.text for span in best] for best in found.n_best] == [
            [span.text for span in best] for best in one.n_best
        ]
        assert np.allclose(found.outputs.logits, one.outputs.logits, atol=1e-5)


def test_scores_and_their_copies():
    one = scores([0.5, 6.0, 2.0, 3.0])
    assert one.combined([one], "mean").metrics() == one.metrics()


def test_second_answers_of_questions_are_scored():
    found = predicted(3, null_threshold=0.0)
    others = []
    for question, given in enumerate(found.answers):
        candidates = [(span.score, span.text) for span in found.n_best[question]]
        candidates.append((found.null_spans[question].score, ""))
        texts = [text for _, text in sorted(candidates, reverse=True) if text != given.text]
        others.append(texts[0] if texts else None)
    golds = [{text.lower() for text, _ in golds} or {""} for golds in found.examples.answers]
    # The articles' "a" is nothing to the official score, so answers without it are compared.
    def plain(text):
        return " ".join(word for word in text.lower().split() if word not in ("a", "an", "the"))

    expected = [
        float(other is not None and plain(other) in {plain(gold) for gold in own})
        for other, own in zip(others, golds, strict=True)
    ]
    scores = found.second_scores()
    assert scores["exact_match"].tolist() == expected
    assert np.all(scores["f1"] >= scores["exact_match"])
    assert found.gold_texts == ["d e", "s\tt | t", "", ""]


def test_hopeless_outcomes_stay_finite():
    logits = np.array([[-4000.0, 0.0], [0.0, -4000.0], [5.0, 5.0]])
    for mode in MODES:
        assert np.isfinite(combined_positions([logits, logits], np.array([0, 2, 3]), mode)).all()


def test_every_kind_is_told_of_a_wrong_mode():
    for kind in KINDS:
        with pytest.raises(UserError, match="unknown value 'maks'; did you mean 'max'"):
            check_mode("maks", kind)
        check_mode("mean", kind)
