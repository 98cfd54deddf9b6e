import socket
from dataclasses import replace

import numpy as np
import pytest

from tests.tfds_rows import dataset_of
from tfglue import tasks
from tfglue.data.tfds_source import TfdsSource
from tfglue.errors import UserError
from tfglue.tasks.squad import QUESTION_METRICS

tfds = pytest.importorskip("tensorflow_datasets")

IN_TFDS = [name for name in tasks.names() if tasks.get(name).tfds]
QUESTIONS = [name for name in IN_TFDS if tasks.get(name).kind in QUESTION_METRICS]
TABLES = [name for name in IN_TFDS if tasks.get(name).kind in ("classify", "regress")]


@pytest.fixture
def network_assumed(monkeypatch):
    # The mock replaces the download, not the look for a network before it.
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")


def holding(rows):
    """Mocks TFDS so that every split holds `rows`, encoded by the builder's real features."""

    def as_dataset(self, *_, **__):
        return dataset_of(self.info.features, rows)

    return tfds.testing.mock_data(as_dataset_fn=as_dataset)


@pytest.mark.parametrize("name", TABLES)
def test_every_task_reads_every_split_with_the_builders_real_features(name, network_assumed):
    task = tasks.get(name)
    source = TfdsSource(task)
    assert source.splits() == tuple(task.files)
    with tfds.testing.mock_data(num_examples=3):
        raw = list(tfds.as_numpy(tfds.load(task.tfds.name, split="train")))
        if "idx" in raw[0]:
            raw.sort(key=lambda row: row["idx"])
        for split in source.splits():
            examples = source.read(split)
            for field, column in zip(task.text_fields, examples.texts, strict=True):
                assert column == [row[field].decode() for row in raw]
            assert examples.ids == [str(row.get("idx", n)) for n, row in enumerate(raw)]
            if not task.files[split].labelled:
                assert examples.labels is None
            else:
                dtype = np.int32 if task.kind == "classify" else np.float32
                expected = np.array([row["label"] for row in raw], dtype)
                np.testing.assert_array_equal(examples.labels, expected, strict=True)


@pytest.mark.parametrize("name", [name for name in TABLES if name != "stsb"])
def test_label_ids_are_those_of_tensorflow_datasets(name):
    task = tasks.get(name)
    assert tuple(tfds.builder(task.tfds.name).info.features["label"].names) == task.labels


def test_rows_without_a_label_are_left_out_where_the_task_says_so(network_assumed):
    rows = [
        {"premise": f"p{n}", "hypothesis": f"h{n}", "label": label}
        for n, label in enumerate(["neutral", -1, "contradiction"])
    ]
    with holding(rows):
        examples = TfdsSource(tasks.get("snli")).read("dev")
    assert examples.ids == ["0", "2"]
    assert examples.texts == (["p0", "p2"], ["h0", "h2"])
    assert (examples.labels.tolist(), examples.skipped) == ([1, 2], 1)


def test_unlabelled_rows_and_blank_texts_are_errors_elsewhere(network_assumed):
    row = {"sentence1": "a", "sentence2": "b", "label": -1, "idx": 4}
    source = TfdsSource(tasks.get("rte"))
    with holding([row]):
        with pytest.raises(UserError, match="glue/rte/train: 1 rows have no label"):
            source.read("train")
        assert source.read("test").labels is None
        assert source.read("train", labelled=False).ids == ["4"]
    with (
        holding([{**row, "label": 0, "sentence1": " ", "sentence2": ""}]),
        pytest.raises(UserError, match="the text of row 4 is blank"),
    ):
        source.read("train")


def test_rows_come_in_the_order_of_the_published_file(network_assumed):
    rows = [{"sentence": f"s{n}", "label": n % 2, "idx": n} for n in (3, 0, 10, 2)]
    with holding(rows):
        examples = TfdsSource(tasks.get("sst")).read("train")
    assert examples.ids == ["0", "2", "3", "10"]
    assert examples.texts == (["s0", "s2", "s3", "s10"],)
    assert examples.labels.tolist() == [0, 0, 1, 0]


NO_ANSWERS = {"text": [], "answer_start": []}


def question(number, context="Zoë left", text="Zoë", start=0, **more):
    answers = {"text": [text], "answer_start": [start]} if text else NO_ANSWERS
    row = {"id": f"q{number}", "title": "t", "question": f"Who {number}?", "context": context}
    return {**row, "answers": answers, **more}


def negative(number, **more):
    plausible = {"text": ["left"], "answer_start": [4]}
    return question(number, text="", is_impossible=True, plausible_answers=plausible, **more)


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_are_read_with_the_builders_real_features(name, network_assumed):
    task = tasks.get(name)
    rows = [question(0), question(1, "a 🎈 b", "b", 4), question(2)]
    if task.negatives:
        more = {"is_impossible": False, "plausible_answers": NO_ANSWERS}
        rows = [row | more for row in rows] + [negative(3)]
    source = TfdsSource(task)
    assert source.splits() == tuple(task.files)
    with holding(rows):
        read = {split: source.read(split) for split in source.splits()}
        unlabelled = source.read("dev", labelled=False)
    for split, examples in read.items():
        # Those on one passage stand together.
        golds = {"q0": [("Zoë", 0)], "q2": [("Zoë", 0)], "q3": [], "q1": [("b", 4)]}
        if not task.negatives:
            del golds["q3"]
        assert examples.ids == list(golds)
        assert examples.answers == list(golds.values())
        assert examples.contexts == ["Zoë left", "a 🎈 b"]
        assert examples.origin == f"tfds {task.tfds.name}/{task.tfds.splits[split]}"
    assert unlabelled.ids == read["dev"].ids
    assert unlabelled.answers is None


