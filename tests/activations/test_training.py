"""Training from a store is training beside the frozen encoder, but for the store's rounding."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from data_prep import activations
from tfglue import convert, evaluate, experiment, train
from tfglue.errors import UserError
from tfglue.models.head_config import published_heads
from tfglue.run import Run

SMALL_BERT = str(Path(__file__).parents[1] / "reference" / "small_bert")
SHORT = dict(data="sample", train_examples=48, batch_size=8, learning_rate=0.05, epochs=3, seed=3,
             max_length=32)
HEADS = {
    "rte": ["linear", "adapter_pooler:size=5", "adapter_pooler:size=5,tokens=first,skip=true"],
    "ner": ["linear", "adapter_pooler:size=5,pooling=softmax"],
    "squad2": ["adapter_pooler:size=5,order=both"],
}
OWN = {"squad2": {"max_query_length": 12, "doc_stride": 8}}


class Stores(dict):
    """Task -> folder of a store in float32, made beside the run that it is of when asked for."""

    def __init__(self, place: Path):
        super().__init__()
        self.place = place

    def __missing__(self, task: str) -> Path:
        Run.train(SHORT, task=task, encoder=SMALL_BERT, max_steps=2, dev_examples=8,
                  output=str(self.place / task), **OWN.get(task, {}))
        self[task] = self.place / f"{task}-store"
        words = ["--run", str(self.place / task), "--output", str(self[task])]
        assert activations.main([*words, "--dtype", "float32"]) == 0
        return self[task]

    def run(self, task: str) -> str:
        """The run that a store is of."""
        return str(self[task].with_name(task))


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    return Stores(tmp_path_factory.mktemp("stores"))


def tensors(run: Run) -> dict[str, np.ndarray]:
    (task,) = run.tasks
    return load_file(run.folder.path / "heads" / f"{task}.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "head"), [(task, head) for task, heads in HEADS.items() for head in heads]
)
def test_it_equals_training_beside_the_frozen_encoder(stores, task, head, tmp_path):
    own = dict(SHORT, task=task, head=head, dev_examples=40, head_dropout=0.2, **OWN.get(task, {}))
    stored = Run.train(own, activations=str(stores[task]), output=str(tmp_path / "stored"))
    beside = Run.train(own, init=stores.run(task), freeze="encoder",
                       output=str(tmp_path / "beside"))
    ours, theirs = tensors(stored), tensors(beside)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert np.allclose(ours[name], value, atol=2e-4), name
    assert stored.folder.manifest()["config"]["freeze"] == "encoder"
    assert stored.folder.manifest()["parents"][-1]["run"] == stores.run(task)


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [pytest.param(head, marks=[] if head.endswith(("=ap_glue", "=span_lp_a386_skip",
                                                   "=xception_short_skip"))
                  else pytest.mark.long)
     for head in published_heads()],
)
def test_every_preset_trains_on_a_store(stores, head, tmp_path):
    preset = head.partition("=")[2]
    task = "squad2" if preset.startswith("span") or preset == "ap_squad" else "rte"
    run = Run.train(
        SHORT, task=task, head=head, activations=str(stores[task]),
        learning_rate=5e-3, epochs=4, dev_examples=8, output=str(tmp_path / "run"),
        **OWN.get(task, {}),
    )
    with open(run.folder.path / "history.csv", newline="") as stream:
        losses = [float(row["train_loss"]) for row in csv.DictReader(stream)]
    half = len(losses) // 2
    assert np.mean(losses[half:]) < np.mean(losses[:half])


@pytest.mark.slow
def test_tokens_that_a_head_has_no_place_for_are_counted(stores, tmp_path, capsys):
    for length, said in ((6, "6 places"), (64, "none")):
        Run.train(SHORT, task="rte", head=f"adapter_pooler:size=2,tokens=flatten,length={length}",
                  activations=str(stores["rte"]), dev_examples=8, output=str(tmp_path / said))
        out = capsys.readouterr().out
        assert ("more tokens than the 6 that --head" in out) == (length == 6)


@pytest.mark.slow
def test_the_run_holds_its_encoder_and_answers_from_text(stores, tmp_path):
    run = Run.train(SHORT, task="rte", head="adapter_pooler:size=5", activations=str(stores["rte"]),
                    dev_examples=40, output=str(tmp_path / "run"))
    before = run.metrics["rte"]["dev"]
    assert evaluate.main(["--run", str(run.folder.path), "--data", "sample"]) == 0
    opened = Run.open(run.folder.path)
    assert opened.predict([("a dog barks", "an animal makes a sound")])[0]["label"]
    assert "AdapterPooler" in type(opened.model.heads["rte"]).__name__
    assert 0 <= before["accuracy"] <= 1
    assert convert.main(["--run", str(run.folder.path), "--output", str(tmp_path / "bert")]) == 2


@pytest.mark.slow
def test_projected_states_train_as_they_would_beside_the_encoder(stores, tmp_path):
    store, head = tmp_path / "store", "adapter_pooler:size=5,projected=12"
    words = ["--run", stores.run("rte"), "--output", str(store), "--dtype", "float32"]
    assert activations.main([*words, "--project", "12"]) == 0
    own = dict(SHORT, task="rte", head=head, dev_examples=40)
    stored = Run.train(own, activations=str(store), output=str(tmp_path / "stored"))
    beside = Run.train(own, init=stores.run("rte"), freeze="encoder",
                       output=str(tmp_path / "beside"))
    for name, value in tensors(beside).items():
        assert np.allclose(tensors(stored)[name], value, atol=2e-4), name
    text = [("a dog barks", "an animal makes a sound")]
    assert stored.predict(text)[0]["label"] == beside.predict(text)[0]["label"]
    for wrong in ("adapter_pooler:size=5", "linear", "adapter_pooler:projected=11"):
        with pytest.raises(UserError, match="projected to 12 units"):
            Run.train(own | {"head": wrong}, activations=str(store), output=str(tmp_path / "no"))


@pytest.mark.slow
@pytest.mark.parametrize("task", ["rte", "ner"])
def test_what_is_whole_of_a_damaged_store_is_used_on_request(stores, task, tmp_path, capsys):
    store = tmp_path / "store"
    words = ["--run", stores.run(task), "--output", str(store), "--shard_mb", "0.2"]
    assert activations.main(words) == 0
    shard = sorted(store.glob("train-*.tfrecord"))[1]
    content = bytearray(shard.read_bytes())
    for place in range(0, len(content), 1000):  # Every row, since some rows are there twice.
        content[place] ^= 1
    shard.write_bytes(content)
    own = dict(SHORT, task=task, train_examples=None, dev_examples=8, epochs=1,
               activations=str(store))
    with pytest.raises(UserError, match=f"{shard.name}: row .* is damaged"):
        Run.train(own, output=str(tmp_path / "no"))
    Run.train(own, skip_damaged=True, output=str(tmp_path / "run"))
    said = capsys.readouterr().out
    assert f"left out: {shard}" in said and "the others are in damaged shards" in said
    sorted(store.glob("dev-*.tfrecord"))[0].write_bytes(b"")
    with pytest.raises(UserError, match=f"rows of {task} dev are not in this store"):
        Run.train(own, skip_damaged=True, output=str(tmp_path / "dev"))


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["true", "false"])
def test_bfloat16_trains_nearly_the_same_from_the_store(stores, shared, tmp_path):
    own = dict(SHORT, task="rte", dev_examples=40, activations=str(stores["rte"]),
               head=f"adapter_pooler:size=5,shared={shared}")
    exact = Run.train(own, output=str(tmp_path / "exact"))
    rounded = Run.train(own, precision="mixed_bfloat16", output=str(tmp_path / "rounded"))
    for name, value in tensors(exact).items():
        assert np.allclose(tensors(rounded)[name], value, atol=5e-3), name
    before = tensors(exact)["projection.kernel"]
    assert not np.array_equal(tensors(rounded)["projection.kernel"], before)


def test_learned_shares_of_layers_are_written(stores, tmp_path):
    run = Run.train(SHORT, task="rte", head="adapter_pooler:size=5,pooling=softmax", dev_examples=8,
                    activations=str(stores["rte"]), output=str(tmp_path / "run"))
    weights = tensors(run)["pooling.weights"]
    expected = np.exp(weights) / np.exp(weights).sum()
    with open(run.folder.path / "layer_weights.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == [str(n) for n in range(len(weights))]
    assert np.allclose([float(row["share"]) for row in rows], expected, atol=1e-6)
    assert (run.folder.path / "layer_weights.png").stat().st_size > 3000


@pytest.mark.slow
def test_a_store_in_half_the_bytes_gives_nearly_the_same(stores, tmp_path):
    half = tmp_path / "half"
    assert activations.main(["--run", stores.run("rte"), "--output", str(half)]) == 0
    own = dict(SHORT, task="rte", dev_examples=40, learning_rate=5e-3)
    whole = Run.train(own, activations=str(stores["rte"]), output=str(tmp_path / "whole"))
    run = Run.train(own, activations=str(half), output=str(tmp_path / "run"))
    for name, value in tensors(whole).items():
        assert np.allclose(tensors(run)[name], value, atol=5e-3), name


class Killed(BaseException):
    """Stands for SIGKILL: nothing but a new process comes after it."""


class KilledAfter(keras.callbacks.Callback):
    """Ends the process, as it were, after so many updates of this session."""

    def __init__(self, updates: int):
        super().__init__()
        self.left = updates

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise Killed


def test_a_resumed_run_goes_on_from_the_store(stores, tmp_path, capsys):
    # A checkpoint after every update; 6 updates an epoch, 18 in all.
    settings = dict(SHORT, task="rte", head="adapter_pooler:size=5", dev_examples=8,
                    activations=str(stores["rte"]), checkpoint_seconds=1e-9)
    whole = Run.train(settings, output=str(tmp_path / "whole"))
    own = {**settings, "output": str(tmp_path / "killed")}
    for updates in (4, 7):  # In the first epoch, then in the second one.
        with pytest.raises(Killed):
            experiment.train({**own, "resume": updates == 7}, callbacks=[KilledAfter(updates)])
    capsys.readouterr()
    again = Run.train({**own, "resume": True})
    # The update during which it was killed had not been saved.
    assert "resuming after update 9 of 18" in capsys.readouterr().out
    assert again.metrics == whole.metrics
    assert all(np.array_equal(tensors(again)[n], v) for n, v in tensors(whole).items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"freeze": "none"}, "its encoder is frozen"),
        ({"adapter": "pal:size=8,heads=2"}, "adapters are parts of the encoder"),
        ({"intermediate": "sst"}, "--intermediate trains the encoder"),
        ({"encoder": SMALL_BERT, "seed": 1}, "these are of another encoder"),
        ({"task": "sst"}, "rows of sst train are not in this store"),
        ({"head": "adapter_poller"}, "did you mean 'adapter_pooler'"),
        ({"head": "adapter_pooler:width=3"}, "unknown key 'width'"),
        ({"head": "convolution", "strategy": "mirrored"}, "several devices do not share"),
    ],
)
def test_mistakes_get_one_line(stores, tmp_path, settings, message):
    own = dict(SHORT, task="rte", activations=str(stores["rte"]), output=str(tmp_path / "run"))
    with pytest.raises(UserError, match=message):
        Run.train({**own, **settings})


@pytest.mark.slow
def test_a_store_of_less_than_the_head_reads_is_refused(stores, tmp_path, capsys):
    words = ["--run", stores.run("rte")]
    first, last = tmp_path / "first", tmp_path / "last"
    assert activations.main([*words, "--output", str(first), "--tokens", "first"]) == 0
    assert activations.main([*words, "--output", str(last), "--layers", "-1"]) == 0
    settings = dict(SHORT, task="rte", dev_examples=8)
    with pytest.raises(UserError, match="holds the first token alone"):
        Run.train(settings, activations=str(first), head="adapter_pooler:size=5",
                  output=str(tmp_path / "a"))
    with pytest.raises(UserError, match="adapter_pooler reads all"):
        Run.train(settings, activations=str(last), head="adapter_pooler:size=5",
                  output=str(tmp_path / "b"))
    for number, (store, head) in enumerate(
        [(first, "linear"), (last, "linear"), (first, "adapter_pooler:size=5,tokens=first")]
    ):
        Run.train(settings, activations=str(store), head=head, output=str(tmp_path / str(number)))


def test_no_store_no_training(tmp_path, capsys):
    words = f"--task rte --data sample --activations {tmp_path} --output {tmp_path / 'run'}"
    assert train.main(words.split()) == 2
    assert "no store of activations" in capsys.readouterr().err
