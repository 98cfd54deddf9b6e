"""The built-in sample of tagged sentences: its layout, and that words alone do not tell tags."""

from collections import Counter, defaultdict
from functools import cache
from itertools import pairwise

import pytest

from tfglue import tasks
from tfglue.data.learn_vocabulary import TINY_VOCABULARY
from tfglue.data.sources import FolderSource
from tfglue.tasks.sample import generate, words
from tfglue.tasks.tagging import TASKS

NAMES = ("ner", "chunk", "pos")
SPLITS = [(name, split) for name in NAMES for split in tasks.get(name).files]


def path(name, split):
    task = tasks.get(name)
    return generate.FOLDER / task.folders[0] / task.files[split].name


def blocks(name, split):
    return [block.split("\n") for block in path(name, split).read_text().split("\n\n")[:-1]]


@cache
def read(name, split):
    """Sentences of (word, tag)."""
    task = tasks.get(name)
    examples = FolderSource(task, path(name, split).parent).read(split)
    tags = [task.labels[tag] for tag in examples.tags]
    pairs = list(zip(examples.words, tags, strict=True))
    return [pairs[start:end] for start, end in pairwise(examples.row_splits.tolist())]


def test_every_task_whose_data_can_be_had_has_a_sample():
    assert set(generate.SENTENCES) == {task.name for task in TASKS if any(
        file.rows for file in task.files.values())}  # fmt: skip
    sizes = [path(*item).stat().st_size for item in SPLITS]
    assert sum(sizes) < 300_000


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_every_declared_split_has_its_sentences_and_nearly_all_tags(name, split):
    found = read(name, split)
    assert len(found) == generate.SENTENCES[name][split]
    tags = {tag for sentence in found for _, tag in sentence}
    task = tasks.get(name)
    if name == "chunk":
        # Some phrases are as rare as in the published files.
        tags |= {tag for tag in task.labels if tag[2:] in ("CONJP", "UCP", "LST", "INTJ")}
        tags |= {"I-ADVP", "I-PP", "I-PRT", "I-SBAR"}
    assert tags == set(task.labels) or (split != "train" and len(tags) > len(task.labels) - 4)


@pytest.mark.parametrize(("name", "split"), [item for item in SPLITS if item[0] != "pos"])
def test_stretches_begin_before_they_go_on(name, split):
    for sentence in read(name, split):
        before = "O"
        for _, tag in sentence:
            assert not tag.startswith("I-") or before[2:] == tag[2:]
            before = tag


@pytest.mark.parametrize("name", NAMES)
def test_no_sentence_of_train_is_in_another_split(name):
    found = {split: [" ".join(word for word, _ in sentence) for sentence in read(name, split)]
             for split in tasks.get(name).files}  # fmt: skip
    for split, texts in found.items():
        assert len(set(texts)) == len(texts)
        assert split == "train" or set(found["train"]).isdisjoint(texts)


@pytest.mark.parametrize("name", NAMES)
def test_train_holds_no_held_out_word_and_the_others_some(name):
    for split in tasks.get(name).files:
        held = [word for sentence in read(name, split) for word, _ in sentence
                if word.lower() in words.held_out()]  # fmt: skip
        assert (held == []) if split == "train" else (len(held) >= 3)


@pytest.mark.parametrize("name", NAMES)
def test_most_words_of_train_are_whole_tokens_of_the_tiny_encoder(name):
    vocabulary = set(TINY_VOCABULARY.read_text().split("\n"))
    known = [word.lower() in vocabulary for sentence in read(name, "train")
             for word, _ in sentence]  # fmt: skip
    assert sum(known) / len(known) > 0.85


def test_a_word_alone_does_not_tell_its_entity():
    counts = defaultdict(Counter)
    for sentence in read("ner", "train"):
        for word, tag in sentence:
            counts[word][tag] += 1
    gold = [(word, tag) for sentence in read("ner", "dev") for word, tag in sentence if tag != "O"]
    right = [counts[word].most_common(1)[0][0] == tag for word, tag in gold if word in counts]
    assert 0.5 < sum(right) / len(gold) < 0.8


def test_columns_are_those_of_the_published_files():
    ner, chunk = blocks("ner", "train"), blocks("chunk", "train")
    assert ner[0] == ["-DOCSTART- -X- -X- O"]
    assert {len(line.split(" ")) for block in ner for line in block} == {4}
    assert {len(line.split(" ")) for block in chunk for line in block} == {3}
    for split in ("train", "dev", "test"):
        lines = [line for block in blocks("pos", split) for line in block if line[0] != "#"]
        assert {len(line.split("\t")) for line in lines} == {10}


def test_conllu_text_is_what_its_tokens_spell():
    joined = 0
    for block in blocks("pos", "train"):
        name, text, *lines = block
        assert name.startswith("# sent_id = sample-train-")
        rows = [line.split("\t") for line in lines]
        inside = set()
        spelled = ""
        for row in rows:
            if "-" in row[0]:
                first, last = map(int, row[0].split("-"))
                parts = [other[1] for other in rows if other[0] in (str(first), str(last))]
                assert "".join(parts) == row[1]
                inside |= {str(first), str(last)}
                joined += 1
            elif row[0] in inside:
                continue
            spelled += row[1] + " " * ("SpaceAfter=No" not in row[9])
        assert f"# text = {spelled.strip()}" == text
    assert joined > 10
