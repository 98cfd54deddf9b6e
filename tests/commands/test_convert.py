"""``convert``: from any encoder or run to a folder that `transformers` loads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from tfglue import convert
from tfglue.models.checkpoints import load_encoder

SMALL_BERT = Path(__file__).resolve().parents[1] / "reference" / "small_bert"


def converts(capsys, *argv) -> str:
    """Runs the command, which must succeed, and returns what it prints."""
    assert convert.main([str(word) for word in argv]) == 0
    return capsys.readouterr().out


def fails(capsys, *argv) -> str:
    """Runs the command, which must fail, and returns its one line."""
    assert convert.main([str(word) for word in argv]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    return error


def test_an_encoder_is_converted_and_reported(capsys, tmp_path):
    output = tmp_path / "model"
    printed = converts(capsys, "--encoder", SMALL_BERT, "--output", output)
    assert "55 of 55 tensors loaded" in printed and f"written: {output}" in printed
    assert load_encoder(str(output)).digest() == load_encoder(str(SMALL_BERT)).digest()
    assert "--overwrite" in fails(capsys, "--encoder", SMALL_BERT, "--output", output)
    printed = converts(capsys, "--encoder", "tiny", "--output", output, "--overwrite")
    assert "RANDOM WEIGHTS" in printed
    assert load_encoder(str(output)).encoder.hidden_dim == 128


@pytest.mark.slow
def test_a_run_answers_the_same_in_transformers(capsys, sst_run, tmp_path):
    transformers = pytest.importorskip("transformers")
    import torch

    run, output = sst_run.folder.path, tmp_path / "model"
    assert "head of sst" in converts(capsys, "--run", run, "--output", output)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(output)
    tokenizer = transformers.AutoTokenizer.from_pretrained(output)
    texts = ["a warm and funny film", "dull, Dull, dull", "it is what it is"]
    with torch.no_grad():
        logits = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    theirs = torch.softmax(logits, dim=-1).numpy()
    for record, row in zip(sst_run.predict(texts), theirs, strict=True):
        ours = [record[f"probability_{model.config.id2label[index]}"] for index in range(2)]
        np.testing.assert_allclose(ours, row, rtol=0, atol=1e-5)


def test_an_epoch_and_the_encoder_alone_are_converted(capsys, sst_run, tmp_path):
    run, output = sst_run.folder.path, tmp_path / "model"
    printed = converts(capsys, "--run", f"{run}@0", "--head", "none", "--output", output)
    assert "(BertModel)" in printed
    assert json.loads((output / "config.json").read_text())["architectures"] == ["BertModel"]
    encoder = load_encoder(str(output))
    assert encoder.report.unused == ()
    manifest = yaml.safe_load((run / "run.yaml").read_text())
    assert encoder.digest() == manifest["encoder"]["digest"]
    assert encoder.tokenizer().digest() == sst_run.tokenizer.digest()


@pytest.fixture
def run_of_two_tasks(sst_run, tmp_path):
    folder = Path(shutil.copytree(sst_run.folder.path, tmp_path / "run"))
    manifest = yaml.safe_load((folder / "run.yaml").read_text())
    manifest["tasks"]["films"] = manifest["tasks"]["sst"] | {"name": "films"}
    (folder / "run.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    shutil.copy(folder / "heads" / "sst.safetensors", folder / "heads" / "films.safetensors")
    return folder


def test_of_several_heads_one_is_chosen(capsys, run_of_two_tasks, tmp_path):
    flags = ["--run", run_of_two_tasks, "--output", tmp_path / "model"]
    assert "answers sst, films; name one with --head, or none" in fails(capsys, *flags)
    assert "did you mean 'films'?" in fails(capsys, *flags, "--head", "film")
    assert not (tmp_path / "model").exists()
    assert "head of films" in converts(capsys, *flags, "--head", "films")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--encoder", "tiny"], "--output"),
        (["--output", "model"], "either --encoder ENCODER or --run RUN"),
        (["--encoder", "tiny", "--run", "x", "--output", "model"], "either --encoder"),
        (["--encoder", "tiny", "--head", "sst", "--output", "model"], "--head goes with --run"),
        (["--encoder", "tinny", "--output", "model"], "did you mean 'tiny'?"),
        (["--encoder", "tiny", "--output", "taken"], "taken: exists and is not (only) an export"),
        (["--run", "taken", "--output", "model"], "not a run folder"),
        (["--encoder", "tiny", "--output", "model", "--overwrit"], "did you mean '--overwrite'?"),
    ],
)
def test_wrong_flags(capsys, tmp_path, monkeypatch, argv, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "precious.txt").write_text("mine")
    assert expected in fails(capsys, *argv)
    assert [path.name for path in tmp_path.rglob("*")] == ["taken", "precious.txt"]
