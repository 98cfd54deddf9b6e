"""Vectors of tokens, as JSON and as arrays, equal to the encoder's hidden states."""

import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfglue import features
from tfglue.models.checkpoints import load_encoder

SMALL_BERT = str(Path(__file__).parents[1] / "reference" / "small_bert")


def does(tmp_path, text, *words, name="out.jsonl") -> Path:
    source, output = tmp_path / "in.txt", tmp_path / name
    source.write_text(text, encoding="utf-8")
    command = ["--encoder", SMALL_BERT, "--input", source, "--output", output, *words]
    assert features.main([str(word) for word in command]) == 0
    return output


def expected(*texts):
    """Tokens and hidden states of one row."""
    loaded = load_encoder(SMALL_BERT)
    tokenizer = loaded.tokenizer()
    parts = [tokenizer.tokenize_all([text])[0] for text in texts]
    ids, segments = [tokenizer.cls_id], [0]
    for segment, part in enumerate(parts):
        ids += [*part.tolist(), tokenizer.sep_id]
        segments += [segment] * (len(part) + 1)
    states = loaded.encoder(
        {"token_ids": np.array([ids], np.int32), "segment_ids": np.array([segments], np.int32)}
    )["hidden_states"]
    return tokenizer.ids_to_tokens(ids), [state[0].numpy() for state in states]


def test_lines_of_json_hold_tokens_and_their_values(tmp_path):
    output = does(tmp_path, "a dog\nthe film is good\n", "--layers", "-1,0")
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["index"] for line in lines] == [0, 1]
    for line, text in zip(lines, ["a dog", "the film is good"], strict=True):
        tokens, states = expected(text)
        assert [token["token"] for token in line["features"]] == tokens
        for place, token in enumerate(line["features"]):
            assert [layer["index"] for layer in token["layers"]] == [len(states) - 1, 0]
            assert np.allclose(token["layers"][0]["values"], states[-1][place], atol=2e-5)
            assert np.allclose(token["layers"][1]["values"], states[0][place], atol=2e-5)


@pytest.mark.parametrize("mark", ["\t", " ||| "])
def test_pairs_become_one_row(tmp_path, mark):
    output = does(tmp_path, f"a dog{mark}the film\n", "--layers", "all", name="out.npz")
    found = np.load(output)
    tokens, states = expected("a dog", "the film")
    assert found["tokens"].tolist() == list(tokens)
    assert found["row_splits"].tolist() == [0, len(tokens)]
    assert found["layers"].tolist() == list(range(len(states)))
    assert np.allclose(found["states"], np.stack(states, axis=1), atol=2e-5)


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        ("a\tb\nc\n", [], "in.txt:2: expected 2 texts as in the first line"),
        ("a\n\n", [], "in.txt:2: a text is blank"),
        ("a\n", ["--layers", "7"], "this encoder has the states 0 to"),
        ("a\n", ["--max_length", "4000"], "--max_length: expected 8 to"),
        ("a\n", ["--output", "out.csv"], "ends in .jsonl or .npz"),
        ("a\n", ["--run", "saved_models/none"], "give either --run or --encoder"),
    ],
)
def test_mistakes_get_one_line(tmp_path, monkeypatch, capsys, text, words, message):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO()))
    source = tmp_path / "in.txt"
    source.write_text(text)
    command = ["--encoder", SMALL_BERT, "--input", str(source), "--output",
               str(tmp_path / "out.jsonl"), *words]
    assert features.main(command) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
