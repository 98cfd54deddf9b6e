import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.tasks.tags import find_tags, read_tag_file, tag_metrics, with_found_tags
from tfglue.tasks.task import ColumnFile

FILE = ColumnFile("x.txt")


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_tags_of_all_files_come_in_one_order(tmp_path):
    one = write(tmp_path / "a.txt", "x NN I-X\ny NN O\n\nz NN B-X\n")
    two = write(tmp_path / "b.conllu", "1\tx\t_\tA\t_\t_\t_\t_\t_\t_\n")
    assert find_tags({one: FILE}) == ("O", "B-X", "I-X")
    assert find_tags({one: FILE, two: ColumnFile("b.conllu", 1, 3)}) == ("O", "A", "B-X", "I-X")


def test_too_few_and_too_many_tags_are_errors(tmp_path):
    path = write(tmp_path / "x.txt", "a X\nb X\n")
    with pytest.raises(UserError, match="every word has tag 'X'; two tags are needed"):
        find_tags({path: FILE})
    write(path, "".join(f"{number} w{number}\n" for number in range(5001)))
    with pytest.raises(UserError, match=r"5,001 different tags.*is the tag the last column"):
        find_tags({path: FILE})


def test_bad_sentences_stop_the_search_or_are_passed_over(tmp_path):
    path = write(tmp_path / "x.txt", "a X\nb\n\nc Y\n\nd Z\n")
    with pytest.raises(UserError, match=r"x\.txt:2: expected 2 columns"):
        find_tags({path: FILE})
    assert find_tags({path: FILE}, on_problem=lambda problem: None) == ("Y", "Z")


def test_a_task_that_declares_no_tags_gets_those_of_its_files(tmp_path):
    write(tmp_path / "train.txt", "a X\nb Y\n")
    write(tmp_path / "test.txt", "a Z\n")
    assert with_found_tags(tasks.get("ccg"), tmp_path).labels == ("X", "Y", "Z")
    for name in ("ged", "rte"):
        assert with_found_tags(tasks.get(name), tmp_path) is tasks.get(name)


def test_a_tag_file_gives_the_order_of_the_ids(tmp_path):
    path = write(tmp_path / "labels.txt", b"\xef\xbb\xbfB-X\r\nO\n I-X \n\n\n")
    assert read_tag_file(path) == ("B-X", "O", "I-X")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A\n\nB\n", r"labels\.txt:2: the line is blank"),
        ("A\nB\nA\n", r"labels\.txt:3: tag 'A' stands in line 1 already"),
        ("A\nB 3\n", r"labels\.txt:2: expected one tag a line, found 'B 3'"),
        ("\n\n", r"labels\.txt: the file is empty"),
        ("", r"labels\.txt: the file is empty"),
        (b"A\n\xff\n", r"labels\.txt:2: not UTF-8"),
    ],
)
def test_mistakes_in_a_tag_file_are_told_with_file_and_line(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_tag_file(write(tmp_path / "labels.txt", text))


@pytest.mark.parametrize(
    ("tags", "main"),
    [
        (("O", "B-X", "I-X"), "entity_f1"),
        (("S-X", "E-X-Y", "O"), "entity_f1"),
        (("NOUN", "VERB"), "accuracy"),
        (("O", "B-X", "NOUN"), "accuracy"),
        (("B-", "O"), "accuracy"),
    ],
)
def test_metrics_are_of_entities_where_tags_mark_their_borders(tags, main):
    assert tag_metrics(tags)[0] == main
