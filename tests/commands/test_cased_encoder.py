"""A cased encoder, made of a configuration and a vocabulary alone, is trained on tags."""

import io
import json
import string

import numpy as np
import pytest
import yaml

from tfglue import predict, train
from tfglue.run import Run

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CHARACTERS = [*string.ascii_letters, "ß", "É", "."]
WORDS = ("rose", "mark", "may", "hope", "grace")
SHAPE = dict(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
    max_position_embeddings=40, type_vocab_size=2, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An encoder's folder, and sentences whose names differ from other words by case alone."""
    folder = tmp_path_factory.mktemp("cased")
    encoder = folder / "encoder"
    encoder.mkdir()
    whole = [form for word in WORDS for form in (word, word.capitalize())]
    vocabulary = [*SPECIAL, *CHARACTERS, *(f"##{c}" for c in CHARACTERS), *whole]
    (encoder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = SHAPE | {"model_type": "bert", "vocab_size": len(vocabulary)}
    (encoder / "config.json").write_text(json.dumps(config))
    random = np.random.default_rng(0)
    for split, count in (("train", 96), ("dev", 24)):
        sentences = []
        for _ in range(count):
            words = random.choice(whole, size=5)
            sentences.append("".join(f"{w} {'B-PER' if w[0].isupper() else 'O'}\n" for w in words))
        text = "".join(f"{sentence}\n" for sentence in sentences)
        (folder / f"{split}.conll").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    argv = ["--train_file", folder / "train.conll", "--dev_file", folder / "dev.conll",
            "--kind", "tag", "--encoder", folder / "encoder", "--epochs", "8", "--batch_size", "8",
            "--learning_rate", "0.01", "--max_length", "32", "--output", folder / "run"]
    assert train.main([str(word) for word in argv]) == 0
    return folder / "run"


def test_case_is_kept_and_learned_from(run):
    assert yaml.safe_load((run / "run.yaml").read_text())["tokenizer"]["lower_case"] is False
    settings = json.loads((run / "tokenizer" / "tokenizer_config.json").read_text())
    assert settings == {"do_lower_case": False}
    metrics = json.loads((run / "metrics.json").read_text())
    task, = metrics["main"]
    # Were case lost, names could not be told from other words at all.
    assert metrics[task]["dev"]["entity_f1"] == 1.0
    tokenizer = Run.open(run).tokenizer
    ids = tokenizer.tokenize_all(["rose Rose ROSE Éß"])[0]
    assert tokenizer.ids_to_tokens(ids) == [
        "rose", "Rose", "R", "##O", "##S", "##E", "É", "##ß",
    ]


def test_predictions_keep_case(folder, run, monkeypatch, capsys):
    written = next((run / "predictions").rglob("predictions.txt")).read_text(encoding="utf-8")
    assert written == (folder / "dev.conll").read_text(encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"Rose rose ROSE\n")))
    capsys.readouterr()
    assert predict.main(["--run", str(run), "--input", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Rose\tB-PER", "rose\tO"]
    assert lines[2].startswith("ROSE\t")
