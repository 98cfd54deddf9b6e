import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfglue import tasks
from tfglue.data.questions import Questions
from tfglue.data.sources import FileSource, FolderSource, find_folder, open_source
from tfglue.data.tfds_source import TfdsSource
from tfglue.errors import UserError
from tfglue.tasks.files import task_from_files

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
RTE = tasks.get("rte")
SQUAD = tasks.get("squad")
# Tasks of which the package knows the published files; the others' data are brought by the user.
PUBLISHED = [
    name for name in tasks.names() if any(file.rows for file in tasks.get(name).files.values())
]
RTE_ROWS = "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n"

needs_shared = pytest.mark.skipif(
    not (SHARED / "glue").is_dir(), reason="the real data sets (../shared/data) are not here"
)


@pytest.fixture(autouse=True)
def no_glue_dir(monkeypatch):
    monkeypatch.delenv("GLUE_DIR", raising=False)


def make(folder, *files, text=RTE_ROWS):
    folder.mkdir(parents=True, exist_ok=True)
    for name in files or ("train.tsv", "dev.tsv"):
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("place", ["", "RTE", "rte", "glue/RTE", "GLUE_data/Rte", "odd name"])
def test_a_folder_is_found_itself_or_under_a_root(tmp_path, place):
    folder = make(tmp_path / "data" / place)
    own = place in ("", "odd name")
    source = open_source(RTE, str(folder if own else tmp_path / "data"))
    assert source.kind == "folder"
    assert Path(source.folder).resolve() == folder.resolve()
    assert source.splits() == ("train", "dev")
    assert source.description == f"folder {source.folder}"
    assert source.read("dev").texts == (["a"], ["b"])


def test_folders_without_the_tasks_files_are_passed_over(tmp_path):
    (tmp_path / "RTE").mkdir()
    folder = make(tmp_path / "glue" / "RTE")
    assert find_folder(RTE, tmp_path) == folder


def test_a_missing_folder_is_told_with_what_was_looked_for_and_what_is_there(tmp_path):
    make(tmp_path / "CoLA")
    with pytest.raises(UserError, match=r"looked for RTE, glue/RTE.*train\.tsv.*there is CoLA"):
        open_source(RTE, str(tmp_path))


def test_the_folder_of_another_task_is_refused_unless_asked_for_by_task(tmp_path):
    folder = make(tmp_path / "RTE")
    wnli = tasks.get("wnli")
    with pytest.raises(UserError, match="folder of task 'rte', not of 'wnli'"):
        open_source(wnli, str(folder))
    assert open_source(wnli, f"wnli={folder}").read("dev").labels.tolist() == [1]


def test_data_names_are_told_apart_from_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"--data smaple: no such folder; did you mean 'sample'"):
        open_source(RTE, "smaple")
    assert isinstance(open_source(RTE, "tfds"), TfdsSource)


def test_each_task_can_have_its_own_folder(tmp_path):
    rte, cola = make(tmp_path / "one"), make(tmp_path / "two", text="g\t1\t\tw\n")
    data = f"rte={rte}, cola={cola},sst2=tfds"
    assert open_source(RTE, data).folder == rte
    assert open_source(tasks.get("cola"), data).folder == cola
    assert open_source(tasks.get("sst"), data).kind == "tfds"
    with pytest.raises(UserError, match="nothing for task 'mrpc'; add mrpc=DIR"):
        open_source(tasks.get("mrpc"), data)
    with pytest.raises(UserError, match="unknown task 'rtee'"):
        open_source(RTE, f"rtee={rte}")
    with pytest.raises(UserError, match="'cola' is not of the form task=DIR"):
        open_source(RTE, f"rte={rte},cola")


