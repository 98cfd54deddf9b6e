"""Rows of token ids, as clients with a tokenizer of their own send them."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.small_runs import TOKENIZER, dev_examples


def padded(features, rows: int) -> dict[str, np.ndarray]:
    """Rows of features as a client pads them."""
    lengths = features.lengths[:rows]
    place = np.arange(lengths.max() + 3)
    inside = place < lengths[:, None]
    token_ids = np.full(inside.shape, TOKENIZER.pad_id, np.int32)
    token_ids[inside] = features.token_ids[: features.row_splits[rows]]
    second = inside & (place >= features.first_lengths[:rows, None])
    return {"token_ids": token_ids, "segment_ids": second.astype(np.int32)}


@pytest.mark.parametrize("name", ["sst", "rte", "stsb"])
def test_rows_of_token_ids_are_answered_like_their_text(graphs, name):
    graph, examples = graphs(name), dev_examples(name, 9)
    features = graph.answer(name, examples).features
    inputs = padded(features, 9)
    if name == "sst":
        del inputs["segment_ids"]
    found = graph.ask("token_ids", **inputs)
    expected = graph.ask("serving_default", **graph.tasks[name].request(examples))
    key = "score" if name == "stsb" else "probabilities"
    assert np.allclose(found[key], expected[key], atol=1e-6)


def test_rows_of_token_ids_have_an_answer_for_every_token(graphs):
    for name, keys in (("squad2", ("start_logits", "end_logits")), ("ner", ("tags", "scores"))):
        graph = graphs(name)
        own = graph.answer(name, dev_examples(name, 5))
        inputs = padded(own.features, 3)
        if name == "ner":
            del inputs["segment_ids"]
        found = graph.ask("token_ids", **inputs)
        for row in range(3):
            begin, end = own.features.row_splits[row : row + 2]
            for column, key in enumerate(keys):
                values = found[key][row, : end - begin]
                if name == "squad2":
                    expected = own.outputs.logits[begin:end, column]
                    assert np.allclose(values, expected, atol=1e-4)
                elif key == "tags":
                    best = own.outputs.logits[begin:end].argmax(axis=-1)
                    assert [tag.decode() for tag in values] == [own.task.labels[n] for n in best]


@pytest.mark.parametrize(
    ("token_ids", "segment_ids", "message"),
    [
        ([[2, 9_999, 3]], [[0, 0, 0]], "ids from 0 to"),
        ([[2, -1, 3]], [[0, 0, 0]], "ids from 0 to"),
        ([[2, 5, 3, 5, 3]], [[0, 1, 0, 1, 1]], "zeros for the first text"),
        ([[2] * 25], [[0] * 25], "1 to 24 tokens a row"),
        ([[]], [[]], "1 to 24 tokens a row"),
    ],
)
def test_token_ids_that_make_no_row_are_refused(graphs, token_ids, segment_ids, message):
    inputs = {"token_ids": token_ids, "segment_ids": segment_ids}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        graphs("rte").ask("token_ids", **{n: np.array(v, np.int32) for n, v in inputs.items()})


def test_a_row_of_padding_alone_is_answered(graphs):
    nothing = np.full((2, 4), TOKENIZER.pad_id, np.int32)
    found = graphs("sst").ask("token_ids", token_ids=nothing)
    assert np.isfinite(found["probabilities"]).all()
