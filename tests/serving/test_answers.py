"""The graph answers as the run does: every kind, adapter and head."""

import numpy as np
import pytest
import tensorflow as tf

from tests.adapters.adapted_model import NAMES
from tests.serving.graph import Graph
from tests.serving.small_runs import TASKS, dev_examples, small_run
from tfglue.serving.warmup import serialized

# Hundreds of windows, one operation at a time.
LONG = ("squad", "squad2_answerable")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in (*LONG, "squad2") else [])
     for name in TASKS],
)
def test_dev_examples_are_answered_as_the_run_does(graphs, name):
    graph, examples = graphs(name), dev_examples(name, 30 if name in LONG else 100)
    ours, outputs = graph.answer(name, examples), graph.ask_text(name, examples)
    assert graph.tasks[name].difference(ours, outputs).max() < 1e-5
    found = graph.tasks[name].predictions(examples, outputs)
    for own, record in zip(ours.records(), found.records(), strict=True):
        assert own.keys() == record.keys()
        for key, value in own.items():
            numbers = np.asarray(value).dtype.kind == "f"
            assert record[key] == (pytest.approx(value, abs=1e-5) if numbers else value)
    assert found.metrics() == pytest.approx(ours.metrics(), abs=1e-5)
    assert len({str(record) for record in found.records()}) == len(examples)


@pytest.mark.parametrize("name", ["rte", "squad2", "ner"])
def test_serialised_examples_are_answered_like_text(graphs, name):
    graph = graphs(name)
    request = graph.tasks[name].request(dev_examples(name, 9))
    expected = graph.ask("serving_default", **request)
    found = graph.ask("examples", examples=serialized(request))
    for key, values in expected.items():
        same = np.array_equal if values.dtype == object else np.allclose
        assert same(found[key], values), key
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Could not parse|not found|required"):
        graph.ask("examples", examples=np.array([b"no example", b"\x01"], object))


@pytest.mark.parametrize(
    "adapter",
    [pytest.param(name, marks=[] if name == "pal" else pytest.mark.slow) for name in NAMES],
)
def test_runs_with_adapters_are_answered_as_the_run_does(adapter):
    graph = Graph(small_run("sst,ner", adapter), traced=False)
    for name in ("sst", "ner"):
        assert graph.difference(name, dev_examples(name, 12)) < 1e-5


@pytest.mark.parametrize(
    ("name", "head"),
    [("rte", "adapter_pooler:size=5"), ("rte", "adapter_pooler:size=5,tokens=first,pooled=true"),
     ("rte", "adapter_pooler:size=5,tokens=flatten,length=30"),
     ("squad2", "adapter_pooler:size=5,order=both"),
     ("ner", "adapter_pooler:size=5,pooling=softmax"),
     ("rte", "san"), ("stsb", "san:average=false,steps=2"), ("squad2_answerable", "san:steps=2")],
)
@pytest.mark.slow
def test_runs_with_other_heads_are_answered_as_the_run_does(name, head):
    graph = Graph(small_run(name, head=head), traced=False)
    assert graph.difference(name, dev_examples(name, 12)) < 1e-5
