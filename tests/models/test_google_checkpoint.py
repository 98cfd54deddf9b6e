"""Google's TF1 checkpoints load, with everything that lies in them besides the encoder."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tfglue.errors import UserError
from tfglue.models.checkpoints import load_encoder

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
SMALL_BERT = REFERENCE / "small_bert"


def google_variables(folder):
    """A Hugging Face folder's tensors as Google names and shapes them, by rules of this test."""
    variables = {}
    for name, value in load_file(folder / "model.safetensors").items():
        if name == "embeddings.position_ids":
            continue
        name = re.sub(r"\.layer\.(\d+)\.", r".layer_\1.", name)
        if re.search("(word|position|token_type)_embeddings", name):
            name = name.removesuffix(".weight")
        elif "LayerNorm" in name:
            name = name.replace("weight", "gamma").replace("bias", "beta")
        elif name.endswith("weight"):
            name, value = name.replace("weight", "kernel"), value.T
        variables["bert/" + name.replace(".", "/")] = value
    return variables


def save(prefix, variables):
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(variables),
        shape_and_slices=[""] * len(variables),
        tensors=[tf.constant(value) for value in variables.values()],
    )


def write_google_folder(source, folder):
    """A published checkpoint: heads, step and the optimizer's slots beside the encoder."""
    folder.mkdir()
    shutil.copy(source / "config.json", folder / "bert_config.json")
    shutil.copy(source / "vocab.txt", folder)
    variables = google_variables(source)
    slots = {f"{n}/adam_{s}": np.zeros_like(v) for n, v in variables.items() for s in "mv"}
    extras = {
        "cls/predictions/output_bias": np.zeros(95, np.float32),
        "cls/seq_relationship/output_weights": np.zeros((2, 32), np.float32),
        "global_step": np.array(1000, np.int64),
    }
    save(folder / "bert_model.ckpt", variables | slots | extras)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_google_folder(SMALL_BERT, tmp_path / "google")


def refusal(path) -> str:
    with pytest.raises(UserError) as caught:
        load_encoder(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_language_model_is_kept_beside_the_encoder(tmp_path):
    assert not load_encoder(str(write_google_folder(SMALL_BERT, tmp_path / "part"))).language_model
    folder = write_google_folder(SMALL_BERT, tmp_path / "whole")
    random = np.random.default_rng(0)
    shapes = {
        "predictions/transform/dense/kernel": (32, 32), "predictions/transform/dense/bias": (32,),
        "predictions/transform/LayerNorm/gamma": (32,),
        "predictions/transform/LayerNorm/beta": (32,), "predictions/output_bias": (95,),
        "seq_relationship/output_weights": (2, 32), "seq_relationship/output_bias": (2,),
    }
    heads = {
        f"cls/{name}": random.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    save(folder / "bert_model.ckpt", google_variables(SMALL_BERT) | heads)
    found = load_encoder(str(folder)).language_model
    # Google's transform is (input, output) as ours is, its matrix of pairs is (output, input).
    expected = {
        "transform.kernel": heads["cls/predictions/transform/dense/kernel"],
        "transform.bias": heads["cls/predictions/transform/dense/bias"],
        "layer_norm.gamma": heads["cls/predictions/transform/LayerNorm/gamma"],
        "layer_norm.beta": heads["cls/predictions/transform/LayerNorm/beta"],
        "output.bias": heads["cls/predictions/output_bias"],
        "next_sentence.kernel": heads["cls/seq_relationship/output_weights"].T,
        "next_sentence.bias": heads["cls/seq_relationship/output_bias"],
    }
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], value) for name, value in expected.items())


def test_folder_prefix_and_index_give_the_weights_that_were_written(folder):
    expected = load_encoder(str(SMALL_BERT))
    for path in (folder, folder / "bert_model.ckpt", folder / "bert_model.ckpt.index"):
        loaded = load_encoder(str(path))
        assert loaded.digest() == expected.digest()
        assert loaded.source == str(folder / "bert_model.ckpt")
    assert loaded.report.loaded == tuple(loaded.encoder.named_weights())
    assert len(loaded.report.unused) == 2 * 55 + 3
    assert {"global_step", "bert/pooler/dense/bias/adam_m"} <= set(loaded.report.unused)
    assert loaded.tokenizer().vocabulary == expected.tokenizer().vocabulary


