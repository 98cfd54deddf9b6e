import json
from pathlib import Path

import pytest

from data_prep.verify import PROBLEMS_LISTED, main, verify_folder
from tfglue import tasks
from tfglue.errors import UserError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RARE = ("ADJP", "ADVP", "CONJP", "INTJ", "LST", "PP", "PRT", "SBAR", "UCP")
HEADER = "index\tsentence1\tsentence2\tlabel\n"


def rte(root, text, split="train"):
    folder = root / "RTE"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.tsv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_a_sound_folder_is_reported_with_rows_columns_and_labels(tmp_path, capsys):
    rows = "0\ta\tb\tentailment\n1\tc \ufffd\td\tnot_entailment\n2\te\tf\tentailment\n"
    rte(tmp_path, HEADER + rows)
    report_file = tmp_path / "report.json"
    assert main([str(tmp_path), "--json", str(report_file)]) == 0
    report = json.loads(report_file.read_text())["rte"]["train"]
    assert (report["rows"], report["official_rows"], report["problem_count"]) == (3, 2490, 0)
    assert report["columns"] == ["index", "sentence1", "sentence2", "label"]
    assert report["labels"] == {"entailment": 2, "not_entailment": 1}
    assert report["notes"] == [
        "3 rows, the published file has 2,490",
        "texts with U+FFFD, the mark of a lost character: 1",
    ]
    out = capsys.readouterr().out
    assert "train: 3 rows, entailment 2, not_entailment 1" in out
    assert "dev: no file" in out


def test_every_problem_is_listed_with_file_and_line(tmp_path, capsys):
    rows = b"0\ta\tb\tentailment\n1\ta\tb\n2\t\xff\tb\tentailment\n3\ta\tb\tno\n4\t\t\tentailment\n"
    rte(tmp_path, HEADER.encode() + rows)
    assert main([str(tmp_path)]) == 2
    out = capsys.readouterr().out
    path = tmp_path / "RTE" / "train.tsv"
    for line, message in [(3, "expected 4 columns"), (4, "not UTF-8"), (5, "unknown label 'no'")]:
        assert f"problem: {path}:{line}: {message}" in out
    assert f"problem: {path}:6: the text is blank" in out
    assert "1 files of 1 tasks, 4 problems" in out


def test_only_the_first_problems_of_a_file_are_listed(tmp_path, capsys):
    rte(tmp_path, HEADER + "0\ta\tb\tentailment\n" + "1\ta\n" * 50)
    report = verify_folder(tmp_path)["rte"]["train"]
    assert len(report.problems) == PROBLEMS_LISTED
    assert (report.problem_count, report.rows) == (50, 1)
    assert main([str(tmp_path)]) == 2
    assert "and 30 problems more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (HEADER, "no rows below the header"),
        ("index\tsentence1\tlabel\n0\ta\tentailment\n", "no column 'sentence2'"),
        (b"\xff\xfei\0", ":1: "),
    ],
)
def test_files_that_cannot_be_read_at_all_are_problems(tmp_path, text, message):
    report = verify_folder(rte(tmp_path, text))["rte"]["train"]
    assert report.rows == 0
    assert message in report.problems[0]


