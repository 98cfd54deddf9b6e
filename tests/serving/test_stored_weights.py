"""Smaller weights are what they say, and the model is untouched by them."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.graph import Graph
from tests.serving.small_runs import dev_examples, small_run
from tfglue.serving.stored_weights import StoredWeights

WORDS = "encoder.embeddings.word"


@pytest.fixture(scope="module")
def run():
    return small_run("rte,ner", "lora")


def matrices(run) -> dict[str, np.ndarray]:
    return {
        name: np.asarray(weight) for name, weight in run.model.named_weights().items()
        if name == WORDS or (name.endswith(".kernel") and not name.startswith("heads."))
    }


@pytest.mark.parametrize(
    ("dtype", "bytes_each", "error"),
    [("float16", 2, 2**-11), ("bfloat16", 2, 2**-8), ("int8", 1, 1 / 254)],
)
def test_kernels_and_words_take_fewer_bytes_and_lose_as_little_as_that_costs(
    run, dtype, bytes_each, error
):
    stored = StoredWeights(run.model, dtype)
    whole = StoredWeights(run.model, "float32").size
    own = matrices(run)
    spared = sum(value.size * (4 - bytes_each) for value in own.values())
    scales = sum(4 * (len(v) if n == WORDS else v.shape[1]) for n, v in own.items())
    assert whole == sum(np.asarray(w).nbytes for w in run.model.named_weights().values())
    assert stored.size == whole - spared + scales * (dtype == "int8")
    read = stored.kernels("rte")
    assert {name for name in own if name != WORDS and not name.startswith("adapters.ner.")} == set(
        read
    )
    for name, value in read.items():
        largest = np.abs(own[name]).max(axis=0) if dtype == "int8" else np.abs(own[name])
        assert np.all(np.abs(tf.cast(value, tf.float32) - own[name]) <= error * largest + 1e-7)


@pytest.mark.parametrize(("dtype", "most"), [("float16", 0.02), ("bfloat16", 0.3), ("int8", 0.3)])
@pytest.mark.parametrize("name", ["rte", "ner"])
def test_answers_are_nearly_the_same(run, dtype, most, name):
    before = {key: np.asarray(value) for key, value in run.model.named_weights().items()}
    difference = Graph(run, dtype, traced=False).difference(name, dev_examples(name, 20))
    assert 1e-6 < difference < most
    for key, value in run.model.named_weights().items():
        assert np.array_equal(value, before[key])
    assert Graph(run, traced=False).difference(name, dev_examples(name, 20)) < 1e-5
