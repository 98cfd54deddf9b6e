"""Answers read off logits in the graph are those that `SpanPredictions` reads off."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tests.predictions.test_spans import CONTEXTS, TOKENIZER, predicted
from tfglue.data.span_features import SpanWindowing, span_features
from tfglue.predictions.predictions import Outputs
from tfglue.serving.question_rows import question_rows
from tfglue.serving.span_decoding import SpanDecoding

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))]


def decoded(found):
    """The graph's answers for the questions and logits of `found`."""
    examples = found.examples
    contexts = [examples.context(number) for number in range(len(examples))]
    rows = question_rows(
        TOKENIZER, SpanWindowing(11, 3, 64, negatives=True), tf.constant(examples.texts),
        tf.constant(contexts),
    )
    decoding = SpanDecoding(found.n_best_size, found.max_answer_length, found.null_threshold)
    outputs = decoding(rows, tf.constant(found.outputs.logits))
    return {name: value.numpy() for name, value in outputs.items()}


def check(found):
    outputs = decoded(found)
    records = found.records()
    assert [answer.decode() for answer in outputs["answer"]] == [r["label"] for r in records]
    for name in ("start", "end"):
        assert outputs[name].tolist() == [record[name] for record in records]
    assert np.allclose(outputs["score"], [record["score"] for record in records], atol=1e-7)
    assert ("null_score_difference" in outputs) == (found.null_threshold is not None)
    if found.null_threshold is not None:
        assert np.allclose(outputs["null_score_difference"], found.null_differences, rtol=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("null_threshold", [None, -3.0, 0.0, 4.0])
@pytest.mark.parametrize(("n_best_size", "longest"), [(200, 4), (3, 4), (1, 1), (20, 30)])
def test_answers_of_random_logits(seed, null_threshold, n_best_size, longest):
    check(predicted(seed, null_threshold, n_best_size, longest))


@pytest.mark.parametrize("seed", SEEDS)
def test_ties_are_decided_alike(seed):
    found = predicted(seed, null_threshold=0.0, n_best_size=5)
    check(replace(found, outputs=Outputs(np.round(found.outputs.logits / 3), None)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("null_threshold", [None, 0.0])
def test_a_text_that_stands_in_several_places_counts_once(seed, null_threshold):
    before = predicted(seed)
    examples = replace(before.examples, contexts=["a b a b a b a b", "b b b b b", *CONTEXTS[2:]])
    features = span_features(examples, TOKENIZER, SpanWindowing(11, 3, 64, negatives=True))
    logits = np.random.default_rng(seed).normal(size=(len(features.token_ids), 2)) * 3
    check(replace(
        before, examples=replace(examples, answers=None), features=features, n_best_size=4,
        null_threshold=null_threshold, outputs=Outputs(logits.astype(np.float32), None),
    ))