def test_a_column_file_is_reported_with_words_and_its_most_frequent_tags(tmp_path, capsys):
    words = "".join(f"w{number} X B-NP\nx X I-NP\n" for number in range(3))
    rare = "".join(f"r X B-{name}\n" for name in RARE)
    (tmp_path / "conll2000").mkdir()
    path = tmp_path / "conll2000" / "train.txt"
    path.write_text(f"{words}\n{rare}")
    assert main([str(tmp_path), "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())["chunk"]["train"]
    assert (report["rows"], report["unit"], report["words"]) == (2, "sentences", 15)
    assert list(report["labels"].items())[:2] == [("B-NP", 3), ("I-NP", 3)]
    assert len(report["labels"]) == 11
    out = capsys.readouterr().out
    assert "train: 2 sentences of 15 words, B-NP 3, I-NP 3, B-ADJP 1" in out
    assert "B-SBAR 1 and 1 more" in out
    assert "note: 2 sentences, the published file has 8,936" in out


def test_problems_of_a_column_file_are_listed_with_file_and_line(tmp_path, capsys):
    (tmp_path / "conll2000").mkdir()
    path = tmp_path / "conll2000" / "train.txt"
    path.write_bytes(b"a X O\n\nb X\n\nc X B-PN\n\nd\xff X O\n\ne X O\n")
    assert main([str(tmp_path)]) == 2
    out = capsys.readouterr().out
    for line, message in [(3, "expected 3 columns"), (5, "unknown label 'B-PN'"), (7, "not UTF-8")]:
        assert f"problem: {path}:{line}: {message}" in out
    assert "train: 2 sentences of 2 words, O 2" in out
    assert "1 files of 1 tasks, 3 problems" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [("a X\nb\n\nc Y\n\nd X\n", "train.txt:2: expected 2 columns"), ("a\n", "found 1 columns"),
     ("a X\n", "two tags are needed")],
)  # fmt: skip
def test_a_task_whose_tags_are_found_is_checked_with_those(tmp_path, capsys, text, message):
    (tmp_path / "ccg").mkdir()
    (tmp_path / "ccg" / "train.txt").write_text(text)
    assert main([str(tmp_path)]) == 2
    out = capsys.readouterr().out
    assert message in out and "1 files of 1 tasks, 1 problems" in out


def test_one_task_folder_can_be_checked_alone(tmp_path):
    rte(tmp_path, HEADER + "0\ta\tb\tentailment\n")
    assert list(verify_folder(tmp_path / "RTE")) == ["rte"]


def test_a_folder_without_tasks_is_a_mistake(tmp_path, capsys):
    with pytest.raises(UserError, match="no task folder is in it"):
        verify_folder(tmp_path)
    assert main([str(tmp_path / "gone")]) == 2
    assert "no such folder" in capsys.readouterr().err


def squad(root, *questions, name="train-v2.0.json"):
    qas = [
        {"id": f"q{number}", "question": "Who?", "is_impossible": not answers, "answers": answers}
        for number, answers in enumerate(questions)
    ]
    article = {"paragraphs": [{"context": "Ada \ufffd left", "qas": qas}]}
    (root / "squad").mkdir(exist_ok=True)
    (root / "squad" / name).write_text(json.dumps({"data": [article]}))
    return root / "squad" / name


def test_questions_are_counted_by_whether_they_have_an_answer(tmp_path, capsys):
    gold = [{"text": "Ada", "answer_start": 0}]
    squad(tmp_path, gold, gold, [])
    report_file = tmp_path / "report.json"
    assert main([str(tmp_path), "--json", str(report_file)]) == 0
    out = capsys.readouterr().out
    assert "train: 3 questions, answerable 2, unanswerable 1 (" in out
    assert "1 files of 2 tasks, 0 problems" in out
    reports = json.loads(report_file.read_text())
    assert list(reports) == ["squad2", "squad2_answerable"]
    assert reports["squad2"]["train"]["labels"] == {"answerable": 2, "unanswerable": 1}
    assert reports["squad2"]["train"]["notes"] == [
        "3 questions, the published file has 130,319",
        "texts with U+FFFD, the mark of a lost character: 1",
    ]


def test_every_bad_question_is_listed_with_its_id(tmp_path, capsys):
    gold, wrong = ([{"text": "Ada", "answer_start": start}] for start in (0, 1))
    path = squad(tmp_path, gold, wrong, [], wrong, name="train-v1.1.json")
    assert main([str(tmp_path)]) == 2
    out = capsys.readouterr().out
    for number, told in [(1, "answers[0]: 'Ada' is not at"), (2, "it has no answer, which task")]:
        place = f"question 'q{number}' (data[0].paragraphs[0].qas[{number}])"
        assert f"problem: {path}: {place}: {told}" in out
    assert "train: 1 questions, answerable 1, unanswerable 0" in out
    assert "1 files of 1 tasks, 3 problems" in out
    path.write_text("{")
    assert main([str(tmp_path)]) == 2
    assert f"problem: {path}:1: not valid JSON" in capsys.readouterr().out


def test_a_file_of_two_tasks_counts_once(tmp_path, capsys):
    squad(tmp_path, [{"text": "Ada", "answer_start": 0}], [{"text": "Ada", "answer_start": 1}])
    assert main([str(tmp_path)]) == 2
    assert "1 files of 2 tasks, 1 problems" in capsys.readouterr().out


@pytest.mark.skipif(not (SHARED / "glue").is_dir(), reason="../shared/data is not here")
@pytest.mark.slow
def test_the_real_data_has_no_problems_and_the_official_rows_where_it_is_complete():
    reports = verify_folder(SHARED)
    published = {
        name for name in tasks.names() if any(file.rows for file in tasks.get(name).files.values())
    }
    assert set(reports) == published - {"squad"}
    assert reports["pos"]["dev"].words == 25147
    short = set()
    for name, splits in reports.items():
        for split, report in splits.items():
            assert report.problems == []
            if report.rows != report.official_rows:
                short.add(f"{name} {split}")
    assert short == {
        "qqp train",
        "qqp dev",
        "mnli train",
        "mnli dev_mismatched",
        "qnli train",
        "qnli_rank train",
        "snli train",
        "squad2 train",
        "squad2 dev",
        "squad2_answerable train",
        "squad2_answerable dev",
    }
