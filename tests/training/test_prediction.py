import numpy as np
import pytest

from tests.training.small_model import TASK_KINDS, small_features, small_model
from tfglue.data.batches import padded_batch
from tfglue.data.examples import TextExamples
from tfglue.predictions.predictions import Outputs
from tfglue.predictions.rows import ClassPredictions, ScorePredictions
from tfglue.tasks.task import Task
from tfglue.training.prediction import Predictor


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
