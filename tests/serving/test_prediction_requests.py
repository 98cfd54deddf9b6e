"""Requests that we write are those that TensorFlow Serving's own protos read."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.graph import Graph
from tests.serving.small_runs import TOKENIZER, small_run
from tfglue.serving.fresh_process import read_requests
from tfglue.serving.prediction_requests import write_requests
from tfglue.serving.warmup import example_inputs, warmup_requests

REQUESTS = [
    ("serving_default", {"text": np.array([b"a \xff\0 b", b""], object)}),
    ("token_ids", {"token_ids": np.arange(6, dtype=np.int32).reshape(2, 3)}),
]


@pytest.fixture
def path(tmp_path):
    write_requests(tmp_path / "extra" / "requests", "films", REQUESTS)
    return tmp_path / "extra" / "requests"


def test_the_servers_own_protos_read_them(path):
    logs = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2", reason="needs the extra 'serve'"
    )
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    assert len(records) == len(REQUESTS)
    for record, (signature, inputs) in zip(records, REQUESTS, strict=True):
        log = logs.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "films"
        assert request.model_spec.signature_name == signature
        assert request.inputs.keys() == inputs.keys()
        for name, value in inputs.items():
            assert np.array_equal(tf.make_ndarray(request.inputs[name]), value)


def test_they_are_read_without_those_protos_too(path):
    found = read_requests(path)
    assert [signature for signature, _ in found] == ["serving_default", "token_ids"]
    for (_, inputs), (_, expected) in zip(found, REQUESTS, strict=True):
        assert all(np.array_equal(inputs[name], value) for name, value in expected.items())


@pytest.mark.parametrize("names", ["sst", "squad2,ner,rte"])
def test_every_signature_is_warmed_up_with_what_it_takes(names):
    graph = Graph(small_run(names), traced=False)
    signatures = list(graph.signatures.values())
    requests = warmup_requests(signatures, graph.tasks, TOKENIZER)
    assert len(requests) == 4 * len(signatures)
    for signature, inputs in requests[::3]:
        for values in graph.ask(signature, **inputs).values():
            assert len(values) in (1, 8)
            assert values.dtype == object or np.isfinite(values).all()
    short = example_inputs(signatures[0], graph.tasks, TOKENIZER, batch=2, words=3)
    assert all(len(values) == 2 for values in short.values())
