"""Linear probes: what they can read where it was put, and a store from end to end."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data_prep import activations
from tfglue import probe, tasks
from tfglue.activations.probing import LayerProbe
from tfglue.activations.store_form import StoreForm
from tfglue.errors import UserError
from tfglue.run import Run

SMALL_BERT = str(Path(__file__).parents[1] / "reference" / "small_bert")
LAYERS, WIDTH = (0, 2), 6
KNOWN = (2, 1)  # The layer of index 1, token 1, holds the label.


class Split:
    """Noise but for one token of one layer, or all tokens of it, that show the label."""

    def __init__(self, kind, seed, rows=300, lengths=(3, 6)):
        random = np.random.default_rng(seed)
        self.rows = []
        for _ in range(rows):
            states = random.normal(size=(random.integers(*lengths), len(LAYERS), WIDTH))
            if kind == "tag":
                label = random.integers(-1, 3, len(states))
                states[np.arange(len(label)), 1, label] += 6  # One unit for each tag.
            else:
                label = random.integers(0, 2, 1) if kind == "classify" else random.normal(size=1)
                states[1, 1, 0] = 3 * label[0]
            self.rows.append((states, label))

    def labelled(self):
        return iter(self.rows)


def store_of(kind, tokens="all", lengths=(3, 6)):
    splits = {"train": Split(kind, 0, lengths=lengths), "dev": Split(kind, 1, lengths=lengths)}
    form = StoreForm(LAYERS, WIDTH, "float32", tokens)
    return SimpleNamespace(form=form, split=splits.get, folder=Path("store"))


def scores(kind, task, positions=None, lengths=(3, 6)):
    rows = LayerProbe(store_of(kind, lengths=lengths), task, positions).scores()
    return {(row["layer"], row["position"]): row[task.main_metric] for row in rows}


@pytest.mark.parametrize(("kind", "name"), [("classify", "sst"), ("regress", "stsb")])
def test_a_label_is_found_in_its_layer_at_its_token_and_nowhere_else(kind, name):
    found = scores(kind, tasks.get(name), ["0", "1", "first", "last"])
    assert found.pop((2, "1")) > 0.97
    assert max(found.values()) < 0.65


@pytest.mark.parametrize(("length", "position"), [(3, "middle"), (2, "middle"), (2, "last")])
def test_positions_of_rows_of_one_length(length, position):
    found = scores("classify", tasks.get("sst"), [position, "mean"], (length, length + 1))
    assert found[2, position] > 0.97 and found[2, "mean"] > 0.75


def test_tags_are_read_word_by_word():
    task = replace(tasks.get("pos"), labels=("a", "b", "c"))
    found = scores("tag", task)
    assert found[2, "words"] > 0.97 and found[0, "words"] < 0.5


def test_rows_that_are_shorter_are_left_out():
    store = store_of("classify")
    found = LayerProbe(store, tasks.get("sst"), ["0", "4"]).scores()
    long = sum(len(states) > 4 for states, _ in store.split("dev").rows)
    assert [row["rows"] for row in found] == [300, long] * 2


def test_the_floor_is_the_most_frequent_answer_of_train():
    store = store_of("classify")
    labels = {n: np.array([label[0] for _, label in store.split(n).rows]) for n in ("train", "dev")}
    most = np.bincount(labels["train"]).argmax()
    floor = LayerProbe(store, tasks.get("sst")).floor()
    assert floor == pytest.approx(np.mean(labels["dev"] == most))


@pytest.mark.parametrize(
    ("kind", "task", "tokens", "positions", "message"),
    [
        ("classify", "sst", "all", ["frist"], "did you mean 'first'"),
        ("classify", "sst", "all", ["-1"], "unknown position '-1'"),
        ("classify", "sst", "all", ["99"], "no row is so long"),
        ("classify", "sst", "first", ["mean"], "holds the first token alone"),
        ("tag", "ner", "all", ["first"], "of ner: words"),
        ("span", "squad2", "all", None, "squad2 is of kind span"),
    ],
)
def test_mistakes(kind, task, tokens, positions, message):
    with pytest.raises(UserError, match=message):
        LayerProbe(store_of(kind, tokens), tasks.get(task), positions).scores()


@pytest.mark.slow
def test_a_store_is_probed_from_the_command_line(tmp_path, capsys):
    Run.train(data="sample", task="rte", encoder=SMALL_BERT, max_steps=1, max_length=32,
              train_examples=64, output=str(tmp_path / "run"))
    store, output = str(tmp_path / "store"), tmp_path / "probe"
    assert activations.main(["--run", str(tmp_path / "run"), "--output", store]) == 0
    words = ["--activations", store, "--output", str(output)]
    assert probe.main(words) == 0
    with open(output / "probe.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["position"] for row in rows[:3]] == ["first", "mean", "last"]
    report = json.loads((output / "probe.json").read_text())
    assert len(report["probes"]) == len(rows) == 3 * len({row["layer"] for row in rows})
    assert (output / "probe.png").stat().st_size > 5000
    assert probe.main(words) == 2
    assert "add --overwrite" in capsys.readouterr().err
