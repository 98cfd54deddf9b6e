"""Stores of real runs: what is read back is what the encoder computes, whatever happened."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from data_prep import activations
from tfglue import tasks
from tfglue.activations import shard
from tfglue.activations.store import ActivationStore
from tfglue.data.batches import MODEL_INPUTS, padded_batch
from tfglue.data.sources import open_source
from tfglue.errors import UserError
from tfglue.folder_lock import locked
from tfglue.kinds import KINDS
from tfglue.run import Run

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL_BERT = str(REPOSITORY / "tests" / "reference" / "small_bert")


OWN = {"squad2": {"max_query_length": 12, "doc_stride": 8}}


def trained(path, task) -> str:
    Run.train(task=task, data="sample", encoder=SMALL_BERT, max_steps=1, batch_size=4,
              max_length=32, train_examples=40, dev_examples=8, output=str(path),
              **OWN.get(task, {}))
    return str(path)


class Runs(dict):
    """Task -> folder of a run, trained when it is first asked for."""

    def __init__(self, place: Path):
        super().__init__()
        self.place = place

    def __missing__(self, task: str) -> str:
        self[task] = trained(self.place / task, task)
        return self[task]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Runs(tmp_path_factory.mktemp("runs"))


def extract(run, output, *words) -> int:
    words = ["--shard_mb", "0.25", *words]
    return activations.main(["--run", str(run), "--output", str(output), *words])


@pytest.fixture(scope="module")
def store(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "rte"
    assert extract(runs["rte"], folder) == 0
    return folder


def rows(run: Run, task: str, split: str):
    examples = open_source(tasks.get(task), "sample").read(split)
    kind = KINDS.get(run.tasks[task].kind)
    return kind.encode(run.tasks[task], examples, run.tokenizer, run.configs[task])


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "task", ["rte", pytest.param("squad2", marks=pytest.mark.long),
             pytest.param("ner", marks=pytest.mark.slow)],
)
def test_what_is_read_is_what_the_encoder_computes(runs, task, tmp_path):
    assert extract(runs[task], tmp_path / "store", "--dtype", "float32", "--layers", "0,-1") == 0
    opened, store = Run.open(runs[task]), ActivationStore(tmp_path / "store")
    assert store.form.layers == (0, opened.encoder.num_layers)
    features = rows(opened, task, "dev")
    found = store.rows_of(features, "dev")
    for row in range(0, len(features), 7):
        batch = padded_batch(features, np.array([row]))
        states = opened.encoder({name: batch[name] for name in MODEL_INPUTS})["hidden_states"]
        expected = np.stack([states[0][0], states[-1][0]], axis=1)
        assert np.allclose(found.read(row), expected, atol=1e-5)


def test_a_store_has_several_shards_and_every_row_of_its_splits(store, runs):
    opened, found = Run.open(runs["rte"]), ActivationStore(store)
    facts = found.manifest["splits"]
    assert len(facts["train"]["shards"]) > 2
    for split in ("train", "dev"):
        features = rows(opened, "rte", split)
        assert facts[split]["rows"] == len(features)
        found.rows_of(features, split)
    assert found.verify() == sum(facts[split]["rows"] for split in facts)


def test_records_are_examples_that_anyone_can_read(store, runs):
    opened, found = Run.open(runs["rte"]), ActivationStore(store)
    examples = open_source(tasks.get("rte"), "sample").read("dev")
    names = sorted(str(path) for path in store.glob("dev-*.tfrecord"))
    form = {
        "activations": tf.io.FixedLenFeature([], tf.string),
        "token_ids": tf.io.VarLenFeature(tf.int64),
        "id": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([1], tf.int64),
    }
    records = list(tf.data.TFRecordDataset(names).map(lambda r: tf.io.parse_example(r, form)))
    assert [record["id"].numpy().decode() for record in records] == examples.ids
    assert [int(record["label"][0]) for record in records] == examples.labels.tolist()
    states = tf.reshape(
        tf.io.decode_raw(records[0]["activations"], tf.bfloat16),
        [-1, len(found.form.layers), found.form.width],
    )
    features = rows(opened, "rte", "dev")
    assert len(states) == features.lengths[0]
    assert np.array_equal(states, found.rows_of(features, "dev").read(0).astype(np.float32))


def test_a_padded_batch_has_zeros_behind_the_rows(store, runs):
    opened = Run.open(runs["rte"])
    features = rows(opened, "rte", "dev")
    found = ActivationStore(store).rows_of(features, "dev")
    batch = found.padded(np.array([3, 1, 5]), 32)
    for place, row in enumerate((3, 1, 5)):
        length = features.lengths[row]
        assert np.array_equal(batch[place, :length], found.read(row))
        assert not batch[place, length:].any()


def test_an_extraction_goes_on_and_ends_with_the_same_bytes(store, runs, tmp_path):
    again = Path(shutil.copytree(store, tmp_path / "again"))
    lost = sorted(again.glob("train-*"))
    lost[0].unlink()  # The index of the first shard, as if killed between the two files,
    lost[3].write_bytes(lost[3].read_bytes()[:100])  # and a shard that was cut short.
    half = again / f".{lost[3].name}.17.tmp"  # As `atomic_file` leaves it when it is killed.
    half.mkdir()
    (half / lost[3].name).write_bytes(b"half a shard")
    assert extract(runs["rte"], again) == 0
    assert files(again) == files(store)
    assert not half.exists()


@pytest.mark.slow
def test_shards_may_be_shared_among_processes(store, runs, tmp_path, capsys):
    shared = tmp_path / "shared"
    assert extract(runs["rte"], shared, "--shard", "1/2") == 0
    with pytest.raises(UserError, match="shards of train are not written yet"):
        ActivationStore(shared)
    assert extract(runs["rte"], shared, "--shard", "0/2") == 0
    assert files(shared) == files(store)


@pytest.mark.slow
def test_a_process_leaves_alone_what_another_one_is_writing(store, runs, tmp_path):
    shared = tmp_path / "shared"
    assert extract(runs["rte"], shared, "--shard", "1/2") == 0
    order = [n for facts in ActivationStore(store).manifest["splits"].values()
             for n in facts["shards"]]
    theirs = shared / f".{order[1]}.17.tmp"
    theirs.mkdir()
    assert extract(runs["rte"], shared, "--shard", "0/2") == 0
    assert theirs.is_dir()
    assert extract(runs["rte"], shared, "--shard", "1/2") == 0
    assert not theirs.exists()


@pytest.mark.slow
def test_a_shard_that_another_process_writes_is_left_to_it(store, runs, tmp_path, capsys):
    shared = Path(shutil.copytree(store, tmp_path / "store"))
    name = sorted(shared.glob("*.tfrecord"))[1].stem
    (shared / f"{name}.tfrecord").unlink()
    with locked(shared, f".{name}.lock"):
        assert extract(runs["rte"], shared) == 2
    assert "another process" in capsys.readouterr().err
    assert extract(runs["rte"], shared) == 0
    assert files(shared) == files(store)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"bfloat16"', '"bfloat17"', "no such form of activations"),
        ('"max_length"', '"longest"', "max_length"),
        ("tfglue.activations.v1", "tfglue.activations.v9", "expected format"),
    ],
)
def test_a_damaged_manifest_is_named(store, tmp_path, old, new, message):
    damaged = Path(shutil.copytree(store, tmp_path / "damaged")) / "manifest.json"
    damaged.write_text(damaged.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        ActivationStore(damaged.parent)


def test_a_dry_run_writes_nothing_and_says_the_size(store, runs, tmp_path, capsys):
    assert extract(runs["rte"], tmp_path / "none", "--dry_run") == 0
    assert not (tmp_path / "none").exists()
    said = float(capsys.readouterr().out.split("store: ")[1].split(" MB")[0])
    assert said == pytest.approx(sum(map(len, files(store).values())) / 1e6, rel=0.05)


def test_damage_is_named(store, runs, tmp_path, capsys):
    damaged = Path(shutil.copytree(store, tmp_path / "damaged"))
    shard = sorted(damaged.glob("dev-*.tfrecord"))[0]
    content = bytearray(shard.read_bytes())
    for place in (9, len(content) // 2, len(content) - 2):  # A border, some row, the last border.
        flipped = bytearray(content)
        flipped[place] ^= 1
        shard.write_bytes(flipped)
        assert activations.main(["--output", str(damaged), "--verify"]) == 2
        assert f"{shard}: row" in capsys.readouterr().err
    shard.write_bytes(content[:-10])
    assert activations.main(["--output", str(damaged), "--verify"]) == 2
    assert f"{shard}: {len(content) - 10} bytes, expected {len(content)}" in capsys.readouterr().err


def test_a_damaged_index_is_named(store, tmp_path, capsys):
    damaged = Path(shutil.copytree(store, tmp_path / "damaged"))
    index = sorted(damaged.glob("dev-*.index.safetensors"))[0]
    tensors = load_file(index)
    tensors["keys"][3, 5] ^= 1
    save_file(tensors, index)
    assert activations.main(["--output", str(damaged), "--verify"]) == 2
    assert "row 3 is damaged" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts files by /proc")
def test_shards_may_be_more_than_the_files_that_a_process_may_open(store, monkeypatch):
    monkeypatch.setattr(shard, "_open", lru_cache(1)(shard._open.__wrapped__))
    opened = len(os.listdir("/proc/self/fd"))
    held = ActivationStore(store)
    assert len(list(store.glob("*.tfrecord"))) > 3
    held.verify()
    assert len(os.listdir("/proc/self/fd")) <= opened + 1


def test_another_spelling_of_the_run_goes_on_with_its_store(store, runs, capsys):
    before = files(store)
    assert extract(os.path.relpath(runs["rte"]), store) == 0
    assert files(store) == before


def test_the_manifest_says_the_bytes_of_the_states(store):
    held = ActivationStore(store)
    for name, facts in held.manifest["splits"].items():
        states = [states for states, _ in held.split(name).labelled()]
        assert facts["bytes"] == sum(one.nbytes for one in states)
        assert facts["tokens"] == sum(map(len, states))


@pytest.mark.slow
def test_a_store_of_something_else_is_refused(store, runs, tmp_path, capsys):
    other = Path(shutil.copytree(store, tmp_path / "other"))
    assert extract(runs["rte"], other, "--dtype", "int8") == 2
    assert "holds a store of another form" in capsys.readouterr().err
    assert extract(runs["squad2"], other) == 2
    assert "holds a store of another" in capsys.readouterr().err
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    assert extract(runs["rte"], full) == 2
    assert "is not empty and holds no store" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("task", ["rte", "squad2"])
def test_a_part_of_the_rows_is_what_training_with_the_same_flags_reads(runs, task, tmp_path):
    part = {"train_examples": 12, "dev_examples": 7}
    words = [word for name, value in part.items() for word in (f"--{name}", str(value))]
    assert extract(runs[task], tmp_path / "store", *words) == 0
    splits = ActivationStore(tmp_path / "store").manifest["splits"]
    whole = {split: len(rows(Run.open(runs[task]), task, split)) for split in ("train", "dev")}
    assert all(splits[split]["rows"] < count / 3 for split, count in whole.items())
    settings = dict(task=task, data="sample", max_length=32, epochs=1, batch_size=4,
                    activations=str(tmp_path / "store"), **OWN.get(task, {}))
    Run.train(settings, **part, output=str(tmp_path / "run"))
    with pytest.raises(UserError, match="not in this store"):
        Run.train(settings, train_examples=30, dev_examples=7, output=str(tmp_path / "more"))


@pytest.mark.slow
def test_a_part_holds_the_rows_that_are_held_out_of_training(runs, tmp_path):
    part = {"train_examples": 12, "dev_examples": 4, "tune_split": 0.2}
    words = [word for name, value in part.items() for word in (f"--{name}", str(value))]
    assert extract(runs["rte"], tmp_path / "store", *words) == 0
    splits = ActivationStore(tmp_path / "store").manifest["splits"]
    assert {name: facts["rows"] for name, facts in splits.items()} == {
        "train": 12, activations.HELD_OUT: 4, "dev": 4,
    }
    settings = dict(task="rte", data="sample", max_length=32, epochs=1, batch_size=4,
                    activations=str(tmp_path / "store"), train_examples=12)
    run = Run.train(settings, dev_examples=4, tune_split=0.2, output=str(tmp_path / "run"))
    data = run.folder.manifest()["data"]["rte"]
    assert data["dev"]["digest"] == splits[activations.HELD_OUT]["digest"]
    for other in ({"dev_examples": 9, "tune_split": 0.2}, {"dev_examples": 4, "tune_split": 0.4}):
        with pytest.raises(UserError, match="not in this store"):
            Run.train(settings, **other, output=str(tmp_path / "other"))


@pytest.mark.slow
def test_killed_at_random_it_ends_with_the_same_bytes(store, runs, tmp_path):
    folder, moments = tmp_path / "store", random.Random(7)
    command = [sys.executable, "-m", "data_prep.activations", "--run", runs["rte"], "--output",
               str(folder), "--shard_mb", "0.25"]
    shards = len(list(store.glob("*.tfrecord")))
    for number in (1, shards // 2):
        process = subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(folder.glob("*.tfrecord"))) < number:
            assert process.poll() is None, "ended before its kill"
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.02))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert len(list(folder.glob("*.index.safetensors"))) < shards
    assert subprocess.run(command, cwd=REPOSITORY).returncode == 0
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {path.name: path.read_bytes() for path in store.iterdir()}


def test_too_small_a_disk_is_found_before_the_first_byte(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 1000))
    assert extract(runs["rte"], tmp_path / "store") == 2
    assert "0.00 GB are free; keep less" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_rows_that_are_not_there_are_counted(store, runs):
    opened = Run.open(runs["ner"])
    with pytest.raises(UserError, match=r"\d+ of \d+ rows of dev are not in this store"):
        ActivationStore(store).rows_of(rows(opened, "ner", "dev"), "dev")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layers", "9"], "this encoder has the states 0 to"),
        (["--layers", "last"], "expected all, or numbers"),
        (["--dtype", "bf16"], "unknown value 'bf16'"),
        (["--tokens", "cls"], "unknown value 'cls'"),
        (["--shard", "2/2"], "expected i/n"),
        (["--splits", "tests"], "tests"),
        (["--epochs", "1"], "--epochs is a flag of training"),
        (["--encoder", "tiny"], "exclude each other"),
    ],
)
def test_mistakes_get_one_line(runs, tmp_path, capsys, words, message):
    assert extract(runs["rte"], tmp_path / "store", *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.slow
def test_an_encoder_may_be_trained_first(tmp_path):
    words = ["--encoder", SMALL_BERT, "--task", "sst", "--data", "sample", "--max_steps", "1",
             "--batch_size", "4", "--train_examples", "8", "--max_length", "32", "--tokens",
             "first", "--output", str(tmp_path / "store")]
    assert activations.main(words) == 0
    assert activations.main(words) == 0  # The run is there, and every shard.
    trained = Run.open(tmp_path / "store" / "run").folder.path / "train_rows.txt"
    found = ActivationStore(tmp_path / "store")
    assert len(trained.read_text().split()) == found.manifest["splits"]["train"]["rows"] == 8
    assert all(len(states) == 1 for states, _ in found.split("train").labelled())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layers", "9"], "this encoder has the states 0 to"),
        (["--project", "4096"], "expected 1 to"),
        (["--splits", "tests"], "tests"),
        (["--adapter", "lora"], "has an adapter"),
        (["--task", "sst,rte"], "a store is of one task"),
        (["--seeds", "2"], "a store is of one encoder"),
        (["--head", "adapter_pooler:projected=4096"], "must be less than"),
        ([], "is not empty and holds no store"),
        ([], "0.00 GB are free; keep less"),
    ],
)
def test_what_would_be_refused_is_found_before_training(
    tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.setattr(Run, "train", lambda *_, **__: pytest.fail("it trains"))
    store = tmp_path / "store"
    if "not empty" in message:
        store.mkdir()
        (store / "notes.txt").write_text("mine")
    if "free" in message:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 10))
    own = ["--encoder", SMALL_BERT, "--task", "sst", "--data", "sample", "--max_length", "32"]
    assert activations.main([*own, "--output", str(store), *words]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (store / "run").exists()
