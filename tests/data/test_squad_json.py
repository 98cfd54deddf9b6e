"""SQuAD's JSON: what is read of it, and every problem in one line with file, question and place."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from tfglue import tasks
from tfglue.data.reading import read_file
from tfglue.data.squad_json import read_questions
from tfglue.errors import UserError
from tfglue.tasks.squad_document import SquadDocument

SQUAD, SQUAD2 = tasks.get("squad"), tasks.get("squad2")
PASSAGE = "Zoë met 李明 🎈 in Łódź, then Zoë left."


def question(number=0, text="Who?", answers=(("Zoë", 0),), **more):
    golds = [{"text": answer, "answer_start": start} for answer, start in answers]
    return {"id": f"q{number}", "question": text, "answers": golds, **more}


def write(path, *qas, context=PASSAGE, content=None):
    content = content or {"data": [{"paragraphs": [{"context": context, "qas": list(qas)}]}]}
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.json"


def message(path, task=SQUAD2, **options):
    with pytest.raises(UserError) as caught:
        read_questions(path, task, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_questions_answers_and_passages_are_read_in_the_order_of_the_file(path):
    other = {"context": "b c", "qas": [question(2, answers=[("c", 2)])]}
    first = {"context": PASSAGE, "qas": [question(0), question(1, " Wo? ", [("Łódź", 16)])]}
    again = {"context": PASSAGE, "qas": [question(3, answers=[("left", 31), ("Zoë left", 27)])]}
    articles = [{"title": "x", "paragraphs": [first, other]}, {"paragraphs": [again]}]
    write(path, content={"version": "1.1", "data": articles})
    questions = read_questions(path, SQUAD)
    assert questions.ids == ["q0", "q1", "q2", "q3"]
    assert questions.texts == ["Who?", " Wo? ", "Who?", "Who?"]
    assert questions.contexts == [PASSAGE, "b c"]
    np.testing.assert_array_equal(
        questions.context_of, np.array([0, 0, 1, 0], np.int32), strict=True
    )
    assert questions.answers == [
        [("Zoë", 0)], [("Łódź", 16)], [("c", 2)], [("left", 31), ("Zoë left", 27)]
    ]
    assert (questions.origin, questions.skipped, questions.labelled) == (str(path), 0, True)


def test_unanswerable_questions_have_no_answers_whatever_seemed_plausible(path):
    plausible = [{"text": "Zoë", "answer_start": 0}]
    write(
        path,
        question(0, is_impossible=False),
        question(1, answers=(), is_impossible=True, plausible_answers=plausible),
        {"id": "q2", "question": "Why?", "is_impossible": True},
    )
    questions = read_questions(path, SQUAD2)
    assert questions.answers == [[("Zoë", 0)], [], []]
    assert questions.answerable.tolist() == [True, False, False]
    assert read_questions(path, tasks.get("squad2_answerable")).digest() == questions.digest()


def test_a_task_without_negatives_names_the_question_and_what_takes_it(path):
    write(path, question(), question(1, answers=(), is_impossible=True))
    assert message(path, SQUAD) == (
        f"{path}: question 'q1' (data[0].paragraphs[0].qas[1]): it has no answer, which task "
        "'squad' does not take; --negatives true or task squad2 does"
    )
    assert len(read_questions(path, replace(SQUAD, negatives=True))) == 2


def test_without_labels_answers_are_neither_needed_nor_looked_at(path):
    write(path, {"id": "a", "question": "Who?"}, question(1, answers=[("gone", 3)]))
    assert message(path).startswith(f"{path}: question 'a' (data[0].paragraphs[0].qas[0]): no key")
    for questions in (
        read_questions(path, SQUAD, labelled=False),
        read_file(path, replace(SQUAD.files["dev"], labelled=False), SQUAD),
    ):
        assert questions.ids == ["a", "q1"]
        assert questions.answers is None and not questions.labelled
    assert SquadDocument(path).labelled
    write(path, {"id": "a", "question": "Who?"}, question(1, answers=()))
    assert not SquadDocument(path).labelled


@pytest.mark.parametrize(
    ("text", "start", "told"),
    [
        ("Zoë", 1, "'Zoë' is not at character 1, there stands 'oë '; it is at 0, 27"),
        ("Zoé", 0, "'Zoé' is not at character 0, there stands 'Zoë'; it is nowhere in the passage"),
        ("Zoë", -36, "'Zoë' is not at character -36, the passage has 36 characters; it is at"),
        ("left.", 99, "'left.' is not at character 99, the passage has 36 characters; it is at 31"),
        ("e", 0, "'e' is not at character 0, there stands 'Z'; it is at 5, 24, 32"),
        ("x\ny" * 30, 0, "'" + "x\\ny" * 12 + "x...' is not at character 0, there stands"),
        (" ", 3, "the text is blank"),
    ],
)
def test_an_answer_that_is_not_at_its_place_is_told_from_what_is_there(path, text, start, told):
    write(path, question(answers=[("Zoë", 0), (text, start)]))
    expected = f"{path}: question 'q0' (data[0].paragraphs[0].qas[0]): answers[1]: {told}"
    assert message(path).startswith(expected)


def test_of_many_places_of_an_answer_some_are_told(path):
    write(path, question(answers=[("a", 1)]), context="a-a-a-a-a")
    assert message(path).endswith("it is at 0, 2, 4 and more")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"answers": []}, "there are no answers, and is_impossible is not true"),
        ({"is_impossible": True}, "is_impossible is true, and yet there are answers"),
        ({"is_impossible": "no"}, "'is_impossible' must be true or false, not text"),
        ({"question": " \n"}, "the question is blank"),
        ({"question": 3}, "'question' must be text, not a whole number"),
        ({"question": "a\0"}, "'question' holds a NUL or half a surrogate pair"),
        ({"question": "a\ud83d"}, "'question' holds a NUL or half a surrogate pair"),
        ({"id": "a\tb"}, "the id holds a tab or line break"),
        ({"id": "a\nb"}, "the id holds a tab or line break"),
        ({"id": ""}, "the id is blank"),
        ({"id": 7}, "'id' must be text, not a whole number"),
        ({"answers": {"text": ["Zoë"]}}, "'answers' must be a list, not an object"),
        ({"answers": ["Zoë"]}, "answers[0]: expected an object with 'text', not text"),
        ({"answers": [{"text": "Zoë"}]}, "answers[0]: no key 'answer_start' (keys: text)"),
        (
            {"answers": [{"text": "Zoë", "answer_start": True}]},
            "answers[0]: 'answer_start' must be a whole number, not true or false",
        ),
        (
            {"answers": [{"text": "Zoë", "answer_start": 0.0}]},
            "answers[0]: 'answer_start' must be a whole number, not a fraction",
        ),
        ({"answers": [{"text": None, "answer_start": 0}]}, "answers[0]: 'text' must be text, not"),
    ],
)
def test_bad_questions_are_told_or_collected_and_left_out(path, change, told):
    write(path, question(5), question() | change)
    assert told in message(path)
    assert "data[0].paragraphs[0].qas[1]" in message(path)
    found = []
    questions = read_questions(path, SQUAD2, on_problem=found.append)
    assert questions.ids == ["q5"]
    assert [told in problem for problem in found] == [True]


def test_missing_keys_come_with_the_nearest_name_and_the_layout(path):
    asked = question()
    asked["questoin"] = asked.pop("question")
    write(path, asked)
    assert message(path) == (
        f"{path}: question 'q0' (data[0].paragraphs[0].qas[0]): no key 'question'; did you mean "
        "'questoin'? (keys: id, answers, questoin); SQuAD's JSON nests data, paragraphs, qas and "
        "answers"
    )
    del asked["id"]
    write(path, asked)
    assert message(path).startswith(f"{path}: data[0].paragraphs[0].qas[0]: no key 'id' (keys:")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", ": expected an object with 'data', not a list"),
        ("{}", ": no key 'data' (keys: none)"),
        ('{"data": {}}', ": 'data' must be a list, not an object"),
        ('{"data": []}', ": no question is left to use"),
        ('{"data": [1]}', ": data[0]: expected an object with 'paragraphs', not a whole number"),
        ('{"data": [{"title": "t"}]}', ": data[0]: no key 'paragraphs' (keys: title)"),
        ('{"data": [{"paragraphs": [{}]}]}', ": data[0].paragraphs[0]: no key 'context'"),
        (
            '{"data": [{"paragraphs": [{"context": "a"}]}]}',
            ": data[0].paragraphs[0]: no key 'qas' (keys: context)",
        ),
        (
            '{"data": [{"paragraphs": [{"context": null, "qas": []}]}]}',
            ": data[0].paragraphs[0]: 'context' must be text, not null",
        ),
        ('{"data":\n [,]}', ":2: not valid JSON (Expecting value)"),
        ("{}\n{}", ":2: not valid JSON (Extra data)"),
        ("", ":1: not valid JSON"),
        ("[" * 100_000, ": not valid JSON (nested too deeply)"),
    ],
)
def test_files_of_another_layout_are_told_with_line_or_place(path, content, told):
    path.write_text(content)
    assert message(path).startswith(f"{path}{told}")


def test_bad_paragraphs_and_articles_are_left_out_where_problems_are_collected(path):
    whole = {"context": PASSAGE, "qas": [question(1)]}
    blank = {"context": " ", "qas": [question(2, answers=[(" ", 0)])]}
    broken = {"context": "a\ud800", "qas": [question(3)]}
    articles = [{}, {"paragraphs": [blank, broken, whole]}]
    write(path, content={"data": articles})
    found = []
    assert read_questions(path, SQUAD, on_problem=found.append).ids == ["q1"]
    told = [problem.removeprefix(f"{path}: ").split("; ")[0] for problem in found]
    assert told == [
        "data[0]: no key 'paragraphs' (keys: none)",
        "question 'q2' (data[1].paragraphs[0].qas[0]): the passage is blank",
        "data[1].paragraphs[1]: 'context' holds a NUL or half a surrogate pair, which UTF-8 text "
        "cannot",
    ]


def test_an_id_that_is_there_twice_is_told_with_both_places(path):
    write(path, question(1, "A?"), question(2), question(1, "B?"))
    assert message(path) == (
        f"{path}: question 'q1' (data[0].paragraphs[0].qas[2]): the id is that of "
        "data[0].paragraphs[0].qas[0], too"
    )
    found = []
    assert read_questions(path, SQUAD, on_problem=found.append).texts == ["A?", "Who?"]
    assert len(found) == 1


def test_bytes_that_are_no_utf8_text_are_told_and_a_byte_order_mark_is_not(path):
    text = write(path, question()).read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + text)
    assert read_questions(path, SQUAD).ids == ["q0"]
    path.write_bytes(text.replace(b"Who", b"Wh\xf6"))
    assert message(path).startswith(f"{path}:1: not UTF-8 (byte 0xf6)")


def test_missing_files_and_other_formats_are_told(tmp_path):
    assert message(tmp_path / "gone.json") == f"{tmp_path}/gone.json: no such file"
    assert message(tmp_path / "rows.tsv").endswith("rows.tsv: questions are read from JSON; the "
                                                   "name must end in .json")


def test_a_file_in_which_no_question_is_left_is_an_error(path):
    write(path, question(answers=[("x", 0)]))
    with pytest.raises(UserError, match="no question is left to use"):
        read_questions(path, SQUAD, on_problem=lambda problem: None)


@pytest.mark.slow
def test_a_file_of_the_size_of_squad_is_read_in_seconds(path):
    context = PASSAGE * 20
    paragraphs = [
        {"context": f"{context}{number}", "qas": [question(f"{number}-{n}") for n in range(7)]}
        for number in range(18_600)
    ]
    write(path, content={"data": [{"paragraphs": paragraphs}]})
    start = time.process_time()
    assert len(read_questions(path, SQUAD)) == 130_200
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("split", "asked", "unanswerable", "passages"),
    [("train", 4719, 348, 694), ("dev", 2730, 1254, 283)],
)
def test_every_answer_of_the_real_files_is_at_its_place(
    shared_data, split, asked, unanswerable, passages
):
    found = []
    path = shared_data / "squad" / f"{split}-v2.0.json"
    questions = read_questions(path, SQUAD2, on_problem=found.append)
    assert found == []
    assert (len(questions), len(questions.contexts)) == (asked, passages)
    assert (~questions.answerable).sum() == unanswerable
    for row, golds in enumerate(questions.answers):
        for text, start in golds:
            assert questions.context(row)[start : start + len(text)] == text
