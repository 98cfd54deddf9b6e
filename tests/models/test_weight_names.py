"""Weights are found under the names of others."""

from pathlib import Path

import pytest
from safetensors import safe_open

from tfglue.errors import UserError
from tfglue.models.encoder import BertEncoder
from tfglue.models.weight_names import google_name, hugging_face_keys, hugging_face_name

SMALL_BERT = Path(__file__).resolve().parents[1] / "reference" / "small_bert"


@pytest.fixture(scope="module")
def names():
    return list(BertEncoder(95, 3, 4, 32, 64).named_weights())


@pytest.fixture(scope="module")
def theirs():
    """The keys of a file that `transformers` wrote."""
    with safe_open(SMALL_BERT / "model.safetensors", framework="numpy") as file:
        return list(file.keys())


def test_names_of_hugging_face_are_those_of_transformers(names, theirs):
    assert {hugging_face_name(name) for name in names} == set(theirs)


def test_names_of_google():
    for ours, expected in {
        "embeddings.word": "bert/embeddings/word_embeddings",
        "embeddings.segment": "bert/embeddings/token_type_embeddings",
        "embeddings.layer_norm.gamma": "bert/embeddings/LayerNorm/gamma",
        "layers.11.attention.query.kernel": "bert/encoder/layer_11/attention/self/query/kernel",
        "layers.0.feed_forward.layer_norm.beta": "bert/encoder/layer_0/output/LayerNorm/beta",
        "layers.0.feed_forward.intermediate.bias":
            "bert/encoder/layer_0/intermediate/dense/bias",
        "pooler.kernel": "bert/pooler/dense/kernel",
    }.items():
        assert google_name(ours) == expected


@pytest.mark.parametrize("prefix", ["", "bert.", "module.bert.", "model.encoder.bert."])
def test_any_prefix_is_read_off_the_word_embeddings(names, theirs, prefix):
    keys = [prefix + key for key in theirs]
    found = hugging_face_keys(names, [*keys, "cls.predictions.bias"], "file")
    assert sorted(found.values()) == sorted(keys)


def test_what_lies_outside_the_prefix_is_not_the_encoders(names, theirs):
    # MT-DNN puts a pooler of its own beside the encoder for some tasks.
    keys = [f"bert.{key}" for key in theirs if not key.startswith("pooler")]
    found = hugging_face_keys(names, [*keys, "pooler.dense.weight", "pooler.dense.bias"], "file")
    assert found["pooler.kernel"] == "bert.pooler.dense.weight"


def test_old_names_are_found_and_both_at_once_are_refused(names, theirs):
    def old(key):
        return key.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        )

    found = hugging_face_keys(names, [old(key) for key in theirs], "file")
    assert found["layers.2.attention.layer_norm.beta"] == (
        "encoder.layer.2.attention.output.LayerNorm.beta"
    )
    with pytest.raises(UserError, match="are the same tensor"):
        hugging_face_keys(names, [*theirs, "embeddings.LayerNorm.gamma"], "file")


def test_two_encoders_in_one_file_are_refused(names, theirs):
    keys = [prefix + key for prefix in ("query.", "passage.") for key in theirs]
    with pytest.raises(UserError, match=r"file: 2 encoders in one file \(passage\., query\.\)"):
        hugging_face_keys(names, keys, "file")