def test_glue_dir_is_the_default_of_glue_tasks_alone(tmp_path, monkeypatch):
    make(tmp_path / "RTE")
    make(tmp_path / "SNLI")
    monkeypatch.setenv("GLUE_DIR", str(tmp_path))
    source = open_source(RTE)
    assert source.folder == tmp_path / "RTE"
    assert "$GLUE_DIR" in source.description
    with pytest.raises(UserError, match=r"\$GLUE_DIR .*no folder of task 'cola'"):
        open_source(tasks.get("cola"))
    monkeypatch.setenv("GLUE_DIR", str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"\$GLUE_DIR .*gone: no such folder"):
        open_source(RTE)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_sample_holds_every_published_task_and_is_the_default(name):
    task = tasks.get(name)
    source = open_source(task)
    assert source.kind == "sample"
    assert source.description.startswith("sample (built-in sentences)")
    assert set(source.splits()) == {*task.files, *(("dev",) if task.held_out else ())}
    for split in source.splits():
        examples = source.read(split)
        assert len(examples) > 0
        labelled = split not in task.files or task.files[split].labelled
        assert examples.labelled == labelled
        if labelled and task.kind == "classify":
            assert set(examples.labels.tolist()) == set(range(len(task.labels)))
        if isinstance(examples, Questions):
            assert task.negatives != examples.answerable.all()


@pytest.mark.parametrize("name", sorted({*tasks.names()} - {*PUBLISHED}))
def test_tasks_brought_by_the_user_have_no_sample_and_say_so_in_one_line(name, tmp_path):
    task = tasks.get(name)
    wanted = ", ".join(sorted(file.name for file in task.files.values()))
    with pytest.raises(UserError) as error:
        open_source(task)
    assert str(error.value) == (
        f"the built-in sample has nothing for task '{name}'; pass --data DIR with {wanted}, or "
        "your own --train_file"
    )
    with pytest.raises(UserError, match=rf"no folder of task '{name}' \(looked for .* {wanted}"):
        open_source(task, str(tmp_path))


def test_tags_of_a_task_that_declares_none_are_found_in_its_folder(tmp_path):
    make(tmp_path / "ccg", "train.txt", text="a X\nb Y\n")
    make(tmp_path / "ccg", "dev.txt", text="a Z\n")
    source = open_source(tasks.get("ccg"), str(tmp_path))
    assert source.task.labels == ("X", "Y", "Z")
    assert source.read("dev").tags.tolist() == [2]
    (tmp_path / "ccg" / "dev.txt").write_text("a X\nb\n")
    with pytest.raises(UserError, match=r"dev\.txt:2: expected 2 columns"):
        open_source(tasks.get("ccg"), str(tmp_path))


def test_a_folder_named_as_another_tasks_counts_as_that_only_with_its_files(tmp_path):
    # Folders are called "parent" or "pos" for many reasons.
    folder = make(tmp_path / "parent")
    assert open_source(RTE, str(folder)).folder == folder
    make(folder, "train.txt", text="a X\n")
    with pytest.raises(UserError, match="folder of task 'parent', not of 'rte'"):
        open_source(RTE, str(folder))


def test_unknown_and_absent_splits_are_errors(tmp_path):
    source = FolderSource(RTE, make(tmp_path, "train.tsv"))
    with pytest.raises(UserError, match=r"dev\.tsv: no such file"):
        source.read("dev")
    with pytest.raises(UserError, match="no split 'tests'; did you mean 'test'"):
        source.read("tests")


def test_a_users_task_has_no_folder():
    mine = tasks.Task("mine", "classify", ("text",), ("accuracy",), ("a", "b"))
    with pytest.raises(UserError, match="--train_file"):
        open_source(mine, "sample")


def test_user_files_of_different_formats_are_read_alike(tmp_path):
    train, dev, test = tmp_path / "train.csv", tmp_path / "dev.jsonl", tmp_path / "test.tsv"
    train.write_text('id,text,label\nx,"a, b",yes\ny,c,no\n')
    dev.write_text('{"text": "d", "label": "yes"}\n')
    test.write_text("text\ne\n")
    task, _ = task_from_files("mine", str(train), str(dev), str(test))
    source = FileSource(task, {"train": train, "dev": dev, "test": test})
    assert (source.kind, source.splits()) == ("files", ("train", "dev", "test"))
    read = source.read("train")
    assert (read.ids, read.texts, read.labels.tolist()) == (["x", "y"], (["a, b", "c"],), [1, 0])
    assert source.read("dev").labels.tolist() == [1]
    assert source.read("dev", labelled=False).labels is None
    assert source.read("test").labels is None
    with pytest.raises(UserError, match="no split 'tests'"):
        source.read("tests")


