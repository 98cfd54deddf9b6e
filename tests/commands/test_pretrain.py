"""Training on plain text, and beside a task, from settings to run folders."""

import json

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tests.commands.test_bad_input import fails
from tests.commands.test_teachers import Stopper
from tfglue import Run, convert, evaluate, export, predict, pretrain, train
from tfglue.config import OF_TEXT, TrainConfig
from tfglue.data.sources import SAMPLE_FOLDER
from tfglue.experiment import train as run_train
from tfglue.manifest import identity, identity_of
from tfglue.models.checkpoints import load_encoder
from tfglue.preparation import prepare
from tfglue.run_folder import RunFolder
from tfglue.trainer import Training
from tfglue.training.loop import Interrupted

NAME = "masked_lm"
FILES = (
    "encoder.safetensors", f"heads/{NAME}.safetensors", "metrics.json", "history.csv",
    f"predictions/{NAME}/dev.tsv",
)
SMALL = dict(max_length=24, batch_size=16, epochs=2, learning_rate=2e-3)
TASK = dict(task="sst", data="sample", train_examples=64, batch_size=16, epochs=1)


def quiet(settings, **options):
    lines = []
    run = run_train(settings, say=lines.append, **options)
    return run.folder.path, lines


def same_files(one, other, names=FILES):
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Sentences of the built-in sample, ten a document."""
    rows = (SAMPLE_FOLDER / "SST-2/train.tsv").read_text().splitlines()[1:301]
    sentences = [row.split("\t")[0] for row in rows]
    documents = ["\n".join(sentences[i : i + 10]) for i in range(0, len(sentences), 10)]
    path = tmp_path_factory.mktemp("text") / "sentences.txt"
    path.write_text("\n\n".join(documents) + "\n")
    return path


@pytest.fixture(scope="module")
def pretrained(text, tmp_path_factory):
    """A finished run and what it said."""
    output = tmp_path_factory.mktemp("pretrained") / "run"
    return quiet(SMALL | dict(text=str(text), dev_fraction=0.1, output=str(output), save="all"))


def test_a_run_learns_and_says_what_it_did(pretrained):
    folder, lines = pretrained
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["main"] == {NAME: "log_likelihood"}
    found = metrics[NAME]["dev"]
    assert found["perplexity"] == pytest.approx(np.exp(found["loss"]))
    assert found["log_likelihood"] == pytest.approx(-found["loss"])
    assert 0 < found["masked_accuracy"] < 1
    vocabulary = len((folder / "tokenizer/vocab.txt").read_text().splitlines())
    assert found["perplexity"] < 0.5 * vocabulary
    rows = (folder / f"predictions/{NAME}/dev.tsv").read_text().splitlines()
    assert rows[0] == "id\tmasked\tfound\tcross_entropy"
    table = np.array([[float(x) for x in row.split("\t")] for row in rows[1:]])
    assert table[:, 3].sum() / table[:, 1].sum() == pytest.approx(found["loss"], rel=1e-6)
    assert any(line.startswith("language model: new, tiny has none") for line in lines)
    assert any("300 sentences" in line or "sentences of" in line for line in lines)
    manifest = yaml.safe_load((folder / "run.yaml").read_text())
    assert manifest["command"].startswith("python -m tfglue.pretrain --max_length 24")
    assert len(manifest["language_model"]) == 64
    card = (folder / "README.md").read_text()
    assert "masked language model" in card and "tfglue.predict" not in card


@pytest.mark.slow
def test_a_stopped_run_ends_with_the_same_bytes(text, tmp_path):
    settings = SMALL | dict(
        text=str(text), dev_fraction=0.1, next_sentence=True, whole_words=True, batch_tokens=256,
        accumulate=2, epochs=2, evaluate_every="2", average_weights=0.9,
    )
    del settings["batch_size"]
    whole, _ = quiet(settings | {"output": str(tmp_path / "whole")})
    output = tmp_path / "stopped"
    with pytest.raises(Interrupted, match=r"go on with python -m tfglue\.pretrain"):
        quiet(settings | {"output": str(output)}, callbacks=[Stopper(5)])
    assert pretrain.main(["--output", str(output), "--resume"]) == 0
    assert same_files(whole, output)
    metrics = json.loads((whole / "metrics.json").read_text())[NAME]["dev"]
    assert 0 < metrics["next_sentence_accuracy"] <= 1
    assert metrics["loss"] > -metrics["log_likelihood"]


@pytest.mark.slow
def test_other_seeds_are_scored_on_the_same_masked_tokens(text, tmp_path, pretrained):
    settings = SMALL | dict(text=str(text), dev_fraction=0.1, max_steps=1, seed=7)
    other, _ = quiet(settings | {"output": str(tmp_path / "run")})
    tables = [
        [row.split("\t")[:2] for row in
         (folder / f"predictions/{NAME}/dev.tsv").read_text().splitlines()]
        for folder in (pretrained[0], other)
    ]
    assert tables[0] == tables[1]


@pytest.mark.slow
def test_the_result_is_an_encoder_and_a_beginning(pretrained, text, tmp_path):
    folder, _ = pretrained
    loaded, run = load_encoder(str(folder)), Run.open(folder)
    ours = run.encoder.named_weights()
    for name, weight in loaded.encoder.named_weights().items():
        assert np.array_equal(weight.numpy(), ours[name].numpy())
    head = load_file(folder / f"heads/{NAME}.safetensors")
    assert head.keys() == loaded.language_model.keys()
    assert loaded.tokenizer().vocabulary == run.tokenizer.vocabulary
    results = []
    for name, begin in (("encoder", {"encoder": str(folder)}), ("init", {"init": str(folder)})):
        path, lines = quiet(
            TASK | begin | dict(output=str(tmp_path / name), max_steps=2, max_length=32,
                                learning_rate=1e-3)
        )
        results.append((path / "encoder.safetensors").read_bytes())
        assert any(f"run {folder}" in line for line in lines)
    assert results[0] == results[1]
    parents = yaml.safe_load((tmp_path / "init/run.yaml").read_text())["parents"]
    assert parents[0]["tasks"] == [NAME]
    # Going on with text takes the language model along.
    path, lines = quiet(SMALL | dict(
        text=str(text), init=str(folder), max_steps=0, output=str(tmp_path / "on")
    ))
    assert f"language model: 5 of 5 tensors of run {folder}" in lines
    assert same_files(folder, path, FILES[:2])


@pytest.mark.slow
def test_perplexity_of_another_text(pretrained, tmp_path, capsys):
    folder, _ = pretrained
    output = tmp_path / "scores.json"
    assert evaluate.main(["--run", str(folder), "--output", str(output)]) == 0
    own = json.loads(output.read_text())[NAME]["dev"]
    assert own == json.loads((folder / "metrics.json").read_text())[NAME]["dev"]
    other = tmp_path / "other.txt"
    other.write_text("zq xw vk\n" * 30)
    argv = ["--run", str(folder), "--input", str(other), "--output", str(tmp_path / "o.json")]
    assert evaluate.main(argv) == 0
    found = json.loads((tmp_path / "o.json").read_text())[NAME]["input"]
    assert found["perplexity"] > own["perplexity"]
    capsys.readouterr()
    line = fails(capsys, predict, "--run", folder, "--input", other)
    assert "a language model answers no texts" in line
    line = fails(capsys, export, "--run", folder, "--output", tmp_path / "serve")
    assert "a language model answers no requests; export a run that began with it" in line
    line = fails(capsys, evaluate, "--run", folder, "--input", tmp_path / "none.txt")
    assert line.startswith(f"error: {tmp_path / 'none.txt'}: no such file")


def test_an_export_finds_the_same_words_in_transformers(pretrained, tmp_path, capsys):
    transformers = pytest.importorskip("transformers")
    import torch

    folder, _ = pretrained
    assert convert.main(["--run", str(folder), "--output", str(tmp_path / "out")]) == 0
    assert "(BertForMaskedLM)" in capsys.readouterr().out
    theirs = transformers.BertForMaskedLM.from_pretrained(tmp_path / "out").eval()
    token_ids = np.array([[2, 9, 40, 4, 31, 3]], np.int32)
    run = Run.open(folder)
    hidden = run.encoder({"token_ids": token_ids})["hidden_states"][-1]
    own = run.model.heads[NAME].logits(
        hidden, np.array([[3]], np.int32), run.encoder.embeddings.word.value
    )
    with torch.no_grad():
        expected = theirs(torch.tensor(token_ids).long()).logits.numpy()[:, 3:4]
    np.testing.assert_allclose(own.numpy(), expected, atol=1e-5)
    # And back: encoder and language model are those of the run.
    loaded = load_encoder(str(tmp_path / "out"))
    head = load_file(folder / f"heads/{NAME}.safetensors")
    assert all(np.array_equal(loaded.language_model[name], head[name]) for name in head)
    assert convert.main(
        ["--run", str(folder), "--head", "none", "--output", str(tmp_path / "bare")]
    ) == 0


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return quiet(TASK | {"output": str(tmp_path_factory.mktemp("plain") / "run")})[0]


OF_TASK = ("encoder.safetensors", "heads/sst.safetensors", "metrics.json", "history.csv")


@pytest.mark.slow
def test_weight_zero_is_plain_training_bit_for_bit(tmp_path, plain):
    folder, _ = quiet(TASK | {"output": str(tmp_path / "run"), "mlm_weight": 0.0})
    assert same_files(plain, folder, OF_TASK)
    assert not (folder / "language_model.safetensors").exists()


@pytest.mark.slow
def test_equal_runs_begin_with_the_same_language_model(pretrained, tmp_path):
    folder, bare = pretrained[0], tmp_path / "bare"
    argv = ["--run", str(folder), "--head", "none", "--output", str(bare)]
    assert convert.main(argv) == 0
    settings = TASK | {"max_length": 32, "learning_rate": 1e-3, "mlm_weight": 0.1}
    with_it, without = (
        prepare(settings | {"encoder": str(place)}, lambda line: None) for place in (folder, bare)
    )
    one, other = identity_of(with_it), identity_of(without)
    assert [name for name in one if one[name] != other[name]] == ["language_model"]
    training = Training(with_it, RunFolder(tmp_path / "run"), None, (), lambda line: None)
    assert identity(training.manifest) == one
    plain = prepare(settings | {"encoder": str(bare), "mlm_weight": 0.0}, lambda line: None)
    assert identity_of(plain)["language_model"] == ""


@pytest.mark.long
def test_beside_a_task_it_is_in_the_history_costs_and_is_kept(tmp_path, plain, pretrained):
    settings = TASK | dict(init=str(pretrained[0]), mlm_weight=0.1, epochs=2, max_length=32)
    whole, lines = quiet(settings | {"output": str(tmp_path / "whole")})
    header, *rows = (whole / "history.csv").read_text().splitlines()
    place = header.split(",").index("mlm_loss")
    assert all(0.05 < float(row.split(",")[place]) < 2 for row in rows)
    (cost,) = [line for line in lines if line.startswith("masked words of sst, 16 rows")]
    assert "times as long" in cost and float(cost.split()[-4]) > 1
    assert any(line.startswith("language model: 5 of 5 tensors") for line in lines)
    assert any("language model" in line and "trained" in line for line in lines)
    kept = load_file(whole / "language_model.safetensors")
    begun = load_file(pretrained[0] / f"heads/{NAME}.safetensors")
    assert not np.array_equal(kept["transform.kernel"], begun["transform.kernel"])
    # The run answers without it; whoever goes on has it.
    assert Run.open(whole).model.language_model is None
    words = ["--run", str(whole), "--output", str(tmp_path / "serve"), "--verify"]
    assert export.main(words) == 0
    output = tmp_path / "stopped"
    with pytest.raises(Interrupted):
        quiet(settings | {"output": str(output)}, callbacks=[Stopper(3)])
    assert train.main(["--output", str(output), "--resume"]) == 0
    assert same_files(whole, output, (*OF_TASK, "language_model.safetensors"))
    _, lines = quiet(TASK | dict(
        init=str(whole), mlm_weight=0.1, max_steps=0, max_length=32, output=str(tmp_path / "on")
    ))
    assert f"language model: 5 of 5 tensors of run {whole}" in lines


@pytest.mark.long
@pytest.mark.parametrize("task", ["squad2", "sst,ner"])
def test_every_kind_of_task_can_have_it(task, tmp_path):
    settings = dict(
        task=task, data="sample", train_examples=16, batch_size=8, max_steps=2, max_length=40,
        mlm_weight=0.5, mask_rate=0.3, whole_words=True, output=str(tmp_path / "run"),
        null_score_diff_threshold="0", max_query_length=16, doc_stride=12, dev_examples=16,
    )
    if task != "squad2":
        for name in ("null_score_diff_threshold", "max_query_length", "doc_stride"):
            del settings[name]
    adapter = {"adapter": "pal:size=8,heads=2"} if "," in task else {}
    folder, _ = quiet(settings | adapter)
    row = (folder / "history.csv").read_text().splitlines()
    found = dict(zip(row[0].split(","), row[-1].split(","), strict=True))
    # Half of what guessing among 1,300 tokens costs, about.
    assert 1.5 < float(found["mlm_loss"]) < 6


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "--text is needed"),
        (["--text", "nothing.txt"], "nothing.txt: no such file"),
        (["--text", "TEXT", "--mask_rate", "0"], "--mask_rate: must be above 0"),
        (["--text", "TEXT", "--task", "sst"], "unknown flag '--task'"),
        (["--text", "TEXT", "--dev_fraction", "0.9"], "--dev_fraction: must be at most 0.5"),
        (["--text", "TEXT", "TEXT"], "is named twice"),
        (["--text", "EMPTY"], "EMPTY: holds no text"),
        (["--text", "LATIN"], "LATIN:2: not UTF-8 (byte 0xe9)"),
        (["--text", "."], "is a folder"),
        (["--text", "ONE", "--next_sentence"], "ONE, 5 % held out has one document"),
        (["--text", "ONE", "--next_sentence", "--dev_fraction", "0"], "ONE has one document"),
        (["--text", "FEW", "--next_sentence"], "--dev_fraction says how many are held out"),
        (["--resume", "--output", "typo"], "--resume: typo is no run to go on with"),
        (["--resume"], "--resume needs --output"),
        (["--text", "LINE"], "one section of text cannot be both trained and scored"),
        (["--text", "TEXT", "--output", "RUN", "--resume"], "was trained on a task"),
        (["--text", "TEXT", "--patience", "2", "--dev_fraction", "0"], "nothing is evaluated"),
    ],
)
def test_mistakes_get_one_line(argv, message, text, plain, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").write_text("\n\n")
    (tmp_path / "LATIN").write_bytes(b"fine\ncaf\xe9\n")
    (tmp_path / "ONE").write_text("a warm film\nand a long one\n" * 40)
    (tmp_path / "LINE").write_text("a warm film\n")
    (tmp_path / "FEW").write_text("a warm film\nand a long one\n\n" * 15)
    named = {"TEXT": str(text), "RUN": str(plain)}
    line = fails(capsys, pretrain, *(named.get(word, word) for word in argv))
    assert message in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mask_rate", "0.2"], "--mask_rate goes with --mlm_weight"),
        (["--whole_words"], "--whole_words goes with --mlm_weight"),
        (["--mlm_weight", "-1"], "--mlm_weight: must be at least 0"),
        (["--text", "a.txt"], "unknown flag '--text'"),
    ],
)
def test_mistakes_beside_a_task_get_one_line(flags, message, capsys):
    assert message in fails(capsys, train, "--task", "sst", *flags)


def test_every_setting_of_pretraining_is_one_of_training():
    names = set(TrainConfig().to_dict()) | {"output", "resume", "overwrite"}
    assert set(pretrain.FLAGS) <= names and set(OF_TEXT) <= set(pretrain.FLAGS)
