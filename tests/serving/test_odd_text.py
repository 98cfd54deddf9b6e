"""Text of every sort and length gets an answer, and the run's own where it is text at all."""

import numpy as np
import pytest
import tensorflow as tf

from tests.serving.graph import Graph
from tests.serving.small_runs import TASKS, TRACED, dev_examples, small_run
from tfglue.data.examples import Examples, TextExamples
from tfglue.data.questions import Questions
from tfglue.kinds import KINDS

ODD = [
    "", " ", "\t\n ", "\0", "a\0b", "\u200b", "[CLS] who [SEP] [MASK]", "naïve café 日本 👩‍👩‍👧",
    "x" * 300, "\ufeffthe", "e\u0301\u0323" * 9, "ab\ud800c", "town " * 10_000, "!" * 50,
]


def odd_examples(name: str, texts: list[str]) -> Examples:
    """The odd texts where a task has text: as passages, as words, or as both texts of a pair."""
    ids = [str(number) for number in range(len(texts))]
    if name == "ner":
        return KINDS.get("tag").typed(None, [[text] for text in texts], "here")
    if name.startswith("squad"):
        return Questions(
            ids=ids, origin="here", texts=[text[:20] for text in texts], contexts=texts,
            context_of=np.arange(len(texts), dtype=np.int32), answers=None,
        )
    columns = 1 if name == "sst" else 2
    return TextExamples(ids=ids, origin="here", texts=(texts,) * columns, labels=None)


@pytest.mark.parametrize("name", TRACED)
def test_odd_text_gets_the_answers_of_the_run(graphs, name):
    graph, examples = graphs(name), odd_examples(name, ODD)
    assert graph.difference(name, examples) < 1e-5
    for row in range(len(ODD)):
        one = graph.tasks[name].request(examples.take(np.array([row])))
        for values in graph.ask("serving_default", **one).values():
            assert values.dtype == object or np.isfinite(values).all()
    assert graph.traces["serving_default"] == 1  # Whatever the size of the batch and of the text.


INVALID = [b"\xff", b"the \xc3( town", b"\xed\xa0\x80 was", b"film \xf0\x9f\x98", b"\xc0\xaf"]


@pytest.mark.parametrize("name", TRACED)
def test_what_is_no_utf8_is_read_as_replacement_characters(graphs, name):
    graph = graphs(name)
    replaced = [text.decode("utf-8", "replace") for text in INVALID]
    inputs = graph.tasks[name].request(odd_examples(name, replaced))
    expected = graph.ask("serving_default", **inputs)
    raw = {text.encode(): wire for text, wire in zip(replaced, INVALID, strict=True)}
    for values in inputs.values():
        for place in np.ndindex(values.shape):
            values[place] = raw.get(values[place], values[place])
    found = graph.ask("serving_default", **inputs)
    for key, values in expected.items():
        assert np.array_equal(found[key], values), key
    if "answer" in found:
        assert all(answer.decode() is not None for answer in found["answer"])


@pytest.mark.parametrize("name", TASKS)
def test_no_rows_have_no_answers(graphs, name):
    found = graphs(name).ask_text(name, dev_examples(name, 0))
    assert all(values.shape[0] == 0 for values in found.values())


def test_a_question_without_room_for_its_passage_is_refused():
    graph = Graph(small_run("squad", max_query_length=64), traced=False)
    question = np.array([b"who " * 40], object)
    with pytest.raises(tf.errors.InvalidArgumentError, match="leaves no room for its passage"):
        graph.ask("serving_default", question=question, context=np.array([b"the town"], object))
