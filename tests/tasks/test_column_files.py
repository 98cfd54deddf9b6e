"""The user's own column files as a task, through `task_from_files`."""

import pytest

from tfglue import tasks
from tfglue.data.sources import FileSource
from tfglue.errors import UserError
from tfglue.tasks.files import task_from_files

TRAIN = "Ann NNP B-PER\nleft VBD O\n\nOslo NNP B-LOC\n"
DEV = "Bob NNP B-PER\nLee NNP I-PER\n"


def write(path, text):
    path.write_text(text)
    return str(path)


def universal(*rows):
    fields = ["{}", "{}", "_", "{}", "_", "_", "_", "_", "_", "_"]
    return "".join("\t".join(fields).format(n, *row) + "\n" for n, row in enumerate(rows, 1))


@pytest.mark.parametrize("suffix", ["conll", "iob", "bio", "CONLL"])
def test_the_name_tells_column_files_and_tags_come_from_all_of_them(tmp_path, suffix):
    train, dev = write(tmp_path / f"a.{suffix}", TRAIN), write(tmp_path / f"b.{suffix}", DEV)
    task, lines = task_from_files("mine", train, dev)
    assert (task.name, task.kind, task.text_fields) == ("mine", "tag", ("words",))
    assert task.labels == ("O", "B-LOC", "B-PER", "I-PER")
    assert task.metrics == ("entity_f1", "precision", "recall")
    assert lines == [
        "train, dev: word from column 1, tag from column 3",
        "kind tag (inferred): 4 tags found: O (1), B-LOC (1), B-PER (2), I-PER (1)",
    ]
    source = FileSource(task, {"train": train, "dev": dev})
    assert source.read("train").tags.tolist() == [2, 0, 1]
    assert source.read("dev").words == ["Bob", "Lee"]


def test_a_text_file_needs_the_kind(tmp_path):
    train = write(tmp_path / "train.txt", TRAIN)
    task, lines = task_from_files("mine", train, kind="tag")
    assert task.labels == ("O", "B-LOC", "B-PER")
    assert lines[1].startswith("kind tag (as asked): 3 tags")
    with pytest.raises(UserError, match="a file with a word a line is for --kind tag"):
        task_from_files("mine", train)


def test_conllu_has_its_tags_in_their_own_column(tmp_path):
    train = write(tmp_path / "a.conllu", universal(("The", "DET"), ("cat", "NOUN")))
    dev = write(tmp_path / "b.conll", "a DET\n")
    task, lines = task_from_files("mine", train, dev)
    assert (task.labels, task.metrics) == (("DET", "NOUN"), ("accuracy",))
    assert lines[0] == (
        "train: word from column 2, tag from column 4; dev: word from column 1, tag from column 2"
    )
    assert FileSource(task, {"train": train}).read("train").words == ["The", "cat"]


def test_listed_tags_have_the_order_of_their_file(tmp_path):
    train = write(tmp_path / "a.conll", TRAIN)
    labels = write(tmp_path / "labels.txt", "B-LOC\nO\nB-PER\nI-LOC\n")
    task, lines = task_from_files("mine", train, labels=labels)
    assert task.labels == ("B-LOC", "O", "B-PER", "I-LOC")
    assert lines[1] == f"kind tag (inferred): 4 tags from {labels}: B-LOC, O, B-PER, I-LOC"
    write(tmp_path / "labels.txt", "B-LOC\nO\n")
    task, _ = task_from_files("mine", train, labels=labels)
    with pytest.raises(UserError, match=r"a\.conll:1: unknown label 'B-PER'"):
        FileSource(task, {"train": train}).read("train")


