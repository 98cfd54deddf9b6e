import numpy as np
import pytest
from scipy.special import log_softmax

from tests.training.small_model import TASK_KINDS, small_features, small_model
from tfglue.data.batches import padded_batch
from tfglue.data.examples import TextExamples
from tfglue.data.features import Features
from tfglue.kinds import KINDS
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.rows import ClassPredictions, ScorePredictions
from tfglue.tasks.task import Task
from tfglue.training.prediction import Predictor, row_losses


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_logits_come_in_the_order_of_the_rows_whatever_the_batch(batch_size):
    model, features = small_model(dropout=0.5), small_features()
    expected = [
        model({n: v for n, v in batch.items() if n not in ("labels", "row_mask")}, task="nli")[0]
        for batch in (padded_batch(features, np.array([row])) for row in range(len(features)))
    ]
    found = Predictor(model, TASK_KINDS, batch_size).outputs("nli", features)
    assert np.allclose(found.logits, expected, atol=1e-5)
    losses = TASK_KINDS["nli"].losses({"labels": features.labels}, np.array(expected))
    assert np.allclose(found.losses, losses, atol=1e-5)


@pytest.mark.parametrize("task", TASK_KINDS)
def test_losses_of_given_logits_are_those_of_the_model(task):
    model, features = small_model(), small_features(task)
    outputs = Predictor(model, TASK_KINDS).outputs(task, features)
    for batch_size in (5, 64):
        found = row_losses(TASK_KINDS[task], features, outputs.logits, batch_size)
        assert np.allclose(found, outputs.losses, atol=1e-6)


@pytest.mark.parametrize("kind", ["span", "tag"])
def test_losses_of_every_token_see_no_padding(kind):
    lengths, random = np.array([3, 7, 1, 5]), np.random.default_rng(4)
    splits = np.concatenate([[0], np.cumsum(lengths)])
    logits = random.normal(size=(lengths.sum(), 2)) * 3
    if kind == "span":
        labels = np.stack([lengths // 3, lengths // 2], axis=1).astype(np.int32)
    else:
        labels = random.integers(-1, 2, size=lengths.sum()).astype(np.int32)
    features = Features(
        token_ids=np.ones(lengths.sum(), np.int32), row_splits=splits, labels=labels,
        first_lengths=lengths.astype(np.int32), label_per_token=kind == "tag",
    )
    expected = []
    for row, begin in enumerate(splits[:-1]):
        own = logits[begin : splits[row + 1]]
        if kind == "span":
            chosen = log_softmax(own, axis=0)[labels[row], [0, 1]]
            expected.append(-chosen.mean())
        else:
            tags = labels[begin : splits[row + 1]]
            expected.append(-log_softmax(own, axis=1)[np.flatnonzero(tags >= 0),
                                                      tags[tags >= 0]].sum())
    for batch_size in (1, 3, 64):
        assert np.allclose(row_losses(KINDS.get(kind), features, logits, batch_size), expected,
                           atol=1e-5)


def predictions(kind, task, logits):
    ids = [str(number) for number in range(len(logits))]
    examples = TextExamples(ids=ids, origin="here", texts=(ids,), labels=None)
    return kind(task, examples, None, Outputs(logits, None))


def test_records_hold_nine_digits_and_scores_are_clipped():
    task = Task("x", "regress", ("text",), ("pearson",), score_range=(0.0, 5.0))
    logits = np.array([[-1.0], [2.123456789123], [7.0]], np.float32)
    records = predictions(ScorePredictions, task, logits).records()
    assert [record["score"] for record in records] == [0.0, float(f"{logits[1, 0]:.9g}"), 5.0]
    free = Task("x", "regress", ("text",), ("pearson",))
    assert predictions(ScorePredictions, free, logits).values[2] == 7.0


def test_tables_have_a_header_even_without_rows():
    task = Task("x", "classify", ("text",), ("accuracy",), labels=("no", "yes"))
    none = np.zeros((0, 2), np.float32)
    assert predictions(ClassPredictions, task, none).text().startswith("id\tlabel")