def test_a_fine_tuned_checkpoint_is_found_under_its_own_name(folder):
    digest = load_encoder(str(folder)).digest()
    for path in list(folder.glob("bert_model.ckpt.*")):
        path.rename(path.with_name(path.name.replace("bert_model.ckpt", "model.ckpt-1000")))
    assert load_encoder(str(folder)).digest() == digest
    save(folder / "model.ckpt-2000", google_variables(SMALL_BERT))
    message = refusal(folder)
    assert "several checkpoints (model.ckpt-1000, model.ckpt-2000)" in message
    assert load_encoder(str(folder / "model.ckpt-2000")).report.unused == ()
    # The published name wins where it is there.
    save(folder / "bert_model.ckpt", google_variables(SMALL_BERT))
    assert load_encoder(str(folder)).source == str(folder / "bert_model.ckpt")


def test_missing_weights_and_wrong_shapes_are_errors(folder):
    variables = google_variables(SMALL_BERT)
    dropped = "bert/encoder/layer_1/attention/self/query/kernel"
    save(folder / "bert_model.ckpt", {n: v for n, v in variables.items() if n != dropped})
    message = refusal(folder)
    assert f"1 of 55 encoder weights are missing ({dropped})" in message
    save(folder / "bert_model.ckpt", variables | {dropped: np.zeros((32, 31), np.float32)})
    assert f"{dropped} has shape (32, 31)" in refusal(folder)
    save(folder / "bert_model.ckpt", variables | {dropped: np.zeros((32, 32), np.int32)})
    assert f"{dropped} is of type int32" in refusal(folder)


def test_a_missing_pooler_is_new_and_half_precision_is_widened(folder):
    variables = {n: v for n, v in google_variables(SMALL_BERT).items() if "pooler" not in n}
    table = variables["bert/embeddings/word_embeddings"].astype(np.float16)
    save(folder / "bert_model.ckpt", variables | {"bert/embeddings/word_embeddings": table})
    loaded = load_encoder(str(folder))
    assert loaded.report.new == ("pooler.kernel", "pooler.bias")
    np.testing.assert_array_equal(
        loaded.encoder.embeddings.word.value, table.astype(np.float32)
    )


def test_broken_checkpoints_are_errors(folder):
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    content = data.read_bytes()
    data.write_bytes(content[:100])
    assert "cannot be read" in refusal(folder)
    data.unlink()
    assert "bert_model.ckpt.index: no bert_model.ckpt.data-00000-of-00001" in refusal(folder)
    data.write_bytes(content)
    (folder / "bert_model.ckpt.index").write_bytes(b"no index at all")
    assert "bert_model.ckpt.index: not a whole checkpoint" in refusal(folder)
    (folder / "bert_config.json").unlink()
    assert "no config.json and no bert_config.json" in refusal(folder)


def test_a_checkpoint_that_tf1_wrote_loads(shared_data):
    folder = shared_data / "checkpoints" / "toy_tf1_keras_bert"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/checkpoints/toy_tf1_keras_bert")
    loaded = load_encoder(str(folder))
    assert loaded.report.loaded == tuple(loaded.encoder.named_weights())
    assert len(loaded.report.unused) == 139 - len(loaded.report.loaded)
    reader = tf.train.load_checkpoint(str(folder / "bert_model.ckpt"))
    np.testing.assert_array_equal(
        loaded.encoder.encoder_layers[1].projections["feed_forward.output"].kernel.value,
        reader.get_tensor("bert/encoder/layer_1/output/dense/kernel"),
    )
    assert loaded.tokenizer().vocabulary[5:7] == ("all", "work")


@pytest.mark.parametrize("name", ["index_only_bert_medium", "index_only_covbert"])
def test_an_index_without_its_data_is_an_error(shared_data, name):
    folder = shared_data / "checkpoints" / name
    if not folder.is_dir():
        pytest.skip(f"needs ../shared/data/checkpoints/{name}")
    assert "no bert_model.ckpt.data-00000-of-00001 beside it" in refusal(folder)


@pytest.mark.slow
def test_outputs_of_minilm_are_the_same_from_a_tf1_checkpoint(minilm, tmp_path):
    folder = write_google_folder(minilm, tmp_path / "google")
    generator = np.random.default_rng(0)
    batch = {
        "token_ids": generator.integers(1000, 30000, (4, 24)).astype(np.int32),
        "padding_mask": np.repeat([[1] * 17 + [0] * 7], 4, axis=0).astype(np.int32),
    }
    theirs, ours = (load_encoder(str(path)).encoder(batch) for path in (minilm, folder))
    for a, b in zip(theirs["hidden_states"], ours["hidden_states"], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    np.testing.assert_allclose(theirs["pooled_output"], ours["pooled_output"], rtol=0, atol=1e-6)
