"""Encoders load from every place they are published in, or say why not."""

import json
import shutil
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from tfglue.errors import UserError
from tfglue.models.bert_folder import read_config
from tfglue.models.checkpoints import load_encoder
from tfglue.models.encoder import BertEncoder
from tfglue.models.hugging_face_export import export_encoder
from tfglue.models.loaded_encoder import weights_digest

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL_BERT = REPOSITORY / "tests" / "reference" / "small_bert"
SHARED = REPOSITORY.parent / "shared"
NUM_WEIGHTS = 5 + 3 * 16 + 2


@pytest.fixture
def folder(tmp_path):
    """A copy of the small BERT that a test may change."""
    return Path(shutil.copytree(SMALL_BERT, tmp_path / "small_bert"))


def rewrite(folder, change):
    """Passes the tensors through `change`, a function from a dict to a dict."""
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


def configure(folder, **changes):
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v != ...}))


def digest_of(folder):
    return load_encoder(str(folder)).digest()


def assert_refused(name, *words):
    with pytest.raises(UserError) as caught:
        load_encoder(str(name))
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


# Hugging Face folders


def test_a_whole_folder_loads_with_its_configuration_vocabulary_and_report():
    loaded = load_encoder(str(SMALL_BERT))
    encoder = loaded.encoder
    assert (encoder.vocabulary_size, encoder.num_layers, encoder.num_heads) == (95, 3, 4)
    assert (encoder.hidden_dim, encoder.intermediate_dim) == (32, 64)
    assert (encoder.max_sequence_length, encoder.num_segments) == (40, 2)
    assert loaded.report.loaded == tuple(encoder.named_weights())
    assert (loaded.report.new, loaded.report.unused, loaded.report.random) == ((), (), False)
    assert str(loaded.report) == f"{NUM_WEIGHTS} of {NUM_WEIGHTS} tensors loaded"
    assert loaded.source == str(SMALL_BERT)
    assert loaded.tokenizer().vocabulary[:2] == ("[PAD]", "[UNK]")
    assert BertEncoder.from_preset(str(SMALL_BERT)).get_config()["num_layers"] == 3


def test_the_digest_is_that_of_the_values(folder):
    assert digest_of(folder) == digest_of(SMALL_BERT)
    rewrite(
        folder, lambda tensors: tensors | {"pooler.dense.bias": tensors["pooler.dense.bias"] + 1}
    )
    assert digest_of(folder) != digest_of(SMALL_BERT)


def test_prefixed_names_and_heads_of_other_models_are_taken(folder):
    def as_masked_language_model(tensors):
        head = {"cls.predictions.bias": np.zeros(95, np.float32)}
        positions = {"bert.embeddings.position_ids": np.arange(40)}
        return {f"bert.{name}": value for name, value in tensors.items()} | head | positions

    rewrite(folder, as_masked_language_model)
    loaded = load_encoder(str(folder))
    assert loaded.digest() == digest_of(SMALL_BERT)
    assert loaded.report.unused == ("bert.embeddings.position_ids", "cls.predictions.bias")
    assert str(loaded.report).endswith(
        "loaded; 2 unused (bert.embeddings.position_ids, cls.predictions.bias)"
    )


def test_old_layer_norm_names_are_taken(folder):
    def with_old_names(tensors):
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
        for new_name, old_name in old.items():
            tensors = {name.replace(new_name, old_name): v for name, v in tensors.items()}
        return tensors

    rewrite(folder, with_old_names)
    assert "embeddings.LayerNorm.gamma" in load_file(folder / "model.safetensors")
    assert digest_of(folder) == digest_of(SMALL_BERT)


