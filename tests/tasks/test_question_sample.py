"""The built-in questions: their layout, their balance, and what they are good for as a test."""

import json
import re
import unicodedata
from collections import Counter
from functools import cache

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from tfglue import tasks
from tfglue.data.learn_vocabulary import TINY_VOCABULARY
from tfglue.data.questions import Questions
from tfglue.data.sources import open_source
from tfglue.data.tokenizer import BertTokenizer
from tfglue.tasks.sample import generate, questions, words

SPLITS = tuple(questions.PASSAGES)
NAMES = generate.QUESTION_TASKS


@cache
def read(name: str, split: str) -> Questions:
    return open_source(tasks.get(name), "sample").read(split)


def paragraphs(name: str, split: str) -> list[dict]:
    path = generate.FOLDER / "squad" / tasks.get(name).files[split].name
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [paragraph for article in articles for paragraph in article["paragraphs"]]


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_each_passage_has_the_questions_that_are_declared(name, split):
    passages, answered, unanswered = questions.PASSAGES[name, split]
    found = read(name, split)
    assert len(found) == passages * (answered + unanswered)
    assert len(found.contexts) == len(paragraphs(name, split)) == passages
    per_passage = Counter(zip(found.context_of.tolist(), found.answerable.tolist(), strict=True))
    assert set(per_passage.values()) == {answered, unanswered} - {0}
    asked = set(zip(found.texts, found.context_of.tolist(), strict=True))
    assert len(asked) == len(found)


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_files_have_the_keys_of_the_published_ones(name, split):
    negatives = {"is_impossible"} if name == "squad2" else set()
    for paragraph in paragraphs(name, split):
        assert set(paragraph) == {"context", "qas"}
        for asked in paragraph["qas"]:
            assert set(asked) == {"id", "question", "answers"} | negatives
            assert asked.get("is_impossible", False) == (not asked["answers"])


def test_answerable_and_squad2_read_the_same_files():
    for split in ("train", "dev"):
        same = open_source(tasks.get("squad2_answerable"), "sample").read(split)
        assert same.digest() == read("squad2", split).digest()


@pytest.mark.parametrize("name", NAMES)
def test_in_train_one_person_answered_and_in_dev_several_did_not_all_alike(name):
    assert {len(golds) for golds in read(name, "train").answers} <= {0, 1}
    golds = [golds for golds in read(name, "dev").answers if golds]
    assert {len(answers) for answers in golds} == {3}
    assert sum(len(set(answers)) > 1 for answers in golds) > len(golds) / 5


@pytest.mark.parametrize("name", NAMES)
def test_no_passage_of_train_is_in_dev(name):
    assert set(read(name, "train").contexts).isdisjoint(read(name, "dev").contexts)


@pytest.mark.parametrize("name", NAMES)
def test_words_held_out_are_in_dev_alone(name):
    def found(split):
        text = " ".join(read(name, split).contexts + read(name, split).texts).lower()
        return words.held_out() & set(re.findall(r"\w+", text))

    assert not found("train")
    assert len(found("dev")) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_passages_hold_what_makes_places_in_characters_hard(name):
    text = "".join(read(name, "train").contexts)
    assert any("CJK" in unicodedata.name(character, "") for character in text)
    assert {"🎉", "👍", "\n", "\t", "\u00a0", "\u3000", "\u200b"} <= set(text)
    # Both ways to write an accent.
    assert any(unicodedata.combining(character) for character in text)
    assert any(unicodedata.normalize("NFD", character) != character for character in text)
    answers = [golds[0][0] for golds in read(name, "train").answers if golds]
    assert sum(not answer.isascii() for answer in answers) > 10


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_answers_come_at_every_place_of_the_passage(name, split):
    places = Counter()
    found = read(name, split)
    for row, golds in enumerate(found.answers):
        if golds:
            places[int(3 * golds[0][1] / len(found.context(row)))] += 1
    assert min(places[third] for third in range(3)) > places.total() / 6


def test_the_question_alone_does_not_tell_if_it_has_an_answer():
    train, dev = read("squad2", "train"), read("squad2", "dev")
    counter = CountVectorizer(token_pattern=r"\w+")
    model = LogisticRegression(max_iter=1000, class_weight="balanced")
    model.fit(counter.fit_transform(train.texts), train.answerable)
    assert model.score(counter.transform(dev.texts), dev.answerable) < 0.6


@pytest.mark.parametrize("name", NAMES)
def test_its_words_are_mostly_whole_in_the_tiny_vocabulary(name):
    tokenizer = BertTokenizer.from_file(TINY_VOCABULARY)
    values, _ = tokenizer.tokenize_all(read(name, "train").texts + read(name, "train").contexts)
    parts = sum(token.startswith("##") for token in tokenizer.ids_to_tokens(values))
    assert parts / len(values) < 0.1
    assert (values == tokenizer.unk_id).mean() < 0.03


def test_the_files_are_small():
    folder = generate.FOLDER / "squad"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 300_000
