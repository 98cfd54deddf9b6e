"""The part of the training data that stands in for a dev set."""

from dataclasses import replace

import numpy as np
import pytest

from tfglue import tasks
from tfglue.data.examples import TextExamples
from tfglue.data.held_out import split_held_out
from tfglue.data.held_out_source import HeldOutSource
from tfglue.data.questions import Questions
from tfglue.data.sources import open_source

CHUNK = tasks.get("chunk")


def texts(count):
    rows = [str(row) for row in range(count)]
    return TextExamples(ids=rows, origin="-", texts=(rows,), labels=None)


def questions(passages):
    passage_of = np.repeat(np.arange(passages), 5).astype(np.int32)
    asked = [str(row) for row in range(5 * passages)]
    return Questions(ids=asked, origin="-", texts=asked, contexts=["p"] * passages,
                     context_of=passage_of, answers=None)  # fmt: skip


@pytest.mark.parametrize("share", [0.1, 0.25])
def test_every_row_is_on_one_side_and_the_share_is_kept(share):
    kept, aside = split_held_out(texts(200), share)
    assert len(aside) == 200 * share
    assert sorted([*kept, *aside]) == list(range(200))
    assert (np.diff(kept) > 0).all() and (np.diff(aside) > 0).all()
    # Not simply the last rows.
    assert aside[0] < 100


def test_the_same_rows_are_set_aside_whenever_asked():
    for first, second in zip(split_held_out(texts(50), 0.2), split_held_out(texts(50), 0.2),
                             strict=True):  # fmt: skip
        np.testing.assert_array_equal(first, second)


def test_questions_on_one_passage_stay_together():
    asked = questions(40)
    kept, aside = split_held_out(asked, 0.1)
    assert set(asked.context_of[kept]).isdisjoint(asked.context_of[aside])
    assert 15 <= len(aside) <= 25


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_neither_side_is_empty(share):
    kept, aside = split_held_out(texts(2), share)
    assert len(kept) == len(aside) == 1


@pytest.fixture
def source(tmp_path):
    blocks = [f"w{number} X B-NP\nz X O\n\n" for number in range(40)]
    (tmp_path / "train.txt").write_text("".join(blocks))
    (tmp_path / "test.txt").write_text("t X O\n")
    return open_source(CHUNK, f"chunk={tmp_path}")


def test_a_task_without_a_dev_file_gets_a_part_of_its_training_data(source, tmp_path):
    assert source.splits() == ("train", "dev", "test")
    assert source.description == f"folder {tmp_path}, 10 % held out as dev"
    train, dev = source.read("train"), source.read("dev")
    assert (len(train), len(dev)) == (36, 4)
    assert set(train.words) & set(dev.words) == {"z"}
    assert set(train.ids).isdisjoint(dev.ids)
    assert train.origin == f"{tmp_path / 'train.txt'}, 10 % held out"
    assert dev.origin == f"{tmp_path / 'train.txt'}, the 10 % held out"
    assert source.read("dev").digest() == dev.digest()
    assert source.read("test").words == ["t"]


def test_the_parts_are_the_same_without_labels(source):
    assert source.read("dev", labelled=False).words == source.read("dev").words
    assert not source.read("dev", labelled=False).labelled


def test_a_folder_without_training_data_has_no_dev_either(source, tmp_path):
    (tmp_path / "train.txt").unlink()
    assert source.splits() == ("test",)


def test_of_a_task_with_dev_splits_they_are_left_alone():
    mnli = open_source(tasks.get("mnli"), "sample")
    source = HeldOutSource(mnli, 0.1)
    assert "dev_mismatched" in mnli.splits()
    assert source.splits() == ("train", "dev", *(s for s in mnli.splits() if "test" in s))
    train, dev = source.read("train"), source.read("dev")
    assert {*train.ids, *dev.ids} == set(mnli.read("train").ids)


def test_tasks_with_a_dev_file_use_it(tmp_path):
    (tmp_path / "train.txt").write_text("a X B-NP O\n")
    (tmp_path / "valid.txt").write_text("b X B-NP O\n")
    ner = replace(tasks.get("ner"), held_out=0.5)
    assert open_source(ner, f"ner={tmp_path}").read("dev").words == ["b"]
