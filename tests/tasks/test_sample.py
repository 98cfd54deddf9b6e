"""The built-in tables: their layout, their balance, and how much a bag of words can solve."""

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest
from scipy.sparse import hstack
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from tfglue import tasks
from tfglue.tasks.sample import generate, words

# Questions and tagged sentences have tests of their own.
TABLES = tuple(generate.WRITERS)
SPLITS = [(name, split) for name in TABLES for split in tasks.get(name).files]
DEV_SPLITS = [(name, split) for name, split in SPLITS if split.startswith("dev")]
PAIR_DEV_SPLITS = [item for item in DEV_SPLITS if len(tasks.get(item[0]).text_fields) == 2]

# Fields in the headers of the published GLUE and SNLI files.
PUBLISHED_HEADERS = {
    ("sst", "train"): "sentence label",
    ("sst", "test"): "index sentence",
    ("cola", "test"): "index sentence",
    ("mrpc", "dev"): "Quality #1 ID #2 ID #1 String #2 String",
    ("mrpc", "test"): "index #1 ID #2 ID #1 String #2 String",
    ("qqp", "train"): "id qid1 qid2 question1 question2 is_duplicate",
    ("qqp", "test"): "id question1 question2",
    (
        "stsb",
        "dev",
    ): "index genre filename year old_index source1 source2 sentence1 sentence2 score",
    ("qnli", "train"): "index question sentence label",
    ("rte", "test"): "index sentence1 sentence2",
    ("wnli", "dev"): "index sentence1 sentence2 label",
    ("ax", "test"): "index sentence1 sentence2",
    ("mnli", "train"): (
        "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse "
        "sentence1_parse sentence2_parse sentence1 sentence2 label1 gold_label"
    ),
    ("mnli", "dev_mismatched"): (
        "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse "
        "sentence1_parse sentence2_parse sentence1 sentence2 "
        "label1 label2 label3 label4 label5 gold_label"
    ),
    ("mnli", "test"): (
        "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse "
        "sentence1_parse sentence2_parse sentence1 sentence2"
    ),
    ("snli", "dev"): (
        "index captionID pairID sentence1_binary_parse sentence2_binary_parse "
        "sentence1_parse sentence2_parse sentence1 sentence2 "
        "label1 label2 label3 label4 label5 gold_label"
    ),
}


@cache
def read(name: str, split: str) -> tuple[list[tuple[str, ...]], list[str] | None]:
    """Texts and labels of a committed file, split on tabs and nothing else."""
    task = tasks.get(name)
    split_file = task.files[split]
    path = generate.FOLDER / task.folders[0] / split_file.name
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    names = lines.pop(0).split("\t") if split_file.header else list(range(split_file.columns))
    rows = [line.split("\t") for line in lines]
    assert {len(row) for row in rows} == {len(names)}
    texts = [tuple(row[names.index(field)] for field in split_file.text) for row in rows]
    if split_file.label is None:
        return texts, None
    return texts, [row[names.index(split_file.label)] for row in rows]


def vocabulary(texts: list[tuple[str, ...]]) -> set[str]:
    return set(re.findall(r"[a-z]+|\d+", " ".join(" ".join(row) for row in texts).lower()))


def bag_of_words(train, dev, options: dict):
    """Word counts of train and dev, in a feature space for each field."""
    blocks = []
    for field in range(len(train[0])):
        counter = CountVectorizer(token_pattern=r"\w+", **options)
        fitted = counter.fit_transform([row[field] for row in train])
        blocks.append((fitted, counter.transform([row[field] for row in dev])))
    return hstack([block[0] for block in blocks]), hstack([block[1] for block in blocks])


def bag_of_words_score(name: str, split: str, view, **options) -> float:
    """Dev accuracy (or Pearson correlation) of a linear model on words of `view` of each row."""
    train, train_labels = read(name, "train")
    dev, dev_labels = read(name, split)
    features, dev_features = bag_of_words(
        [view(row) for row in train], [view(row) for row in dev], options
    )
    if tasks.get(name).kind == "regress":
        model = Ridge().fit(features, np.array(train_labels, float))
        return np.corrcoef(model.predict(dev_features), np.array(dev_labels, float))[0, 1]
    model = LogisticRegression(max_iter=1000).fit(features, train_labels)
    return model.score(dev_features, dev_labels)


VIEWS = {
    "fields apart": lambda row: row,
    "fields joined": lambda row: (" ".join(row),),
    "second field alone": lambda row: row[1:],
}
LIMITS = {"fields apart": 0.85, "fields joined": 0.85, "second field alone": 0.75}


def test_generating_again_gives_the_committed_bytes(tmp_path):
    generate.write(tmp_path)

    def contents(folder):
        files = (path for path in folder.rglob("*") if path.is_file())
        return {
            path.relative_to(folder): path.read_bytes()
            for path in files
            if path.suffix not in (".py", ".pyc")
        }

    made, kept = contents(tmp_path), contents(generate.FOLDER)
    assert made.keys() == kept.keys()
    assert [path for path in made if made[path] != kept[path]] == []
    assert sum(map(len, kept.values())) < 2_200_000


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_every_declared_split_has_rows_and_known_labels(name, split):
    task = tasks.get(name)
    texts, labels = read(name, split)
    low, high = {"train": (1000, 2500), "dev": (200, 300), "test": (90, 120)}[split.split("_")[0]]
    assert low <= len(texts) <= high
    assert all(text and text == text.strip() for row in texts for text in row)
    if labels is not None and task.kind == "classify":
        counts = Counter(labels)
        assert set(counts) == set(task.file_labels or task.labels)
        assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(("name", "split"), PUBLISHED_HEADERS)
def test_headers_are_those_of_the_published_files(name, split):
    task = tasks.get(name)
    path = generate.FOLDER / task.folders[0] / task.files[split].name
    header = path.read_text(encoding="utf-8").split("\n")[0]
    assert header.replace("\t", " ") == PUBLISHED_HEADERS[name, split]


@pytest.mark.parametrize("split", ["train", "dev"])
def test_scores_spread_over_the_whole_range(split):
    _, labels = read("stsb", split)
    counts, _ = np.histogram(np.array(labels, float), bins=5, range=(0, 5))
    assert counts.min() >= len(labels) / 8
    assert (min(map(float, labels)), max(map(float, labels))) == (0.0, 5.0)


@pytest.mark.parametrize("name", [name for name in TABLES if name != "ax"])
def test_no_text_of_train_is_in_another_split(name):
    train = set(read(name, "train")[0])
    for split in tasks.get(name).files:
        texts = read(name, split)[0]
        assert len(set(texts)) == len(texts)
        assert split == "train" or train.isdisjoint(texts)


@pytest.mark.parametrize(("name", "split"), DEV_SPLITS)
def test_words_that_only_dev_holds_are_content_words_held_out(name, split):
    train, dev = vocabulary(read(name, "train")[0]), vocabulary(read(name, split)[0])
    assert train.isdisjoint(words.held_out())
    assert dev - train <= words.held_out()
    assert len(dev - train) >= 8


@pytest.mark.parametrize("options", [{}, {"ngram_range": (1, 2)}], ids=["words", "bigrams"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("name", "split"), PAIR_DEV_SPLITS)
def test_a_bag_of_words_does_not_solve_the_pair_tasks(name, split, view, options):
    assert bag_of_words_score(name, split, VIEWS[view], **options) < LIMITS[view]


def test_single_words_nearly_solve_the_sentiment_task():
    assert bag_of_words_score("sst", "dev", VIEWS["fields apart"]) > 0.9
