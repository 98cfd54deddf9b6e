"""What a fresh process reports is judged: each thing that is amiss is found."""

import base64
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.graph import Graph
from tests.serving.small_runs import dev_examples, small_run
from tfglue.errors import UserError
from tfglue.serving.comparison_requests import comparison_requests
from tfglue.serving.facts import ExportFacts
from tfglue.serving.verification import check_report

LOADERS = ("tf.saved_model.load", "tf.compat.v1.saved_model.load")


def encoded(outputs):
    return {
        name: base64.b64encode(tf.make_tensor_proto(value).SerializeToString()).decode()
        for name, value in outputs.items()
    }


@pytest.fixture(scope="module")
def judged():
    """Judges a report, true but for what `change` makes of it."""
    graph = Graph(small_run("rte"), traced=False)
    facts = ExportFacts(
        model="rte", version=1, run="rte", weights="float32", parameters=10, bytes=1000,
        encoder={}, versions={}, tasks=graph.tasks, metrics={},
        signatures={
            one.name: {"form": one.form, "task": one.task, "inputs": {}, "outputs": {}}
            for one in graph.signatures.values()
        },
    )
    asked = list(comparison_requests(facts, {"rte": dev_examples("rte", 20)}))
    answers = [graph.ask(own.signature, **one) for own in asked for one in own.requests]

    def judge(change=lambda report, answers: None, **changes):
        report = {
            "ops": {"core": ["Add", "Mul"], "tensorflow_text": ["NormalizeUTF8"], "unknown": []},
            "foreign_modules": [], "variables_bytes": 1010, "warmup_requests": 12,
        }
        own = {loader: [dict(one) for one in answers] for loader in LOADERS}
        change(report, own)
        report["answers"] = {loader: list(map(encoded, many)) for loader, many in own.items()}
        return check_report(
            Path("place"), replace(facts, **changes), report, asked, graph.answer
        )

    return judge


def test_a_true_report_is_told_in_a_sentence(judged):
    found = judged()
    assert set(found.differences) == {"serving_default", "examples"}
    assert max(found.differences.values()) < 1e-6 and found.operations == (2, 1)
    assert "12 warm-up requests" in str(found) and "1.010 times" in str(found)


def wrong_answer(report, answers):
    one = answers[LOADERS[1]][2]
    one["probabilities"] = one["probabilities"] + np.float32(2e-5)


def not_a_number(report, answers):
    one = answers[LOADERS[0]][0]
    one["score"] = one["score"] * np.float32(np.nan)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda report, _: report["foreign_modules"].append("keras"), "it needed keras"),
        (lambda report, _: report["ops"]["unknown"].append("MyOp"), "MyOp are operations of neith"),
        (lambda report, _: report.update(variables_bytes=2000), "2.000 times the bytes"),
        (lambda report, _: report.update(warmup_requests=0), "of the warm-up requests none"),
        (wrong_answer, r"serving_default, loaded by tf.compat.v1.saved_model.load, differs by 2"),
        (not_a_number, "gives answers that are no numbers"),
    ],
)
def test_what_is_amiss_is_found(judged, change, message):
    with pytest.raises(UserError, match=message):
        judged(change)


def test_of_smaller_weights_the_difference_is_noted(judged):
    found = judged(wrong_answer, weights="int8")
    assert found.differences["serving_default"] == pytest.approx(2e-5, rel=0.1)
