"""What is exported computes the same in `transformers`, and comes back bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfglue import tasks
from tfglue.data.tokenizer import BertTokenizer
from tfglue.errors import UserError
from tfglue.models import hugging_face_export
from tfglue.models.checkpoints import load_encoder
from tfglue.models.encoder import BertEncoder
from tfglue.models.heads import LinearHead
from tfglue.models.hugging_face_export import FILES, export_encoder, export_with_head

SMALL_BERT = Path(__file__).resolve().parents[1] / "reference" / "small_bert"
INPUTS = {
    "token_ids": "input_ids",
    "segment_ids": "token_type_ids",
    "padding_mask": "attention_mask",
}


@pytest.fixture(scope="module")
def loaded():
    return load_encoder(str(SMALL_BERT))


@pytest.fixture
def exported(loaded, tmp_path):
    folder = tmp_path / "exported"
    export_encoder(folder, loaded.encoder, loaded.tokenizer())
    return folder


def golden_batch():
    arrays = np.load(SMALL_BERT / "golden.npz", allow_pickle=False)
    return {name: arrays[name] for name in INPUTS}


def run_theirs(model, batch):
    import torch

    with torch.no_grad():
        tensors = {theirs: torch.from_numpy(batch[ours]) for ours, theirs in INPUTS.items()}
        return model.eval()(**{name: tensor.long() for name, tensor in tensors.items()})


def assert_same_hidden_states(encoder, model, batch):
    from torch import no_grad

    with no_grad():
        model.config.output_hidden_states = True
        theirs = run_theirs(model, batch)
    ours, tokens = encoder(batch), batch["padding_mask"].astype(bool)
    assert len(ours["hidden_states"]) == len(theirs.hidden_states)
    for a, b in zip(ours["hidden_states"], theirs.hidden_states, strict=True):
        np.testing.assert_allclose(np.array(a)[tokens], b.numpy()[tokens], rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours["pooled_output"], theirs.pooler_output, rtol=0, atol=1e-5)


def make_encoder(**options):
    settings = {
        "vocabulary_size": 95, "num_layers": 2, "num_heads": 4, "hidden_dim": 16,
        "intermediate_dim": 24, "max_sequence_length": 40,
    }
    encoder = BertEncoder(**settings | options)
    # Weights of their initial size would hide differences between activations.
    generator = np.random.default_rng(6)
    for name, variable in encoder.named_weights().items():
        center = 1 if name.endswith("gamma") else 0
        variable.assign(generator.normal(center, 0.2, variable.shape))
    return encoder


def test_an_export_has_the_files_of_hugging_face_and_loads_bit_for_bit(loaded, exported):
    assert sorted(path.name for path in exported.iterdir()) == sorted(FILES)
    config = json.loads((exported / "config.json").read_text())
    assert config["architectures"] == ["BertModel"]
    again = load_encoder(str(exported))
    assert again.digest() == loaded.digest()
    assert again.report.unused == again.report.new == ()
    assert again.tokenizer().digest() == loaded.tokenizer().digest()


def test_hidden_states_equal_those_of_transformers(loaded, exported):
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModel.from_pretrained(exported)
    assert_same_hidden_states(loaded.encoder, model, golden_batch())


@pytest.mark.parametrize("activation", ["gelu_tanh", "gelu_new", "relu"])
def test_every_setting_of_the_encoder_goes_there_and_comes_back(loaded, tmp_path, activation):
    transformers = pytest.importorskip("transformers")
    encoder = make_encoder(
        dropout=0.2, attention_dropout=0.3, num_segments=3, layer_norm_epsilon=1e-3,
        initializer_range=0.05, activation=activation,
    )
    encoder.export_to_transformers(tmp_path / "model", loaded.tokenizer())
    again = load_encoder(str(tmp_path / "model")).encoder.get_config()
    expected = encoder.get_config() | {"name": again["name"]}
    if activation == "gelu_tanh":  # the name that `transformers` has for the same function
        expected["activation"] = "gelu_pytorch_tanh"
    assert again == expected
    model = transformers.AutoModel.from_pretrained(tmp_path / "model")
    assert_same_hidden_states(encoder, model, golden_batch())


@pytest.mark.parametrize("lower_case", [True, False])
def test_the_tokenizer_of_transformers_gives_the_same_ids(loaded, tmp_path, lower_case):
    transformers = pytest.importorskip("transformers")
    words = [*loaded.tokenizer().vocabulary[:90], "Caf", "##é", "cafe", "中", "È"]
    tokenizer = BertTokenizer(words, lower_case)
    export_encoder(tmp_path / "model", loaded.encoder, tokenizer)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    texts = ["Café, cafe ÈÈ 中中 the dog's a 7.", "", "È the"]
    ours = tokenizer.tokenize(tf.constant(texts)).to_list()
    assert theirs(texts, add_special_tokens=False)["input_ids"] == ours
    assert theirs.model_max_length == 40
    assert (words.index("Caf") in ours[0]) != lower_case


@pytest.mark.parametrize("name", ["mnli", "stsb"])
def test_logits_of_a_classifier_equal_those_of_transformers(loaded, tmp_path, name):
    transformers = pytest.importorskip("transformers")
    task = tasks.get(name)
    head = LinearHead(len(task.labels) or 1, 32, dropout=0.25)
    generator = np.random.default_rng(1)
    for variable in head.named_weights().values():
        variable.assign(generator.normal(size=variable.shape))
    folder = tmp_path / name
    export_with_head(folder, loaded.encoder, loaded.tokenizer(), head, task)

    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    assert type(model).__name__ == "BertForSequenceClassification"
    logits = run_theirs(model, golden_batch()).logits
    ours = head(loaded.encoder(golden_batch()))
    np.testing.assert_allclose(ours, logits, rtol=0, atol=1e-5)
    assert np.abs(logits.numpy()).max() > 0.5

    labels = list(task.labels) or ["score"]
    assert model.config.num_labels == len(labels)
    assert model.config.id2label == dict(enumerate(labels))
    assert model.config.label2id == {label: index for index, label in enumerate(labels)}
    assert model.config.classifier_dropout == 0.25
    expected = "regression" if name == "stsb" else "single_label_classification"
    assert model.config.problem_type == expected

    again = load_encoder(str(folder))
    assert again.digest() == loaded.digest()
    assert again.report.unused == ("classifier.bias", "classifier.weight")


@pytest.mark.slow
def test_minilm_is_the_same_model_after_conversion(minilm, tmp_path):
    transformers = pytest.importorskip("transformers")
    loaded = load_encoder(str(minilm))
    export_encoder(tmp_path / "model", loaded.encoder, loaded.tokenizer())
    generator = np.random.default_rng(0)
    batch = {
        "token_ids": generator.integers(1000, 30000, (4, 24)).astype(np.int32),
        "segment_ids": np.repeat([[0] * 9 + [1] * 15], 4, axis=0).astype(np.int32),
        "padding_mask": np.repeat([[1] * 17 + [0] * 7], 4, axis=0).astype(np.int32),
    }
    model = transformers.AutoModel.from_pretrained(tmp_path / "model")
    assert_same_hidden_states(loaded.encoder, model, batch)
    assert load_encoder(str(tmp_path / "model")).digest() == loaded.digest()


# What stands at the place already


def refusal(folder, loaded, overwrite=False) -> str:
    with pytest.raises(UserError) as caught:
        export_encoder(folder, loaded.encoder, loaded.tokenizer(), overwrite)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_export_is_replaced_when_asked_and_nothing_else_ever_is(loaded, exported):
    assert "holds an earlier export; overwrite it (--overwrite)" in refusal(exported, loaded)
    other = make_encoder()
    export_encoder(exported, other, loaded.tokenizer(), overwrite=True)
    assert load_encoder(str(exported)).encoder.hidden_dim == 16
    (exported / "notes.txt").write_text("mine")
    assert "not (only) an export" in refusal(exported, loaded, overwrite=True)
    assert (exported / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_model_of_someone_else_is_not_replaced(loaded, exported, overwrite):
    config = json.loads((exported / "config.json").read_text())
    config.pop("tfglue_version")
    (exported / "config.json").write_text(json.dumps(config))
    before = (exported / "model.safetensors").read_bytes()
    assert "not (only) an export" in refusal(exported, loaded, overwrite)
    (exported / "config.json").unlink()
    assert "not (only) an export" in refusal(exported, loaded, overwrite)
    assert (exported / "model.safetensors").read_bytes() == before


def test_an_empty_folder_is_filled_and_a_file_refused(loaded, tmp_path, monkeypatch):
    assert "is a file" in refusal(SMALL_BERT / "vocab.txt", loaded)
    assert "cannot be written" in refusal(SMALL_BERT / "vocab.txt" / "model", loaded)
    monkeypatch.chdir(tmp_path)
    export_encoder(".", loaded.encoder, loaded.tokenizer())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_a_full_disk_leaves_the_earlier_export_and_no_other_trace(loaded, exported, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = (exported / "model.safetensors").read_bytes()
    monkeypatch.setattr(hugging_face_export, "write_json", full)
    message = refusal(exported, loaded, overwrite=True)
    assert "cannot be written (No space left on device)" in message
    assert (exported / "model.safetensors").read_bytes() == before
    assert [path.name for path in exported.parent.iterdir()] == [exported.name]