def test_a_dev_label_unseen_in_train_is_told_with_file_and_line(tmp_path):
    train, dev = tmp_path / "train.tsv", tmp_path / "dev.tsv"
    train.write_text("text\tlabel\na\tx\nb\ty\n")
    dev.write_text("text\tlabel\na\tx\nb\tz\n")
    task, _ = task_from_files("mine", str(train), str(dev))
    with pytest.raises(UserError, match=r"dev\.tsv:3: unknown label 'z', expected one of x, y"):
        FileSource(task, {"train": train, "dev": dev}).read("dev")


def test_user_files_of_a_declared_task_may_use_published_columns(tmp_path):
    path = tmp_path / "my.tsv"
    path.write_text("sentence1\tsentence2\tscore\na\tb\t2.5\n")
    stsb = tasks.get("stsb")
    assert FileSource(stsb, {"train": path}).read("train").labels.tolist() == [2.5]
    path.write_text("left\tright\tgold\na\tb\t2.5\n")
    source = FileSource(stsb, {"train": path}, ("left", "right"), "gold")
    assert source.read("train").texts == (["a"], ["b"])


# Rows, and rows of each class, as the manifest of the real data gives them.
REAL = {
    "cola": {"train": [2528, 6023], "dev": [322, 721], "test": 1063},
    "sst": {"train": 67349, "dev": 872, "test": 1821},
    "mrpc": {"train": 3668, "dev": 408, "test": 1725},
    "qqp": {"train": 9501, "dev": 9917},
    "stsb": {"train": 5749, "dev": 1500, "test": 1379},
    "mnli": {
        "train": [3408, 3313, 3278],
        "dev": [3479, 3123, 3213],
        "dev_mismatched": [346, 319, 335],
    },
    "qnli": {"train": 9999, "dev": 5463, "test": 5463},
    "rte": {"train": 2490, "dev": 277, "test": 3000},
    "wnli": {"train": 635, "dev": 71, "test": 146},
    "ax": {"test": 1104},
    "snli": {
        "train": [3327, 3322, 3350],
        "dev": [3329, 3235, 3278],
        "test": [3368, 3219, 3237],
    },
    "scitail": {"dev": [657, 647], "test": [842, 1284]},
}


@needs_shared
@pytest.mark.parametrize("name", REAL)
def test_real_files_have_the_rows_of_their_manifest(name):
    task = tasks.get(name)
    source = open_source(task, str(SHARED))
    assert source.splits() == tuple(split for split in task.files if split in REAL[name])
    for split, expected in REAL[name].items():
        examples = source.read(split)
        assert examples.skipped == 0
        assert all(len(column) == len(examples) for column in examples.texts)
        assert len(set(examples.ids)) == len(examples)
        if isinstance(expected, list):
            assert np.bincount(examples.labels).tolist() == expected
        else:
            assert len(examples) == expected


# Sentences and words, as the manifest gives them, and words of one of the tags.
REAL_TAGGED = {
    "ner": {
        "train": (14041, 203621, 3438), "dev": (3250, 51362, 922), "test": (3453, 46435, 702),
    },
    "chunk": {"train": (8936, 211727, 2060), "test": (2012, 47377, 438)},
    "pos": {
        "train": (12544, 204577, 13137), "dev": (2001, 25147, 1865), "test": (2077, 25094, 1788),
    },
}  # fmt: skip
COUNTED = {"ner": "B-MISC", "chunk": "B-ADJP", "pos": "ADJ"}


