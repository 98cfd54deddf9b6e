"""PyTorch files load in every layout they are published in, and run nothing."""

import argparse
import json
import os
import pickle
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tfglue.errors import UserError
from tfglue.models.checkpoints import load_encoder

torch = pytest.importorskip("torch")

SMALL_BERT = Path(__file__).resolve().parents[1] / "reference" / "small_bert"


@pytest.fixture(scope="module")
def state():
    """The small BERT as a flat state dict."""
    tensors = load_file(SMALL_BERT / "model.safetensors")
    return {name: torch.from_numpy(value) for name, value in tensors.items()}


@pytest.fixture(scope="module")
def digest():
    return load_encoder(str(SMALL_BERT)).digest()


@pytest.fixture
def folder(tmp_path):
    """The small BERT's configuration and vocabulary, without weights."""
    folder = Path(shutil.copytree(SMALL_BERT, tmp_path / "small_bert"))
    (folder / "model.safetensors").unlink()
    return folder


def refusal(path) -> str:
    with pytest.raises(UserError) as caught:
        load_encoder(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def prefixed(state, prefix="bert."):
    return {f"{prefix}{name}": value for name, value in state.items()}


def old_names(state):
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in state.items()
    }


HEADS = {"classifier.weight": torch.ones(2, 32), "scoring_list.0.weight": torch.ones(3, 32)}

LAYOUTS = {
    "flat.bin": lambda state: state,
    "old.pth": lambda state: old_names(prefixed(state)),
    "stilts.p": lambda state: {
        "args": {"task_name": "mnli", "seed": -1, "fp16": False},
        "model": prefixed(state) | HEADS,
    },
    "mtdnn.pt": lambda state: {
        "state": prefixed(state) | HEADS,
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": []},
        "config": {"hidden_size": 32, "answer_opt": [1, 0], "dropout_p": 0.1},
    },
    "parallel.pt": lambda state: {"state": prefixed(state, "module.bert.") | HEADS},
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_published_layout_gives_the_same_encoder(folder, state, digest, name):
    content = LAYOUTS[name](state)
    torch.save(content, folder / name)
    loaded = load_encoder(str(folder / name))
    assert loaded.digest() == digest
    has_heads = name in ("stilts.p", "mtdnn.pt", "parallel.pt")
    assert loaded.report.unused == (tuple(HEADS) if has_heads else ())
    assert loaded.source == str(folder / name)
    assert loaded.tokenizer().vocabulary[:2] == ("[PAD]", "[UNK]")


def test_the_format_from_before_zip_files_is_read(folder, state, digest):
    path = folder / "pytorch_model.bin"
    torch.save(old_names(state), path, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:2] != b"PK"
    assert load_encoder(str(folder)).digest() == digest


def test_shards_in_a_folder_are_taken_together(folder, state, digest):
    weight_map = {}
    for number in range(2):
        name = f"pytorch_model-0000{number + 1}-of-00002.bin"
        part = dict(list(state.items())[number::2])
        torch.save(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    index = folder / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert load_encoder(str(folder)).digest() == digest
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    assert "pytorch_model-00002-of-00002.bin: no such file" in refusal(folder)


def test_safetensors_win_over_pytorch_files_as_in_transformers(folder, state, digest):
    torch.save({name: value + 1 for name, value in state.items()}, folder / "pytorch_model.bin")
    assert load_encoder(str(folder)).digest() != digest
    shutil.copy(SMALL_BERT / "model.safetensors", folder)
    assert load_encoder(str(folder)).digest() == digest


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(folder, state, dtype):
    torch.save({name: value.to(dtype) for name, value in state.items()}, folder / "model.pt")
    kernel = load_encoder(str(folder / "model.pt")).encoder.pooler.kernel
    expected = state["pooler.dense.weight"].to(dtype).float().numpy().T
    np.testing.assert_array_equal(kernel.value, expected)


def test_parameters_with_gradients_are_read(folder, state, digest):
    torch.save(
        {name: torch.nn.Parameter(value) for name, value in state.items()}, folder / "model.pt"
    )
    assert load_encoder(str(folder / "model.pt")).digest() == digest


def test_the_file_may_change_after_it_was_read(folder, state, digest):
    path = folder / "model.pt"
    torch.save(state, path)
    loaded = load_encoder(str(path))
    path.write_bytes(bytes(path.stat().st_size))
    assert loaded.digest() == digest


class Hostile:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


SAVES = {
    "pickle": lambda value, path: path.write_bytes(pickle.dumps(value)),
    "old pickle": lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2)),
    "zip": torch.save,
    "before zip": lambda value, path: torch.save(
        value, path, _use_new_zipfile_serialization=False
    ),
}


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("name", ["all_state.p", "pytorch_model.bin"])
def test_a_hostile_pickle_runs_nothing(folder, state, tmp_path, capfd, name, save):
    proof, path = tmp_path / "proof", folder / name
    is_plain = "pickle" in save
    SAVES[save](Hostile(proof) if is_plain else {**state, "args": Hostile(proof)}, path)
    message = refusal(path if name == "all_state.p" else folder)
    assert not proof.exists()
    assert "could run code" in message
    # Newer pickle protocols are refused before it comes to the call.
    assert "mkdir" in message or save == "pickle"
    assert capfd.readouterr().err == ""
    # The same bytes do run where pickles are trusted.
    if is_plain:
        pickle.loads(path.read_bytes())
        assert proof.exists()


