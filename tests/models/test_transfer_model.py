import keras
import numpy as np

from tests.training.small_model import small_model
from tfglue.models.heads import LinearHead

NAMES = ("token_ids", "segment_ids", "padding_mask")
INPUTS = {name: np.ones((2, 5), np.int32) for name in NAMES}


def test_weights_have_stable_names():
    names = list(small_model(num_layers=1).named_weights())
    assert names[0] == "encoder.embeddings.word"
    assert names[-8:] == [
        f"heads.{task}.dense.{part}"
        for task in ("nli", "sim", "ner", "qa") for part in ("kernel", "bias")
    ]


def test_a_task_trains_the_encoder_and_its_own_head():
    model = small_model(num_layers=1)
    model.encoder.embeddings.trainable = False
    trained = model.trained_weights("sim")
    assert any(name.startswith("encoder.layers.0") for name in trained)
    assert not any(name.startswith(("encoder.embeddings", "heads.nli")) for name in trained)
    assert set(trained) < set(model.trained_weights())


def test_tasks_that_answer_every_token_do_not_train_the_pooler():
    model = small_model(num_layers=1)
    poolers = {"encoder.pooler.kernel", "encoder.pooler.bias"}
    assert poolers.isdisjoint(model.trained_weights("ner"))
    assert poolers < set(model.trained_weights("nli"))
    assert set(model.trained_weights("ner")) - set(model.trained_weights("nli")) == {
        "heads.ner.dense.kernel", "heads.ner.dense.bias",
    }


def test_a_head_for_tokens_equals_numpy_at_every_token():
    head = LinearHead(3, 4, every_token=True)
    hidden = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    expected = hidden @ head.dense.kernel.numpy() + head.dense.bias.numpy()
    assert np.allclose(head({"hidden_states": (hidden * 2, hidden)}), expected, atol=1e-6)


def test_head_equals_numpy_and_keeps_float32_for_half_precision_input():
    head = LinearHead(3, 4)
    pooled = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    expected = pooled @ head.dense.kernel.numpy() + head.dense.bias.numpy()
    assert np.allclose(head({"pooled_output": pooled}), expected, atol=1e-6)
    half = keras.ops.cast(pooled, "bfloat16")
    assert head({"pooled_output": half}).dtype == "float32"


def test_the_model_survives_saving_and_loading(tmp_path):
    model = small_model(dropout=0.1, num_layers=1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for task in ("nli", "sim"):
        assert np.array_equal(model(INPUTS, task=task), again(INPUTS, task=task))