def test_shards_are_taken_together(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    weight_map = {}
    for number in range(3):
        name = f"model-0000{number + 1}-of-00003.safetensors"
        part = dict(list(tensors.items())[number::3])
        save_file(part, folder / name)
        weight_map |= dict.fromkeys(part, name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert digest_of(folder) == digest_of(SMALL_BERT)
    (folder / "model-00002-of-00003.safetensors").unlink()
    assert_refused(folder, "model-00002-of-00003.safetensors", "no such file")
    index.write_text(json.dumps({"weight_map": {"a": "../elsewhere.safetensors"}}))
    assert_refused(folder, "not the name of a file in the same folder")


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_read_into_float32(folder, dtype):
    rewrite(folder, lambda tensors: {name: v.astype(dtype) for name, v in tensors.items()})
    pooler = load_encoder(str(folder)).encoder.pooler.kernel
    original = load_file(SMALL_BERT / "model.safetensors")["pooler.dense.weight"].T
    np.testing.assert_array_equal(pooler.value, original.astype(dtype).astype(np.float32))


def test_a_missing_pooler_is_new_and_said_so(folder):
    rewrite(folder, lambda tensors: {n: v for n, v in tensors.items() if "pooler" not in n})
    first, second = load_encoder(str(folder), seed=1), load_encoder(str(folder), seed=1)
    assert first.report.new == ("pooler.kernel", "pooler.bias")
    assert "NEW, drawn at random: pooler.kernel, pooler.bias" in str(first.report)
    assert not first.report.random
    assert first.digest() == second.digest() != load_encoder(str(folder), seed=2).digest()


def test_missing_weights_are_an_error_that_names_the_first_and_counts(folder):
    rewrite(folder, lambda tensors: {n: v for n, v in tensors.items() if "layer.1.output" not in n})
    message = assert_refused(folder, f"4 of {NUM_WEIGHTS} encoder weights are missing")
    assert "encoder.layer.1.output.dense.weight" in message
    assert "and 1 more" in message


def test_half_a_pooler_is_an_error(folder):
    rewrite(folder, lambda tensors: {n: v for n, v in tensors.items() if n != "pooler.dense.bias"})
    assert_refused(folder, f"1 of {NUM_WEIGHTS}", "pooler.dense.bias")


def test_a_wrong_shape_is_an_error(folder):
    configure(folder, intermediate_size=65)
    assert_refused(folder, "intermediate.dense.weight has shape (32, 64)", "(32, 65)")


def test_broken_and_packed_files_are_errors(folder):
    def packed(tensors):
        return tensors | {"pooler.dense.bias": tensors["pooler.dense.bias"].astype(np.int8)}

    rewrite(folder, packed)
    assert_refused(folder, "pooler.dense.bias is of type I8")
    content = (SMALL_BERT / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    assert_refused(folder, "model.safetensors: not a whole safetensors file")


def test_a_tokenizer_json_alone_gives_the_same_tokenizer(folder):
    transformers = pytest.importorskip("transformers")
    text = "The old dog's cat, a 7."
    expected = load_encoder(str(folder)).tokenizer().tokenize(tf.constant([text])).to_list()
    theirs = transformers.BertTokenizerFast.from_pretrained(folder)
    (folder / "vocab.txt").unlink()
    theirs.save_pretrained(folder)
    assert not (folder / "vocab.txt").exists()
    tokenizer = load_encoder(str(folder)).tokenizer()
    assert tokenizer.lower_case
    assert tokenizer.tokenize(tf.constant([text])).to_list() == expected
    assert theirs(text, add_special_tokens=False)["input_ids"] == expected[0]
    assert not load_encoder(str(folder)).tokenizer(lower_case=False).lower_case
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}')
    with pytest.raises(UserError, match="WordPiece"):
        load_encoder(str(folder)).tokenizer()


def test_an_encoder_loads_without_a_vocabulary_and_its_tokenizer_does_not(folder):
    (folder / "vocab.txt").unlink()
    loaded = load_encoder(str(folder))
    with pytest.raises(UserError, match=r"vocab\.txt: no such file"):
        loaded.tokenizer()


def test_a_vocabulary_larger_than_the_encoder_is_an_error(folder):
    with open(folder / "vocab.txt", "a") as stream:
        stream.write("more\n")
    with pytest.raises(UserError, match="96 tokens but the encoder 95 ids"):
        load_encoder(str(folder)).tokenizer()


# Configurations


def test_a_configuration_alone_means_random_weights_said_loudly(folder):
    (folder / "model.safetensors").unlink()
    (folder / "config.json").rename(folder / "bert_config.json")
    loaded = load_encoder(str(folder), seed=4)
    assert loaded.report.random
    assert str(loaded.report).startswith("RANDOM WEIGHTS")
    assert loaded.report.new == tuple(loaded.encoder.named_weights())
    assert loaded.tokenizer().lower_case
    expected = BertEncoder.from_config(loaded.encoder.get_config())
    expected.initialize(seed=4)
    assert loaded.digest() == weights_digest(expected.named_weights())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tf_model.h5", "tf_model.h5 cannot be read"),
        ("bert_model.ckpt.data-00000-of-00001", "bert_model.ckpt.data-00000-of-00001 cannot"),
        ("other.safetensors", "to read other.safetensors, give"),
        ("model_4.pt", "to read model_4.pt, give"),
    ],
)
def test_a_folder_with_other_weights_is_not_taken_for_a_configuration_alone(
    folder, name, expected
):
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(b"weights")
    assert_refused(folder, expected)