def test_a_training_state_with_python_objects_says_how_to_mend_it(folder, state):
    torch.save({"args": argparse.Namespace(seed=1), "model": state}, folder / "all_state.p")
    message = refusal(folder / "all_state.p")
    assert "all_state.p: holds a Python object (argparse.Namespace)" in message
    assert "torch.save its state dict" in message


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 and no more"])
def test_broken_files_are_errors(folder, content):
    (folder / "pytorch_model.bin").write_bytes(content)
    assert re.search(r"pytorch_model\.bin: not (a whole|tensors alone)", refusal(folder))


@pytest.mark.parametrize("is_zip", [True, False])
def test_half_a_file_is_an_error(folder, state, is_zip):
    path = folder / "pytorch_model.bin"
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert re.search(r"pytorch_model\.bin: not (a whole|tensors alone)", refusal(folder))


@pytest.mark.parametrize("content", [{"model": {"a": 1}}, [torch.ones(2)], {"args": {}}, 3])
def test_a_file_without_named_tensors_is_an_error(folder, content):
    torch.save(content, folder / "model.pt")
    assert "no tensors in it; expected a state dict" in refusal(folder / "model.pt")


@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning")
@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor.to(torch.int8),
        lambda tensor: tensor.to_sparse(),
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda tensor: tensor.to("meta"),
    ],
)
def test_packed_tensors_are_errors(folder, state, change):
    changed = state | {"pooler.dense.weight": change(state["pooler.dense.weight"])}
    torch.save(changed, folder / "model.pt")
    message = refusal(folder / "model.pt")
    assert "pooler.dense.weight is of type" in message and "not packed" in message


def test_missing_weights_are_named_as_they_would_be_in_the_file(folder, state):
    state = prefixed({name: v for name, v in state.items() if "layer.1.output" not in name})
    torch.save(state, folder / "model.pt")
    message = refusal(folder / "model.pt")
    assert "4 of 55 encoder weights are missing (bert.encoder.layer.1.output" in message


def test_without_torch_the_message_says_what_to_install(folder, state, monkeypatch):
    torch.save(state, folder / "pytorch_model.bin")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert 'pip install "tfglue[reference]"' in refusal(folder)


def test_a_file_alone_says_what_belongs_beside_it(state, tmp_path):
    torch.save(state, tmp_path / "model.pt")
    assert f"{tmp_path}: no config.json and no bert_config.json" in refusal(tmp_path / "model.pt")


def test_a_state_of_another_model_in_safetensors_is_found_under_its_prefix(folder, digest):
    tensors = load_file(SMALL_BERT / "model.safetensors")
    save_file(
        {f"module.bert.{name}": value for name, value in tensors.items()},
        folder / "model.safetensors",
    )
    assert load_encoder(str(folder)).digest() == digest