def test_a_question_of_tensorflow_datasets_that_is_not_as_it_should_be_is_told(network_assumed):
    with (
        holding([question(0), question(1, start=1)]),
        pytest.raises(UserError, match=r"tfds squad/v1\.1/train: question 'q1': .*'Zoë' is not at"),
    ):
        TfdsSource(tasks.get("squad")).read("train")


def test_a_data_set_without_questions_is_refused(network_assumed):
    other = replace(tasks.get("squad"), tfds=tasks.get("rte").tfds)
    with pytest.raises(UserError, match=r"tfds glue/rte: no feature 'id' \(features: "):
        TfdsSource(other).read("train")


def test_a_task_outside_tensorflow_datasets_says_so():
    with pytest.raises(UserError, match="scitail is not in tensorflow-datasets; use --data DIR"):
        TfdsSource(tasks.get("scitail"))


def test_an_unknown_split_is_an_error():
    with pytest.raises(UserError, match=r"no split 'validation'.*train, dev, test"):
        TfdsSource(tasks.get("rte")).read("validation")


@pytest.fixture
def no_network(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror("no address")

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", fail)


def test_without_a_network_the_offline_way_is_told_at_once(no_network, monkeypatch, tmp_path):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"no network .*--data DIR or use --data sample"):
        TfdsSource(tasks.get("rte")).read("train")


def test_a_failed_download_is_one_line_with_its_cause(network_assumed, monkeypatch):
    def fail(*_, **__):
        raise tfds.download.DownloadError("Failed to get url\nHTTP code: 404.")

    monkeypatch.setattr(tfds, "load", fail)
    with pytest.raises(UserError) as error:
        TfdsSource(tasks.get("rte")).read("train")
    message = str(error.value)
    assert "glue/rte cannot be downloaded or read (DownloadError: Failed to get url HTTP" in message
    assert "\n" not in message


def test_labels_in_another_order_are_refused(network_assumed):
    turned = replace(tasks.get("rte"), labels=("not_entailment", "entailment"))
    with pytest.raises(UserError, match=r"its labels are .*the task declares"):
        TfdsSource(turned).read("train")


NER_ROWS = [
    {"tokens": words, "pos": ["NN"] * len(words), "chunks": ["O"] * len(words), "ner": tags}
    for words, tags in [
        (["Ann", "left", "Oslo"], ["B-PER", "O", "B-LOC"]),
        # TFDS ends each file with such a sentence.
        ([], []),
        (["It"], ["I-MISC"]),
    ]
]


def test_tags_are_read_by_their_names(network_assumed):
    ner = tasks.get("ner")
    assert tfds.builder("conll2003").info.features["ner"].feature.names != list(ner.labels)
    with holding(NER_ROWS):
        for split in ("train", "dev", "test"):
            examples = TfdsSource(ner).read(split)
            assert examples.words == ["Ann", "left", "Oslo", "It"]
            assert examples.row_splits.tolist() == [0, 3, 4]
            assert [ner.labels[tag] for tag in examples.tags] == ["B-PER", "O", "B-LOC", "I-MISC"]
            assert (examples.ids, examples.origin) == (["0", "1"], f"tfds conll2003/{split}")
            assert (examples.lines, examples.file) == (None, None)
        assert not TfdsSource(ner).read("test", labelled=False).labelled


def universal(name, *tokens):
    """A row as TFDS makes it of CoNLL-U: ranges and empty nodes stand among the words."""
    rows = {"idx": name, "text": "-"}
    for feature in ("lemmas", "xpos", "feats", "deprel", "deps", "misc"):
        rows[feature] = ["x"] * len(tokens)
    for place, feature in enumerate(("tokens", "upos", "head")):
        rows[feature] = [token[place] for token in tokens]
    return rows


def test_what_is_no_word_in_universal_dependencies_is_left_out(network_assumed):
    pos = tasks.get("pos")
    rows = [
        universal("b-2", ("don't", "_", "None"), ("do", "AUX", "2"), ("n't", "PART", "1"),
                  ("went", "VERB", "None")),
        universal("a-1", ("Go", "VERB", "0")),
    ]  # fmt: skip
    with holding(rows):
        examples = TfdsSource(pos).read("dev")
    assert (examples.words, examples.ids) == (["do", "n't", "Go"], ["b-2", "a-1"])
    assert [pos.labels[tag] for tag in examples.tags] == ["AUX", "PART", "VERB"]


def test_a_tag_that_the_task_does_not_have_is_an_error(network_assumed):
    with (
        holding([universal("a-1", ("x", "_", "3"))]),
        pytest.raises(UserError, match="en_ewt/train: sentence a-1: unknown label '_'"),
    ):
        TfdsSource(tasks.get("pos")).read("train")
    fewer = replace(tasks.get("ner"), labels=("O", "B-PER"))
    with holding(NER_ROWS), pytest.raises(UserError, match="sentence 0: unknown label 'B-LOC'"):
        TfdsSource(fewer).read("train")


@pytest.mark.parametrize("name", ["ner", "pos"])
def test_declared_features_of_tags_are_those_of_tensorflow_datasets(name):
    task = tasks.get(name)
    features = tfds.builder(task.tfds.name).info.features
    assert {*task.tfds.text, task.tfds.label} <= set(features)
    assert set(features[task.tfds.label].feature.names) - {"_"} == set(task.labels)
    assert set(task.tfds.splits) == set(task.files)
