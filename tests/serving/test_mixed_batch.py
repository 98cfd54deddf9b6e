"""Batches of several tasks: every row gets the answer of its own task."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.graph import Graph
from tests.serving.small_runs import dev_examples, small_run
from tfglue.serving.comparison_requests import comparison_requests
from tfglue.serving.facts import ExportFacts
from tfglue.serving.forward import Forward

TASKS = ("sst", "rte", "stsb", "squad2", "squad2_answerable", "ner")


@pytest.fixture(scope="module", params=["none", "houlsby"])
def graph(request):
    return Graph(small_run(",".join(TASKS), request.param), traced=False)


def facts(graph: Graph) -> ExportFacts:
    """What `comparison_requests` needs to know."""
    signatures = {
        one.name: {"form": one.form, "task": one.task, "inputs": {}, "outputs": {}}
        for one in graph.signatures.values()
    }
    return ExportFacts(
        model="all", version=1, run="all", weights="float32", parameters=0, bytes=1, encoder={},
        versions={}, tasks=graph.tasks, signatures=signatures, metrics={},
    )


@pytest.mark.slow
def test_rows_of_all_tasks_in_one_batch_are_answered_as_the_run_does(graph):
    examples = {name: dev_examples(name, 9) for name in TASKS}
    (mixed,) = (
        asked for asked in comparison_requests(facts(graph), examples)
        if asked.signature == "serving_default"
    )
    (inputs,) = mixed.requests
    assert len(set(inputs["task"][: len(TASKS)])) == len(TASKS)
    outputs = graph.ask("serving_default", **inputs)
    assert all(len(values) == len(inputs["task"]) for values in outputs.values())
    for name, (own, rows) in mixed.rows.items():
        answers = {key: values[rows] for key, values in outputs.items()}
        assert len(own) == len(rows) > 5
        assert graph.tasks[name].difference(graph.answer(name, own), answers).max() < 1e-5
        if name != "ner":
            assert not answers["words"].any() and not answers["scores"].any()
        if name != "squad2":
            assert set(answers["start"]) == {-1} and not any(answers["answer"])


def test_one_task_alone_and_none_are_batches_too(graph):
    def ask(*rows):
        columns = np.array(rows, object).reshape(-1, 3).T
        return graph.ask(
            "serving_default", **dict(zip(("task", "text_a", "text_b"), columns, strict=True))
        )

    outputs = ask(("sst", "a film", ""))
    alone = graph.ask("sst", text=np.array([b"a film"], object))
    assert outputs["label"] == alone["label"]
    assert np.allclose(outputs["probabilities"][:, :2], alone["probabilities"])
    assert all(len(values) == 0 for values in ask().values())
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"(?s)unknown task \(known: sst, .*ner\):.*\bsts\b"
    ):
        ask(("sst", "a film", ""), ("sts", "a", "b"))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?s)text_b must be empty.*ner"):
        ask(("ner", "who", "what"))


def test_texts_without_adapters_share_passes(graph):
    forward = Forward(graph.weights)
    shared = [name for name in TASKS if forward.shares_passes(name)]
    expected = [] if graph.run.model.adapters else ["sst", "rte", "stsb", "squad2_answerable"]
    assert shared == expected
