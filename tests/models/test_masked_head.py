"""The language model's head: against NumPy, `transformers`, and itself in blocks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import erf, log_softmax

from tfglue.data.features import NO_LABEL
from tfglue.data.tokenizer import BertTokenizer
from tfglue.models.checkpoints import load_encoder
from tfglue.models.encoder import BertEncoder
from tfglue.models.hugging_face_export import export_language_model
from tfglue.models.initialization import initialize_weights
from tfglue.models.masked_head import MaskedHead
from tfglue.models.transfer_model import TransferModel
from tfglue.models.vocabulary_loss import vocabulary_losses

SIZES = dict(
    vocabulary_size=53, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32,
    max_sequence_length=24, initializer_range=0.3,
)


@pytest.fixture(scope="module", params=[False, True], ids=["tokens", "pairs"])
def model(request):
    encoder = BertEncoder(**SIZES)
    encoder.initialize(0)
    head = MaskedHead.of(encoder, next_sentence=request.param)
    weights = head.named_weights()
    initialize_weights(weights, 0.3, 1)
    random = np.random.default_rng(2)
    for name in ("output.bias", "transform.bias", "layer_norm.gamma", "layer_norm.beta"):
        weights[name].assign(random.normal(size=weights[name].shape))
    return TransferModel(encoder, {"text": head})


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(3)
    mask = (np.arange(12) < np.array([12, 7, 9])[:, None]).astype(np.int32)
    positions = np.array([[1, 4, 9], [5, 2, 0], [3, 0, 0]], np.int32)
    labels = np.array([[7, 52, 5], [11, 30, NO_LABEL], [0, NO_LABEL, NO_LABEL]], np.int32)
    return {
        "token_ids": random.integers(0, 53, (3, 12)).astype(np.int32) * mask,
        "segment_ids": (np.arange(12) > 5).astype(np.int32) * mask, "padding_mask": mask,
        "masked_positions": positions, "masked_labels": labels,
    }


def encoder_inputs(inputs):
    return {n: inputs[n] for n in ("token_ids", "segment_ids", "padding_mask")}


def reference(model, inputs):
    """Losses and hits by NumPy in float64, from the encoder's hidden states."""
    head, encoder = model.heads["text"], model.encoder
    weights = {n: w.numpy().astype(np.float64) for n, w in head.named_weights().items()}
    hidden = encoder(encoder_inputs(inputs))["hidden_states"][-1].numpy().astype(np.float64)
    x = hidden @ weights["transform.kernel"] + weights["transform.bias"]
    x = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
    x = x * weights["layer_norm.gamma"] + weights["layer_norm.beta"]
    # All positions are computed here; what is asked for is picked afterwards.
    logits = x @ encoder.embeddings.word.numpy().T.astype(np.float64) + weights["output.bias"]
    found = np.zeros((len(hidden), 2))
    for row, (places, labels) in enumerate(
        zip(inputs["masked_positions"], inputs["masked_labels"], strict=True)
    ):
        for place, label in zip(places, labels, strict=True):
            if label != NO_LABEL:
                found[row, 0] -= log_softmax(logits[row, place])[label]
                found[row, 1] += logits[row, place].argmax() == label
    return logits, found


def test_losses_equal_numpy_on_all_positions(model, inputs):
    logits, expected = reference(model, inputs)
    found = model(inputs, task="text").numpy()
    assert found.shape == (3, model.heads["text"].num_outputs)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-5, atol=1e-5)
    head = model.heads["text"]
    hidden = model.encoder(encoder_inputs(inputs))["hidden_states"][-1]
    own = head.logits(hidden, inputs["masked_positions"], model.encoder.embeddings.word.value)
    picked = np.take_along_axis(logits, inputs["masked_positions"][:, :, None], axis=1)
    np.testing.assert_allclose(own.numpy(), picked, rtol=1e-5, atol=1e-5)


def test_hits_are_counted(model, inputs):
    logits, _ = reference(model, inputs)
    best = np.take_along_axis(logits.argmax(-1), inputs["masked_positions"], axis=1)
    labels = np.where(inputs["masked_labels"] == NO_LABEL, NO_LABEL, best).astype(np.int32)
    found = model(inputs | {"masked_labels": labels}, task="text").numpy()
    assert found[:, 1].tolist() == [3, 2, 1]


@pytest.mark.parametrize("block", [7, 53, 64])
def test_blocks_give_the_losses_and_gradients_of_the_whole(block):
    random = np.random.default_rng(0)
    hidden, table, bias = (
        tf.constant(random.normal(size=size), tf.float32) for size in ((9, 8), (53, 8), (53,))
    )
    labels = tf.constant([*random.integers(0, 53, 8), NO_LABEL], tf.int32)
    upstream = tf.constant([*random.normal(size=8), 0.0], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch((hidden, table, bias))
        logits = tf.matmul(hidden, table, transpose_b=True) + bias
        whole = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), logits)
        total = tf.reduce_sum(whole * upstream)
    expected = tape.gradient(total, (hidden, table, bias))

    @tf.function
    def in_blocks(hidden, table, bias):
        with tf.GradientTape() as tape:
            tape.watch((hidden, table, bias))
            found = vocabulary_losses(hidden, table, bias, labels, block)
            total = tf.reduce_sum(found[:, 0] * upstream)
        return found, tape.gradient(total, (hidden, table, bias))

    found, gradients = in_blocks(hidden, table, bias)
    np.testing.assert_allclose(found[:8, 0], whole[:8], rtol=1e-5, atol=1e-6)
    right = (tf.argmax(logits, -1, tf.int32) == labels)[:8]
    assert found[:8, 1].numpy().astype(bool).tolist() == right.numpy().tolist()
    for own, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-5)


