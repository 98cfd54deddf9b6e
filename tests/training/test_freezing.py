import numpy as np
import pytest

from tests.training.small_model import small_features, small_model, small_step, values
from tfglue.data.batches import padded_batch
from tfglue.errors import UserError
from tfglue.training.freezing import freeze
from tfglue.training.seeds import dropout_seed

EXPECTED_TO_MOVE = {
    "none": lambda name: True,
    "embeddings": lambda name: not name.startswith("encoder.embeddings"),
    "embeddings:position+segment": lambda name: not name.endswith(
        ("embeddings.position", "embeddings.segment")
    ),
    "embeddings:word": lambda name: not name.endswith("embeddings.word"),
    "layers:1": lambda name: not name.startswith(("encoder.embeddings", "encoder.layers.0.")),
    "encoder_except_norms": lambda name: "layer_norm" in name or name.startswith("heads"),
    "encoder": lambda name: name.startswith("heads"),
}


def trained(setting, dropout=0.0):
    model = small_model(dropout)
    freeze(model.encoder, setting)
    before = values(model)
    step = small_step(model, "adamw")
    batch = padded_batch(small_features(), np.arange(16))
    for update in range(2):
        step("nli", [batch], 16, [dropout_seed(0, update, 0)])
    return model, step, before, batch


@pytest.mark.parametrize(
    "setting",
    [pytest.param(setting, marks=[] if setting == "encoder" else pytest.mark.slow)
     for setting in EXPECTED_TO_MOVE],
)
def test_only_what_is_not_frozen_moves_and_has_optimizer_slots(setting):
    model, step, before, _ = trained(setting)
    after = values(model)
    for name in before:
        other = name.startswith("heads.") and not name.startswith("heads.nli.")
        if other or name.endswith("key.bias"):
            continue  # Another task; and softmax does not see a shift of all keys.
        moves = EXPECTED_TO_MOVE[setting](name)
        assert np.array_equal(before[name], after[name]) != moves, name
    slots = sum(int(np.prod(v.shape)) for v in step.optimizer.variables if len(v.shape))
    expected = sum(v.size for n, v in before.items() if EXPECTED_TO_MOVE[setting](n))
    assert slots == 2 * expected


def test_a_frozen_encoder_runs_without_dropout():
    model, _, _, batch = trained("encoder", dropout=0.5)
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with_seed = model.encoder(inputs, dropout_seed(0, 0, 0))["pooled_output"]
    assert np.array_equal(with_seed, model.encoder(inputs)["pooled_output"])


def test_freezing_again_starts_from_all_trainable():
    model = small_model()
    freeze(model.encoder, "encoder")
    freeze(model.encoder, "embeddings")
    trainable = [name for name, w in model.encoder.named_weights().items() if w.trainable]
    assert trainable and not any(name.startswith("embeddings") for name in trainable)


@pytest.mark.parametrize(
    ("setting", "message"),
    [("embeddings:words", "did you mean 'word'"),
     ("layers:9", "from 0 to 2"), ("layers", "from 0 to 2"), ("encodr", "did you mean 'encoder'")],
)
def test_wrong_settings_are_the_users_mistake(setting, message):
    with pytest.raises(UserError, match=message):
        freeze(small_model().encoder, setting)