def test_a_file_of_weights_is_read_with_what_lies_beside_it(folder):
    path = (folder / "model.safetensors").rename(folder / "other.safetensors")
    loaded = load_encoder(str(path))
    assert loaded.digest() == digest_of(SMALL_BERT)
    assert loaded.source == str(path)
    assert loaded.tokenizer().vocabulary == load_encoder(str(SMALL_BERT)).tokenizer().vocabulary
    (folder / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"vocab\.txt: no such file; put the model's vocabulary"):
        load_encoder(str(path)).tokenizer()
    (folder / "config.json").unlink()
    assert_refused(path, f"{folder}: no config.json and no bert_config.json", "put the model's")


def test_a_run_is_no_encoder_and_the_message_says_how_to_make_one(folder):
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()
    (folder / "run.yaml").write_text("format: tfglue.run.v1")
    assert_refused(folder, "a run, not an encoder", f"tfglue.convert --run {folder}")


def test_settings_reach_the_encoder_and_absent_ones_are_berts(folder):
    (folder / "model.safetensors").unlink()
    configure(
        folder,
        hidden_act="gelu_new",
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.3,
        layer_norm_eps=1e-5,
        initializer_range=0.05,
        max_position_embeddings=...,
        type_vocab_size=...,
    )
    config = load_encoder(str(folder)).encoder.get_config()
    assert (config["activation"], config["dropout"]) == ("gelu_new", 0.2)
    assert (config["attention_dropout"], config["layer_norm_epsilon"]) == (0.3, 1e-5)
    assert (config["initializer_range"], config["max_sequence_length"]) == (0.05, 512)
    assert config["num_segments"] == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_attention_heads": 5}, ["hidden_size 32", "num_attention_heads 5"]),
        ({"hidden_size": ..., "vocab_size": ...}, ["no vocab_size, hidden_size"]),
        ({"num_hidden_layers": "3"}, ["num_hidden_layers is '3'", "positive integer"]),
        ({"max_position_embeddings": 0}, ["max_position_embeddings is 0"]),
        ({"intermediate_size": True}, ["intermediate_size is True"]),
        ({"hidden_dropout_prob": 1.0}, ["hidden_dropout_prob is 1.0"]),
        ({"layer_norm_eps": 0}, ["layer_norm_eps is 0"]),
        ({"hidden_act": "gelo"}, ["hidden_act", "did you mean 'gelu'"]),
        ({"model_type": "roberta"}, ["model_type is 'roberta'"]),
        ({"position_embedding_type": "relative_key"}, ["position_embedding_type"]),
        ({"use_adapter": True}, ["use_adapter"]),
    ],
)
def test_a_configuration_that_makes_no_sense_is_an_error(folder, changes, words):
    configure(folder, **changes)
    assert_refused(folder, "config.json", *words)


