"""Windows of questions: what they hold, and that every answer can be read off them again."""

import json
from pathlib import Path

import numpy as np
import pytest

from tfglue.data.questions import Questions
from tfglue.data.reading import read_file
from tfglue.data.span_features import SpanWindowing, span_features
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.metrics.span import normalize_answer
from tfglue.tasks import get
from tfglue.tasks.task import SquadFile

LISTED = Path(__file__).resolve().parents[2] / "docs/results/answers_inside_pieces.json"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "who", "?", "a", "b", "c", "d", "e", "f", "g"]
TOKENIZER = BertTokenizer(WORDS, lower_case=True)


def questions(context="a b c d e f g", answers=((("c d", 4),),), asked="who?"):
    return Questions(
        ids=[str(n) for n in range(len(answers))], origin="here", texts=[asked] * len(answers),
        contexts=[context], context_of=np.zeros(len(answers), np.int32),
        answers=[list(golds) for golds in answers],
    )


def windowing(**changes):
    options = dict(max_length=9, doc_stride=2, max_query_length=64, negatives=True)
    return SpanWindowing(**(options | changes))


def rows_of(features):
    return [
        TOKENIZER.ids_to_tokens(features.token_ids[begin:end])
        for begin, end in zip(features.row_splits[:-1], features.row_splits[1:], strict=True)
    ]


def test_rows_hold_the_question_and_a_part_of_the_passage():
    features = span_features(questions(), TOKENIZER, windowing())
    assert [" ".join(row) for row in rows_of(features)] == [
        "[CLS] who ? [SEP] a b c d [SEP]",
        "[CLS] who ? [SEP] c d e f [SEP]",
        "[CLS] who ? [SEP] e f g [SEP]",
    ]
    assert features.first_lengths.tolist() == [4, 4, 4]
    assert features.question_splits.tolist() == [0, 3]
    assert features.labels.tolist() == [[6, 7], [4, 5], [0, 0]]
    assert features.starts[:9].tolist() == [-1, -1, -1, -1, 0, 2, 4, 6, -1]
    assert features.ends[:9].tolist() == [-1, -1, -1, -1, 1, 3, 5, 7, -1]


def test_windows_without_the_answer_have_no_label_where_there_are_no_negatives():
    features = span_features(questions(), TOKENIZER, windowing(negatives=False))
    assert features.labels.tolist() == [[6, 7], [4, 5], [-1, -1]]
    assert features.loss_terms.tolist() == [1, 1, 0]
    trained = span_features(questions(), TOKENIZER, windowing(negatives=False), training=True)
    assert rows_of(trained) == rows_of(features)[:2]
    assert trained.question_splits.tolist() == [0, 2]
    assert np.array_equal(trained.most_context, features.most_context[: trained.row_splits[-1]])


def test_a_window_with_half_of_the_answer_has_none():
    features = span_features(questions(answers=((("d e", 6),),)), TOKENIZER, windowing())
    assert features.labels.tolist() == [[0, 0], [5, 6], [0, 0]]


def test_unanswerable_questions_point_to_cls():
    features = span_features(questions(answers=((), (("g", 12),))), TOKENIZER, windowing())
    assert features.labels.tolist() == [[0, 0]] * 5 + [[6, 6]]


def test_the_first_gold_answer_is_taught():
    features = span_features(
        questions(answers=((("a", 0), ("g", 12)),)), TOKENIZER, windowing(max_length=20)
    )
    assert features.labels.tolist() == [[4, 4]]


def test_unlabelled_questions_have_windows_too():
    asked = questions()
    unlabelled = Questions(**{**vars(asked), "answers": None})
    features = span_features(unlabelled, TOKENIZER, windowing())
    assert features.labels is None and len(features) == 3


def test_long_questions_are_cut_and_counted():
    features = span_features(questions(asked="who?" * 4), TOKENIZER, windowing(max_query_length=2))
    assert features.truncated == 1
    assert rows_of(features)[0][:4] == ["[CLS]", "who", "?", "[SEP]"]


def test_a_question_as_long_as_the_window_is_named():
    with pytest.raises(UserError, match=r"here: question 0 takes 8 tokens of --max_length 9"):
        span_features(questions(asked="who?" * 4), TOKENIZER, windowing())


def test_an_empty_passage_is_one_empty_window():
    features = span_features(questions(context=" ", answers=((),)), TOKENIZER, windowing())
    assert rows_of(features) == [["[CLS]", "who", "?", "[SEP]", "[SEP]"]]


# Answers that begin or end inside a word piece, so that more than the answer is read back; they are
# listed in docs/results/answers_inside_pieces.json.
INSIDE_A_PIECE = {"train-v2.0.json": 29, "dev-v2.0.json": 2}


@pytest.mark.parametrize("name", INSIDE_A_PIECE)
@pytest.mark.parametrize("case", [pytest.param("uncased", marks=pytest.mark.slow), "cased"])
def test_every_real_answer_is_read_back_from_every_window(shared_data, name, case):
    tokenizer = BertTokenizer.from_file(shared_data / f"vocab/bert-base-{case}-vocab.txt")
    asked = read_file(shared_data / "squad" / name, SquadFile(name), get("squad2"))
    features = span_features(
        asked, tokenizer,
        SpanWindowing(max_length=128, doc_stride=48, max_query_length=64, negatives=True),
    )
    question_of_row = features.example_of_row
    seen, inside = set(), []
    for row, (first, last) in enumerate(features.labels):
        question = question_of_row[row]
        if first == 0:
            continue
        seen.add(question)
        begin = features.row_splits[row]
        start, end = features.starts[begin + first], features.ends[begin + last]
        found, (gold, place) = asked.context(question)[start:end], asked.answers[question][0]
        if normalize_answer(found) != normalize_answer(gold):
            # Nothing but the rest of a piece is added.
            assert start <= place and end >= place + len(gold) and gold in found
            inside.append((asked.ids[question], gold, found))
    assert seen == set(np.flatnonzero(asked.answerable))
    assert len(set(inside)) == INSIDE_A_PIECE[name]
    listed = {row["id"] for row in json.loads(LISTED.read_text())[name]}
    assert listed == {question_id for question_id, _, _ in inside}
