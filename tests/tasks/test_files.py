import json

import pytest

from tfglue import tasks
from tfglue.errors import UserError
from tfglue.tasks.files import task_from_files


def write(path, header, rows, separator="\t"):
    path.write_text("\n".join(separator.join(row) for row in [header, *rows]) + "\n")
    return str(path)


def table(folder, name="train.tsv", header=("text", "label"), labels=("pos", "neg")):
    rows = [[f"words {n}" for _ in header[1:]] + [label] for n, label in enumerate(labels)]
    return write(folder / name, header, rows)


def test_classes_are_inferred_in_alphabetical_order_with_counts(tmp_path):
    task, lines = task_from_files("mine", table(tmp_path, labels=["pos", "neg", "pos"]))
    assert (task.name, task.kind, task.text_fields) == ("mine", "classify", ("text",))
    assert task.labels == ("neg", "pos")
    assert task.metrics == ("accuracy", "macro_f1")
    assert lines == [
        "train: text from text, label from label",
        "kind classify (inferred): 2 classes: neg (1), pos (2)",
    ]


def test_few_integers_are_classes_in_numerical_order(tmp_path):
    task, _ = task_from_files("m", table(tmp_path, labels=["10", "2", "-1", "2"]))
    assert (task.kind, task.labels) == ("classify", ("-1", "2", "10"))


@pytest.mark.parametrize("labels", [["0.5", "3"], [str(number) for number in range(21)]])
def test_fractions_and_many_integers_are_scores(tmp_path, labels):
    task, lines = task_from_files("m", table(tmp_path, labels=labels))
    assert (task.kind, task.labels, task.score_range) == ("regress", (), None)
    assert task.metrics == ("pearson_and_spearman", "pearson", "spearman")
    low, high = min(map(float, labels)), max(map(float, labels))
    assert lines[1].endswith(f"scores from {low:g} to {high:g} in {len(labels)} rows")


def test_the_kind_asked_for_wins_over_the_inferred_one(tmp_path):
    path = table(tmp_path, labels=["1", "2", "5"])
    task, lines = task_from_files("m", path, kind="regress")
    assert task.kind == "regress"
    assert "(as asked)" in lines[1]
    task, _ = task_from_files("m", table(tmp_path, labels=["0.5", "1.5"]), kind="classify")
    assert task.labels == ("0.5", "1.5")


@pytest.mark.parametrize(
    "header",
    [
        ("sentence", "label"),
        ("sentence1", "sentence2", "label"),
        ("premise", "hypothesis", "label"),
        ("question", "sentence", "label"),
        ("text_a", "text_b", "label"),
        ("question1", "question2", "label"),
    ],
)
def test_usual_text_columns_are_found(tmp_path, header):
    task, _ = task_from_files("m", table(tmp_path, header=header))
    assert task.text_fields == header[:-1]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (("review", "label"), "no text columns among review, label"),
        (("text", "sentence", "label"), "more than one choice of text columns"),
        (("text", "sentence1", "sentence2", "label"), "more than one choice"),
    ],
)
def test_unclear_text_columns_are_shown_with_the_flag(tmp_path, header, problem):
    with pytest.raises(UserError, match=rf"{problem}.*--text_fields"):
        task_from_files("m", table(tmp_path, header=header))


def test_named_columns_are_used_and_formats_may_differ(tmp_path):
    train = table(tmp_path, "train.csv", ("review", "stars"), ["a", "b"])
    write(tmp_path / "train.csv", ("review", "stars"), [("x", "a"), ("y", "b")], ",")
    dev = tmp_path / "dev.jsonl"
    dev.write_text(json.dumps({"review": "x", "stars": "a"}) + "\n")
    test = write(tmp_path / "test.tsv", ("review",), [("z",)])
    task, lines = task_from_files(
        "m", train, str(dev), test, text_fields=("review",), label_field="stars"
    )
    assert task.text_fields == ("review",)
    assert lines[0] == (
        "train, dev: text from review, label from stars; test: text from review, no label"
    )


def test_missing_columns_are_told_with_the_nearest_name_and_the_flag(tmp_path):
    path = table(tmp_path, header=("text", "labels"))
    with pytest.raises(UserError, match=r"no column 'label'; did you mean 'labels'.*--label_field"):
        task_from_files("m", path)
    with pytest.raises(UserError, match=r"no column 'txt'; did you mean 'text'.*--text_fields"):
        task_from_files("m", path, text_fields=("txt",))


def test_columns_of_the_dev_file_are_checked_before_training(tmp_path):
    dev = table(tmp_path, "dev.tsv", ("sentence", "label"))
    with pytest.raises(UserError, match=r"dev\.tsv: no column 'text'"):
        task_from_files("m", table(tmp_path), dev)


def test_too_many_and_too_few_classes_are_errors(tmp_path):
    many = table(tmp_path, labels=[f"class{n}" for n in range(1001)])
    with pytest.raises(UserError, match=r"1,001 different labels.*--kind regress.*--label_field"):
        task_from_files("m", many)
    with pytest.raises(UserError, match="every row has label 'x'"):
        task_from_files("m", table(tmp_path, labels=["x", "x"]))


def test_bad_labels_are_told_with_file_and_line(tmp_path):
    with pytest.raises(UserError, match=r"train\.tsv:3: label '' is blank"):
        task_from_files("m", table(tmp_path, labels=["a", ""]))
    with pytest.raises(UserError, match=r"train\.tsv:3: score 'b' is not a number"):
        task_from_files("m", table(tmp_path, labels=["1", "b"]), kind="regress")


def test_bad_flags_are_errors(tmp_path):
    path = table(tmp_path)
    for message, options in [
        ("no file is given", {"train_file": None}),
        ("--kind clasify: unknown; did you mean 'classify'", {"kind": "clasify"}),
        ("--train_file is needed", {"train_file": None, "dev_file": path}),
        ("one column, or two different ones", {"text_fields": ("text", "text")}),
        ("--task 'a/b': a task's name", {"name": "a/b"}),
    ]:
        with pytest.raises(UserError, match=message):
            task_from_files(**{"name": "m", "train_file": path, **options})


def test_a_declared_task_gives_its_labels_and_finds_its_published_columns(tmp_path):
    mnli = tasks.get("mnli")
    header = ("sentence1", "sentence2", "gold_label")
    path = table(tmp_path, header=header, labels=mnli.labels)
    task, lines = task_from_files("mnli", path, base=mnli)
    assert task is mnli
    assert lines == ["train: text from sentence1 and sentence2, label from gold_label"]
    with pytest.raises(UserError, match="task 'mnli' is of kind classify"):
        task_from_files("mnli", path, base=mnli, kind="regress")
    with pytest.raises(UserError, match=r"task 'mnli' has 2 .*not 1"):
        task_from_files("mnli", path, base=mnli, text_fields=("sentence1",))
