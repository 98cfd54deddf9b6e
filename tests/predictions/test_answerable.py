import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from tfglue.data.questions import Questions
from tfglue.data.span_features import SpanWindowing, span_features
from tfglue.data.tokenizer import BertTokenizer
from tfglue.kinds import KINDS
from tfglue.predictions.answerable import AnswerablePredictions
from tfglue.predictions.predictions import Outputs
from tfglue.tasks.task import Task

TOKENIZER = BertTokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefgh"], lower_case=True)
TASK = Task(
    "answerable", "answerable", ("question", "context"), ("average_precision", "accuracy"),
    labels=("answerable", "unanswerable"), negatives=True,
)


def questions():
    answers = [[("b", 2)], [], [("h", 14)], []]
    return Questions(
        ids=list("1234"), origin="here", texts=["a"] * 4, contexts=["a b c d e f g h", "a"],
        context_of=np.array([0, 0, 0, 1], np.int32), answers=answers,
    )


def test_a_question_is_answerable_as_far_as_its_best_window_is():
    asked = questions()
    features = span_features(asked, TOKENIZER, SpanWindowing(8, 4, 8, negatives=True))
    logits = np.random.default_rng(0).normal(size=(len(features), 2)).astype(np.float32)
    found = AnswerablePredictions(TASK, asked, features, Outputs(logits, np.zeros(len(features))))
    of_windows = softmax(logits, axis=1)[:, 0]
    expected = [
        max(of_windows[begin:end]) for begin, end in
        zip(features.question_splits[:-1], features.question_splits[1:], strict=True)
    ]
    assert np.allclose(found.probabilities[:, 0], expected)
    assert len(features) > len(asked)
    unanswerable = [0, 1, 0, 1]
    scores = found.metrics()
    assert scores["average_precision"] == pytest.approx(
        average_precision_score(unanswerable, found.probabilities[:, 1])
    )
    assert scores["accuracy"] == np.mean(found.values == unanswerable)
    assert [record["id"] for record in found.records()] == list("1234")


def test_windows_are_labelled_by_whether_they_show_the_answer():
    class Config:
        max_length, doc_stride, max_query_length, negatives = 8, 4, 8, "auto"

    features = KINDS.get("answerable").encode(TASK, questions(), TOKENIZER, Config)
    shown = [
        [0, 1], [1, 1], [1, 0], [1],  # 0 is answerable
    ]
    assert features.labels.tolist() == [label for labels in shown for label in labels]
    assert KINDS.get("answerable").classes(features) is features.labels


def answered(log_odds, answerable, threshold=0.0):
    """Predictions for questions of one window each, with given log-odds of having no answer."""
    asked = Questions(
        ids=[str(n) for n in range(len(log_odds))], origin="here", texts=["a"] * len(log_odds),
        contexts=["a"], context_of=np.zeros(len(log_odds), np.int32),
        answers=[[("a", 0)] if found else [] for found in answerable],
    )
    features = span_features(asked, TOKENIZER, SpanWindowing(8, 4, 8, negatives=True))
    logits = np.stack([np.zeros(len(log_odds)), log_odds], axis=1).astype(np.float32)
    return AnswerablePredictions(TASK, asked, features, Outputs(logits, None), threshold)


def test_the_threshold_finds_both_classes_best_however_rare_one_is():
    random = np.random.default_rng(0)
    answerable = np.arange(400) >= 28
    log_odds = random.normal(np.where(answerable, -4, -2), 1)
    tuned = KINDS.get("answerable").calibrate(answered(log_odds, answerable))
    found = answered(log_odds, answerable, tuned["null_score_diff_threshold"])

    def balanced(values):
        return balanced_accuracy_score(~answerable, values)

    every = [balanced(log_odds > border) for border in np.sort(log_odds)]
    assert balanced(found.values) == pytest.approx(max(every))
    assert balanced(answered(log_odds, answerable).values) < 0.7 < balanced(found.values)


@pytest.mark.parametrize("answerable", [True, False])
def test_where_all_are_alike_nothing_is_tuned(answerable):
    found = answered(np.array([-1.0, 2.0]), [answerable] * 2)
    assert KINDS.get("answerable").calibrate(found) == {"null_score_diff_threshold": 0.0}
