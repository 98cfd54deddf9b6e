"""BertEncoder equals NumPy and `transformers`, in every mode that training uses."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tests.reference.numpy_bert import bert_encoder
from tfglue.models.checkpoints import load_encoder
from tfglue.models.encoder import BertEncoder
from tfglue.models.initialization import undrawn
from tfglue.models.loaded_encoder import weights_digest

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL_BERT = REPOSITORY / "tests" / "reference" / "small_bert"
SHARED = REPOSITORY.parent / "shared"
MINILM = SHARED / "models" / "minilm-l6-h384-uncased"
INPUTS = ("token_ids", "segment_ids", "padding_mask")
SEED = np.array([1, 2], np.int32)


def golden():
    return dict(np.load(SMALL_BERT / "golden.npz", allow_pickle=False))


def small_batch():
    return {name: golden()[name] for name in INPUTS}


def make_encoder(**options):
    encoder = BertEncoder(
        **{"vocabulary_size": 95, "num_layers": 2, "num_heads": 4, "hidden_dim": 16}
        | {"intermediate_dim": 24, "max_sequence_length": 40}
        | options
    )
    encoder.initialize(seed=3)
    return encoder


def assert_near_at_tokens(outputs, hidden_states, pooled_output, padding_mask, tolerance):
    tokens = padding_mask.astype(bool)
    assert len(outputs["hidden_states"]) == len(hidden_states)
    for ours, theirs in zip(outputs["hidden_states"], hidden_states, strict=True):
        np.testing.assert_allclose(np.array(ours)[tokens], theirs[tokens], rtol=0, atol=tolerance)
    np.testing.assert_allclose(outputs["pooled_output"], pooled_output, rtol=0, atol=tolerance)


def test_every_hidden_state_equals_that_of_a_small_bert_of_transformers():
    expected = golden()
    outputs = load_encoder(str(SMALL_BERT)).encoder(small_batch())
    assert_near_at_tokens(
        outputs,
        expected["hidden_states"],
        expected["pooled_output"],
        expected["padding_mask"],
        tolerance=1e-5,
    )


def test_every_hidden_state_equals_the_numpy_reference_in_float64():
    batch = small_batch()
    loaded = load_encoder(str(SMALL_BERT)).encoder
    encoder = BertEncoder.from_config(loaded.get_config() | {"dtype": "float64"})
    for name, variable in loaded.named_weights().items():
        encoder.named_weights()[name].assign(variable.value)
    weights = {name: v.value.numpy() for name, v in encoder.named_weights().items()}
    hidden_states, pooled_output = bert_encoder(weights, **batch, num_layers=3, num_heads=4)
    assert_near_at_tokens(
        encoder(batch), hidden_states, pooled_output, batch["padding_mask"], tolerance=1e-10
    )


@pytest.mark.skipif(not MINILM.is_dir(), reason="../shared/models holds no MiniLM")
@pytest.mark.parametrize("task", ["RTE", pytest.param("MRPC", marks=pytest.mark.slow)])
def test_every_hidden_state_of_minilm_equals_that_of_transformers(task):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    batch = real_pairs(transformers, task, count=32)
    model = transformers.BertModel.from_pretrained(MINILM, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = model(
            input_ids=torch.tensor(batch["token_ids"], dtype=torch.long),
            token_type_ids=torch.tensor(batch["segment_ids"], dtype=torch.long),
            attention_mask=torch.tensor(batch["padding_mask"], dtype=torch.long),
            output_hidden_states=True,
        )
    assert_near_at_tokens(
        load_encoder(str(MINILM)).encoder(batch),
        [state.numpy() for state in expected.hidden_states],
        expected.pooler_output.numpy(),
        batch["padding_mask"],
        tolerance=1e-5,
    )


def real_pairs(transformers, task, count):
    path = SHARED / "data" / "glue" / task / "dev.tsv"
    if not path.is_file():
        pytest.skip("../shared/data holds no GLUE")
    columns = {"RTE": (1, 2), "MRPC": (3, 4)}[task]
    with open(path, encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))[1 : count + 1]
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    first, second = ([row[column] for row in rows] for column in columns)
    encoded = tokenizer(
        first, second, padding="longest", truncation=True, max_length=512, return_tensors="np"
    )
    keys = ("input_ids", "token_type_ids", "attention_mask")
    batch = {name: encoded[key].astype(np.int32) for name, key in zip(INPUTS, keys, strict=True)}
    assert len(set(batch["padding_mask"].sum(axis=1))) > 5
    return batch


def test_segments_and_mask_may_be_left_out():
    encoder = make_encoder()
    token_ids = small_batch()["token_ids"]
    given = {"segment_ids": np.zeros_like(token_ids), "padding_mask": np.ones_like(token_ids)}
    np.testing.assert_array_equal(
        encoder({"token_ids": token_ids})["pooled_output"],
        encoder({"token_ids": token_ids} | given)["pooled_output"],
    )


def test_names_of_weights_do_not_change():
    layer = "layers.0."
    assert {n: v.shape for n, v in make_encoder(num_layers=1).named_weights().items()} == {
        "embeddings.word": (95, 16),
        "embeddings.position": (40, 16),
        "embeddings.segment": (2, 16),
        "embeddings.layer_norm.gamma": (16,),
        "embeddings.layer_norm.beta": (16,),
        f"{layer}attention.query.kernel": (16, 16),
        f"{layer}attention.query.bias": (16,),
        f"{layer}attention.key.kernel": (16, 16),
        f"{layer}attention.key.bias": (16,),
        f"{layer}attention.value.kernel": (16, 16),
        f"{layer}attention.value.bias": (16,),
        f"{layer}attention.output.kernel": (16, 16),
        f"{layer}attention.output.bias": (16,),
        f"{layer}feed_forward.intermediate.kernel": (16, 24),
        f"{layer}feed_forward.intermediate.bias": (24,),
        f"{layer}feed_forward.output.kernel": (24, 16),
        f"{layer}feed_forward.output.bias": (16,),
        f"{layer}attention.layer_norm.gamma": (16,),
        f"{layer}attention.layer_norm.beta": (16,),
        f"{layer}feed_forward.layer_norm.gamma": (16,),
        f"{layer}feed_forward.layer_norm.beta": (16,),
        "pooler.kernel": (16, 16),
        "pooler.bias": (16,),
    }


def test_all_weights_have_a_name_and_exist_before_the_first_call():
    encoder = BertEncoder(50, 3, 2, 8, 12)
    named = encoder.named_weights().values()
    assert {id(v) for v in named} == {id(v) for v in encoder.weights}
    assert len(named) == 5 + 3 * 16 + 2
    encoder({"token_ids": np.ones((1, 4), np.int32)}, dropout_seed=SEED)
    assert len(encoder.variables) == len(named)


def test_one_seed_gives_one_encoder():
    first, second, other = (make_encoder() for _ in range(3))
    other.initialize(seed=4)
    assert weights_digest(first.named_weights()) == weights_digest(second.named_weights())
    assert weights_digest(first.named_weights()) != weights_digest(other.named_weights())
    # Written down: the same seed means the same encoder in any process and any version of ours.
    word = first.named_weights()["embeddings.word"].value.numpy()
    np.testing.assert_allclose(
        word[0, :4], [-0.02613227, -0.02240534, 0.02072252, 0.01405245], atol=1e-7
    )


def test_dropout_is_on_exactly_when_a_seed_is_given():
    encoder, batch = make_encoder(), small_batch()
    plain = encoder(batch, training=True)["pooled_output"]
    np.testing.assert_array_equal(plain, encoder(batch)["pooled_output"])
    dropped = encoder(batch, dropout_seed=SEED, training=False)["pooled_output"]
    np.testing.assert_array_equal(dropped, encoder(batch, dropout_seed=SEED)["pooled_output"])
    assert not np.allclose(dropped, plain)
    other = encoder(batch, dropout_seed=SEED + np.array([0, 1], np.int32))["pooled_output"]
    assert not np.allclose(dropped, other)


def test_no_two_dropouts_share_a_site():
    encoder = make_encoder(num_layers=3)
    dropouts = [encoder.embeddings.dropout]
    for layer in encoder.encoder_layers:
        dropouts += [layer.probabilities_dropout, layer.attention_output_dropout]
        dropouts += [layer.feed_forward_dropout]
    assert [dropout.site for dropout in dropouts] == list(range(1 + 3 * 3))


def test_frozen_parts_run_without_dropout():
    encoder, batch = make_encoder(), small_batch()
    plain = encoder(batch)["hidden_states"]
    encoder.embeddings.trainable = False
    encoder.encoder_layers[0].trainable = False
    dropped = encoder(batch, dropout_seed=SEED)["hidden_states"]
    np.testing.assert_array_equal(dropped[0], plain[0])
    np.testing.assert_array_equal(dropped[1], plain[1])
    assert not np.allclose(dropped[2], plain[2])
    encoder.trainable = False
    np.testing.assert_array_equal(encoder(batch, dropout_seed=SEED)["hidden_states"][2], plain[2])


def test_one_graph_serves_all_shapes_and_every_weight_gets_a_gradient():
    encoder = make_encoder()
    batch = small_batch()
    traces = []

    @tf.function(
        input_signature=[
            {name: tf.TensorSpec([None, None], tf.int32) for name in INPUTS},
            tf.TensorSpec([2], tf.int32),
        ]
    )
    def step(inputs, seed):
        traces.append(None)
        with tf.GradientTape() as tape:
            pooled = encoder(inputs, dropout_seed=seed)["pooled_output"]
            loss = tf.reduce_sum(pooled**2)
        return pooled, tape.gradient(loss, encoder.trainable_variables)

    for rows, time in ((6, 24), (2, 3), (1, 2), (3, 40)):
        inputs = {name: np.resize(batch[name], (rows, time)) for name in INPUTS}
        pooled, gradients = step(inputs, SEED)
        np.testing.assert_allclose(
            pooled, encoder(inputs, dropout_seed=SEED)["pooled_output"], atol=1e-6
        )
        assert all(gradient is not None for gradient in gradients)
    assert len(traces) == 1


def test_mixed_bfloat16_keeps_variables_in_float32_and_has_no_nan():
    encoder = make_encoder(dtype="mixed_bfloat16")
    batch = small_batch()
    reference = make_encoder()(batch)
    outputs = encoder(batch)
    assert {variable.dtype for variable in encoder.variables} == {"float32"}
    for ours, theirs in zip(outputs["hidden_states"], reference["hidden_states"], strict=True):
        assert ours.dtype == tf.float32
        np.testing.assert_allclose(tf.cast(ours, tf.float32), theirs, atol=0.06)
    assert outputs["pooled_output"].dtype == tf.bfloat16
    masked = encoder(batch | {"padding_mask": np.zeros_like(batch["padding_mask"])})
    assert np.isfinite(tf.cast(masked["pooled_output"], tf.float32)).all()


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_saved_and_loaded_it_is_the_same(tmp_path, dtype):
    encoder, batch = make_encoder(dtype=dtype, activation="gelu_new", dropout=0.2), small_batch()
    encoder.save(tmp_path / "encoder.keras")
    loaded = keras.models.load_model(tmp_path / "encoder.keras")
    assert loaded.get_config() == encoder.get_config()
    for seed in (None, SEED):
        np.testing.assert_array_equal(
            tf.cast(loaded(batch, dropout_seed=seed)["pooled_output"], tf.float32),
            tf.cast(encoder(batch, dropout_seed=seed)["pooled_output"], tf.float32),
        )


def test_the_pooled_output_alone_is_the_same_without_hidden_states():
    encoder = make_encoder()
    alone = encoder(small_batch(), pooled_only=True)
    assert set(alone) == {"pooled_output"}
    whole = encoder(small_batch())
    np.testing.assert_allclose(alone["pooled_output"], whole["pooled_output"], rtol=0, atol=1e-6)
    dropped = encoder(small_batch(), SEED, pooled_only=True)
    assert np.any(dropped["pooled_output"] != alone["pooled_output"])


def test_undrawn_kernels_are_zeros_and_no_others():
    shape = dict(vocabulary_size=50, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=12)
    with undrawn():
        empty = BertEncoder(**shape).named_weights()
    for name, weight in BertEncoder(**shape).named_weights().items():
        value = ops.convert_to_numpy(empty[name])
        if name.endswith(("gamma", "beta", "bias")):
            assert np.array_equal(value, ops.convert_to_numpy(weight)), name
        else:
            assert not value.any() and ops.convert_to_numpy(weight).all(), name