@pytest.mark.slow
def test_googles_configuration_of_bert_base_has_the_published_number_of_parameters():
    folder = SHARED / "models" / "bert-base-uncased-config-only"
    if not folder.is_dir():
        pytest.skip("../shared/models holds no configuration of BERT base")
    assert BertEncoder(**read_config(folder)).count_params() == 109_482_240


# KerasHub presets


@pytest.fixture(scope="module")
def keras_hub_folder(tmp_path_factory):
    keras_hub = pytest.importorskip("keras_hub")
    folder = tmp_path_factory.mktemp("preset")
    backbone = keras_hub.models.BertBackbone(
        95, 2, 4, 32, 64, dropout=0.2, max_sequence_length=40, num_segments=3
    )
    generator = np.random.default_rng(6)
    for variable in backbone.weights:
        center = 1 if variable.path.endswith("gamma") else 0
        variable.assign(generator.normal(center, 0.2, variable.shape))
    backbone.save_to_preset(str(folder))
    vocabulary = (SMALL_BERT / "vocab.txt").read_text().split()
    keras_hub.models.BertTokenizer(vocabulary, lowercase=True).save_to_preset(str(folder))
    return folder


def test_a_keras_hub_preset_gives_the_outputs_of_keras_hub(keras_hub_folder):
    import keras_hub

    loaded = load_encoder(str(keras_hub_folder))
    encoder = loaded.encoder
    assert (encoder.dropout, encoder.attention_dropout, encoder.num_segments) == (0.2, 0.2, 3)
    assert loaded.report.loaded == tuple(encoder.named_weights())
    assert loaded.report.unused == ()

    # KerasHub approximates GELU by tanh; with the same activation nothing is left between us.
    same = BertEncoder.from_config(encoder.get_config() | {"activation": "gelu_tanh"})
    for name, variable in encoder.named_weights().items():
        same.named_weights()[name].assign(variable.value)
    inputs = {name: array for name, array in np.load(SMALL_BERT / "golden.npz").items()}
    batch = {name: inputs[name] for name in ("token_ids", "segment_ids", "padding_mask")}
    backbone = keras_hub.models.BertBackbone.from_preset(str(keras_hub_folder))
    theirs, tokens = backbone(batch), batch["padding_mask"].astype(bool)
    for encoder_here, tolerance in ((same, 1e-5), (encoder, 5e-3)):
        ours = encoder_here(batch)
        np.testing.assert_allclose(
            np.array(ours["hidden_states"][-1])[tokens],
            np.array(theirs["sequence_output"])[tokens],
            atol=tolerance,
        )
        np.testing.assert_allclose(ours["pooled_output"], theirs["pooled_output"], atol=tolerance)


def test_a_keras_hub_preset_brings_its_tokenizer(keras_hub_folder):
    loaded = load_encoder(str(keras_hub_folder))
    assert loaded.tokenizer().vocabulary == tuple((SMALL_BERT / "vocab.txt").read_text().split())
    assert loaded.tokenizer().lower_case
    assert not loaded.tokenizer(lower_case=False).lower_case


def test_a_keras_hub_preset_keeps_weights_and_tokenizer_in_hugging_face_layout(
    keras_hub_folder, tmp_path
):
    loaded = load_encoder(str(keras_hub_folder))
    export_encoder(tmp_path / "model", loaded.encoder, loaded.tokenizer())
    again = load_encoder(str(tmp_path / "model"))
    assert again.digest() == loaded.digest()
    assert again.tokenizer().digest() == loaded.tokenizer().digest()
    assert again.encoder.get_config() == loaded.encoder.get_config() | {
        "name": again.encoder.name
    }


def test_a_keras_hub_preset_of_another_model_is_an_error(keras_hub_folder, tmp_path):
    folder = Path(shutil.copytree(keras_hub_folder, tmp_path / "preset"))
    config = json.loads((folder / "config.json").read_text())
    config["registered_name"] = "keras_hub>GPT2Backbone"
    config["class_name"] = "GPT2Backbone"
    config["module"] = "keras_hub.src.models.gpt2.gpt2_backbone"
    (folder / "config.json").write_text(json.dumps(config))
    assert_refused(folder, "cannot be loaded", "GPT2Backbone")