@needs_shared
@pytest.mark.parametrize("name", REAL_TAGGED)
@pytest.mark.slow
def test_real_tagged_files_have_the_words_of_their_manifest(name):
    task = replace(tasks.get(name), held_out=0.0)
    source = open_source(task, str(SHARED))
    assert source.splits() == tuple(REAL_TAGGED[name])
    counted = task.labels.index(COUNTED[name])
    for split, expected in REAL_TAGGED[name].items():
        examples = source.read(split)
        found = (len(examples), len(examples.words), int((examples.tags == counted).sum()))
        assert found == expected
        assert task.files[split].rows == len(examples)
        assert len(set(examples.ids)) == len(examples)


@needs_shared
@pytest.mark.parametrize("name", ["squad2", "squad2_answerable"])
@pytest.mark.parametrize("root", [SHARED, SHARED / "squad"], ids=["root", "own folder"])
def test_real_questions_are_found_and_have_the_counts_of_their_manifest(name, root):
    source = open_source(tasks.get(name), str(root))
    assert source.splits() == ("train", "dev")
    counts = {}
    for split in source.splits():
        questions = source.read(split)
        counts[split] = (len(questions), len(questions.contexts), (~questions.answerable).sum())
    assert counts == {"train": (4719, 694, 348), "dev": (2730, 283, 1254)}


@needs_shared
def test_a_folder_with_the_other_version_of_squad_is_not_taken():
    with pytest.raises(UserError, match=r"no folder of task 'squad' \(.*dev-v1\.1\.json"):
        open_source(SQUAD, str(SHARED))


def asked(path, **changes):
    """Writes one question, in SQuAD's JSON."""
    question = {"id": "q", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}]}
    question.update(changes)
    article = {"paragraphs": [{"context": "Ada left", "qas": [question]}]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": [article]}))
    return path


@pytest.mark.parametrize("place", ["squad", "SQuAD", "data/squad1"])
def test_folders_of_questions_are_found_by_their_files(tmp_path, place):
    asked(tmp_path / "root" / place / "train-v1.1.json")
    root = tmp_path / "root" / ("data" if place.startswith("data") else "")
    source = open_source(SQUAD, str(root))
    assert source.splits() == ("train",)
    assert source.read("train").answers == [[("Ada", 0)]]
    with pytest.raises(UserError, match="no folder of task 'squad2'"):
        open_source(tasks.get("squad2"), str(root))


def test_a_brought_task_reads_its_folder_or_one_that_is_named_for_it(tmp_path):
    folder = asked(tmp_path / "root" / "HotpotQA" / "train.json").parent
    task = tasks.get("hotpotqa")
    assert open_source(task, str(folder.parent)).read("train").ids == ["q"]
    with pytest.raises(UserError, match="this is the folder of task 'hotpotqa', not of 'newsqa'"):
        open_source(tasks.get("newsqa"), str(folder))
    named = open_source(tasks.get("newsqa"), f"newsqa={folder}")
    assert named.read("train").answers == [[("Ada", 0)]]


def test_user_files_of_questions_are_read_as_the_task_says(tmp_path):
    splits = ("train", "dev", "test", "input")
    paths = {split: asked(tmp_path / f"{split}.json") for split in splits}
    task, _ = task_from_files("mine", *(str(paths[split]) for split in splits[:3]))
    source = FileSource(task, paths)
    for split in paths:
        assert source.read(split).answers == [[("Ada", 0)]]
    assert source.read("dev", labelled=False).answers is None
    asked(paths["test"], answers=[])
    assert source.read("test").answers is None
    asked(paths["dev"], answers=[])
    with pytest.raises(UserError, match=r"dev\.json: question 'q' .*there are no answers"):
        source.read("dev")
    asked(paths["train"], answers=[], is_impossible=True)
    with pytest.raises(UserError, match=r"train\.json: .*task 'mine' does not take; --negatives"):
        source.read("train")
    declared = FileSource(tasks.get("squad2"), {"train": paths["train"]})
    assert declared.read("train").answerable.tolist() == [False]


def test_sources_load_no_tensorflow():
    code = "import sys, tfglue.data.sources; print('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "False", result.stderr