@pytest.mark.parametrize(
    ("text", "labelled", "written"),
    [
        ("Eve NNP B-PER\nleft VBD O\n", True, -1),
        # The last column holds something else.
        ("Eve NNP\nleft VBD\n", False, None),
        ("Eve\nleft\n", False, None),
    ],
)
def test_a_test_file_may_be_without_tags(tmp_path, text, labelled, written):
    train, test = write(tmp_path / "a.conll", TRAIN), write(tmp_path / "t.conll", text)
    task, lines = task_from_files("mine", train, None, test)
    told = "tag from column 3" if labelled else "test: word from column 1, no tags"
    assert lines[0].endswith(told)
    source = FileSource(task, {"train": train, "test": test})
    for examples in (source.read("test"), FileSource(task, {"input": test}).read("input")):
        assert examples.labelled == labelled
        assert examples.file.tag == written
        assert examples.words == ["Eve", "left"]
    assert not source.read("test", labelled=False).labelled
    assert source.read("test", labelled=False).file.tag == written


def test_an_unlabelled_conllu_file_is_read_without_tags(tmp_path):
    path = write(tmp_path / "t.conllu", universal(("The", "_"), ("cat", "_")))
    examples = FileSource(tasks.get("pos"), {"input": path}).read("input")
    assert (examples.words, examples.labelled) == (["The", "cat"], False)


def test_training_files_must_have_tags(tmp_path):
    train = write(tmp_path / "a.conll", "Ann\nleft\n")
    with pytest.raises(UserError, match=r"a\.conll:1: expected a tag in the last column"):
        task_from_files("mine", train)


def test_a_declared_task_keeps_its_tags_whatever_the_file_is_called(tmp_path):
    ner = tasks.get("ner")
    train = write(tmp_path / "eng.train", TRAIN)
    task, lines = task_from_files("ner", train, base=ner)
    assert task is ner
    assert lines == ["train: word from column 1, tag from column 3"]
    assert FileSource(task, {"train": train}).read("train").tags.tolist() == [3, 0, 7]
    labels = write(tmp_path / "labels.txt", "O\nB-PER\nB-LOC\n")
    task, _ = task_from_files("ner", train, base=ner, labels=labels)
    assert (task.labels, task.metrics) == (("O", "B-PER", "B-LOC"), ner.metrics)


def test_a_declared_task_without_tags_finds_them(tmp_path):
    train = write(tmp_path / "a.txt", "a X\nb Y\n")
    task, _ = task_from_files("ccg", train, base=tasks.get("ccg"))
    assert (task.name, task.labels, task.metrics) == ("ccg", ("X", "Y"), ("accuracy",))
    with pytest.raises(UserError, match="task 'ccg': its tags are found in --train_file"):
        task_from_files("ccg", None, train, base=tasks.get("ccg"))


def test_flags_that_do_not_go_together_are_errors(tmp_path):
    train = write(tmp_path / "a.conll", TRAIN)
    table = write(tmp_path / "a.tsv", "text\tlabel\na\tx\nb\ty\n")
    for message, options in [
        ("--text_fields names columns", {"text_fields": ("a",)}),
        ("--label_field names columns", {"label_field": "a"}),
        ("--labels x: lists tags; it goes with --kind tag", {"train_file": table, "labels": "x"}),
        ("task 'rte' is of kind classify", {"kind": "tag", "base": tasks.get("rte")}),
        ("task 'ner' is of kind tag", {"kind": "classify", "base": tasks.get("ner")}),
        ("unknown format", {"kind": "classify"}),
        ("--kind tags: unknown; did you mean 'tag'", {"kind": "tags"}),
        ("every word has tag 'X'", {"train_file": write(tmp_path / "b.conll", "a X\n")}),
    ]:
        with pytest.raises(UserError, match=message):
            task_from_files(**{"name": "m", "train_file": train, **options})


def test_many_tags_are_told_by_the_first(tmp_path):
    train = write(tmp_path / "a.conll", "".join(f"w T{number:02}\n" for number in range(30)))
    _, lines = task_from_files("mine", train)
    assert lines[1].endswith("T19 (1) and 10 more")