# Names


def test_unknown_names_get_the_nearest_one_and_say_that_there_is_no_folder_either():
    assert_refused("bert_base_en_uncase", "no such folder", "did you mean 'bert_base_en_uncased'?")
    assert_refused("tinny", "did you mean 'tiny'?")
    assert_refused("./no/such/folder", "no such folder", "hf://organisation/model")


def test_published_models_are_found_under_bert_all_dir(folder, monkeypatch):
    assert_refused(
        "bert-base-uncased", "set BERT_ALL_DIR", "bert-base-uncased or uncased_L-12_H-768_A-12"
    )
    monkeypatch.setenv("BERT_ALL_DIR", str(folder.parent))
    assert_refused("bert-base-uncased", f"BERT_ALL_DIR is {folder.parent}")
    assert load_encoder("small_bert").source == str(folder)
    google = folder.rename(folder.with_name("uncased_L-12_H-768_A-12"))
    assert load_encoder("bert-base-uncased").source == str(google)
    assert load_encoder(google.name).digest() == digest_of(SMALL_BERT)
    assert_refused("uncased_L-12_H-768_A-13", f"did you mean '{google.name}'?")
    assert_refused("bert-large-uncasd", "did you mean 'bert-large-uncased'?")


def test_a_published_model_never_gets_random_weights(folder, monkeypatch):
    (folder / "model.safetensors").unlink()
    monkeypatch.setenv("BERT_ALL_DIR", str(folder.parent))
    assert_refused("small_bert", f"{folder}: a configuration without weights", "bert_model.ckpt")


def test_a_file_and_an_empty_folder_are_refused(tmp_path):
    assert_refused(SMALL_BERT / "config.json", "is a file, and no file of weights")
    assert_refused(tmp_path, "no config.json and no bert_config.json")


def test_without_network_a_download_says_what_to_do_instead(monkeypatch):
    huggingface_hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("name or service\nnot known")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    assert_refused("hf://org/model", "cannot be downloaded", "give its path")
    keras_hub = pytest.importorskip("keras_hub")

    def unreachable_preset(*_, **__):
        raise ConnectionError("name or service not known")

    monkeypatch.setattr(keras_hub.models.BertBackbone, "from_preset", unreachable_preset)
    assert_refused("bert_tiny_en_uncased", "cannot be loaded", "give a folder")


def test_a_hub_model_is_read_from_its_snapshot(monkeypatch, folder):
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked = []

    def snapshot(repository, allow_patterns):
        asked.append(repository)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    loaded = load_encoder("hf://org/model")
    assert asked == ["org/model"]
    assert loaded.source == "hf://org/model (revision small_bert)"
    assert loaded.digest() == digest_of(SMALL_BERT)
    # A repository with weights in another format arrives as a configuration alone.
    (folder / "model.safetensors").unlink()
    assert_refused("hf://org/model", "holds no model.safetensors and no pytorch_model.bin")


def test_pytorch_weights_of_a_hub_model_are_fetched_where_there_are_no_others(monkeypatch, folder):
    torch = pytest.importorskip("torch")
    huggingface_hub = pytest.importorskip("huggingface_hub")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()

    def snapshot(repository, allow_patterns):
        if "pytorch_model*.bin" in allow_patterns:
            state = {name: torch.from_numpy(value) for name, value in tensors.items()}
            torch.save(state, folder / "pytorch_model.bin")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert load_encoder("hf://org/model").digest() == digest_of(SMALL_BERT)


def test_tiny_is_built_from_the_seed():
    first = load_encoder("tiny", seed=1)
    encoder = first.encoder
    assert (encoder.num_layers, encoder.num_heads, encoder.hidden_dim) == (2, 2, 128)
    assert (encoder.intermediate_dim, encoder.max_sequence_length) == (512, 512)
    assert first.report.random
    assert len(first.tokenizer().vocabulary) == encoder.vocabulary_size
    assert first.digest() == load_encoder("tiny", seed=1).digest()
    assert first.digest() != load_encoder("tiny", seed=2).digest()