def test_the_word_embeddings_learn_from_both_ends(model, inputs):
    """The gradient of the tied table is that of input and output, by finite differences."""
    table = model.encoder.embeddings.word
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(inputs, task="text")[:, 0])
    gradient = tf.convert_to_tensor(tape.gradient(loss, table.value)).numpy()
    before = table.numpy()
    used, unused = inputs["token_ids"][0, 2], 51
    for row in (used, unused):
        step = np.zeros_like(before)
        step[row] = gradient[row] / np.linalg.norm(gradient[row]) * 1e-2
        values = []
        for sign in (1, -1):
            table.assign(before + sign * step)
            values.append(float(tf.reduce_sum(model(inputs, task="text")[:, 0])))
        table.assign(before)
        slope = (values[0] - values[1]) / 2e-2
        assert slope == pytest.approx(np.linalg.norm(gradient[row]), rel=2e-2)


def test_saving_and_configuration(model, inputs, tmp_path):
    expected = model(inputs, task="text").numpy()
    clone = TransferModel.from_config(model.get_config())
    assert clone.heads["text"].next_sentence == model.heads["text"].next_sentence
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    clone.load_weights(path)
    np.testing.assert_array_equal(clone(inputs, task="text").numpy(), expected)
    head = model.heads["text"]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    assert again.get_config() == head.get_config()


@pytest.fixture(scope="module")
def torch_folder(tmp_path_factory, request):
    """A small random `BertForPreTraining` with a vocabulary."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("pretraining")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=53, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=24, initializer_range=0.3,
    )
    theirs = transformers.BertForPreTraining(config).eval()
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "cls." in name and weight.ndim == 1:
                weight.normal_()
    theirs.save_pretrained(folder)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *(f"w{number}" for number in range(48))]
    (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    return folder, theirs


def theirs_of(theirs, inputs):
    import torch

    with torch.no_grad():
        return theirs(
            input_ids=torch.tensor(inputs["token_ids"]).long(),
            token_type_ids=torch.tensor(inputs["segment_ids"]).long(),
            attention_mask=torch.tensor(inputs["padding_mask"]).long(),
        )


def test_logits_equal_transformers(torch_folder, inputs):
    folder, theirs = torch_folder
    loaded = load_encoder(str(folder))
    head = MaskedHead.of(loaded.encoder, next_sentence=True)
    assert loaded.language_model.keys() == head.named_weights().keys()
    for name, weight in head.named_weights().items():
        weight.assign(loaded.language_model[name])
    outputs = theirs_of(theirs, inputs)
    encoded = loaded.encoder(encoder_inputs(inputs))
    logits = head.logits(
        encoded["hidden_states"][-1], inputs["masked_positions"],
        loaded.encoder.embeddings.word.value,
    )
    expected = np.take_along_axis(
        outputs.prediction_logits.numpy(), inputs["masked_positions"][:, :, None], axis=1
    )
    real = inputs["masked_labels"] != NO_LABEL
    np.testing.assert_allclose(logits.numpy()[real], expected[real], atol=1e-5)
    found = TransferModel(loaded.encoder, {"text": head})(inputs, task="text").numpy()
    np.testing.assert_allclose(
        found[:, 2:], outputs.seq_relationship_logits.numpy(), atol=1e-5
    )


def test_an_untied_decoder_is_no_language_model_of_ours(torch_folder, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder, _ = torch_folder
    for name in ("config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    tensors = load_file(folder / "model.safetensors")
    table = tensors["bert.embeddings.word_embeddings.weight"]
    tensors["cls.predictions.decoder.weight"] = table.copy()
    save_file(tensors, tmp_path / "model.safetensors")
    assert load_encoder(str(tmp_path)).language_model
    tensors["cls.predictions.decoder.weight"] = table + 1
    save_file(tensors, tmp_path / "model.safetensors")
    assert not load_encoder(str(tmp_path)).language_model


def test_an_export_gives_the_same_logits_in_transformers(model, inputs, tmp_path):
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(48))]
    head = model.heads["text"]
    name = export_language_model(
        tmp_path / "out", model.encoder, BertTokenizer(words, lower_case=True), head
    )
    assert name == ("BertForPreTraining" if head.next_sentence else "BertForMaskedLM")
    theirs, report = getattr(transformers, name).from_pretrained(
        tmp_path / "out", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    outputs = theirs_of(theirs.eval(), inputs)
    logits = outputs.prediction_logits if head.next_sentence else outputs.logits
    expected, _ = reference(model, inputs)
    real = inputs["padding_mask"].astype(bool)
    np.testing.assert_allclose(logits.numpy()[real], expected[real], atol=2e-5)
