import numpy as np
import pytest

from tests.training.small_model import small_features, small_model
from tfglue.data.batches import padded_batch
from tfglue.predictions import Predictions
from tfglue.tasks.task import Task
from tfglue.training.prediction import Predictor


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_logits_come_in_the_order_of_the_rows_whatever_the_batch(batch_size):
    model, features = small_model(dropout=0.5), small_features()
    expected = [
        model({n: v for n, v in batch.items() if n not in ("labels", "row_mask")}, task="nli")[0]
        for batch in (padded_batch(features, np.array([row])) for row in range(len(features)))
    ]
    found = Predictor(model, batch_size).logits("nli", features)
    assert np.allclose(found, expected, atol=1e-5)


def test_records_hold_nine_digits_and_scores_are_clipped():
    task = Task("x", "regress", ("text",), ("pearson",), score_range=(0.0, 5.0))
    logits = np.array([[-1.0], [2.123456789123], [7.0]], np.float32)
    records = Predictions(task, ["a", "b", "c"], logits).records()
    assert [record["score"] for record in records] == [0.0, float(f"{logits[1, 0]:.9g}"), 5.0]
    free = Task("x", "regress", ("text",), ("pearson",))
    assert Predictions(free, ["a", "b", "c"], logits).values[2] == 7.0


def test_tables_have_a_header_even_without_rows():
    task = Task("x", "classify", ("text",), ("accuracy",), labels=("no", "yes"))
    assert Predictions(task, [], np.zeros((0, 2), np.float32)).to_tsv().startswith("id\tlabel")
