import numpy as np
import pytest

from tfglue.errors import UserError
from tfglue.models.checkpoints import load_encoder
from tfglue.models.layer_selection import kept_layers, with_layers


@pytest.mark.parametrize(
    ("setting", "total", "layers"),
    [("bottom:2", 6, (0, 1)), ("alternate:3", 6, (1, 3, 5)), ("alternate:2", 6, (2, 5)),
     ("alternate:6", 12, (1, 3, 5, 7, 9, 11)), ("alternate:4", 6, (0, 2, 3, 5)),
     ("alternate:6", 6, (0, 1, 2, 3, 4, 5))],
)
def test_which_layers_are_kept(setting, total, layers):
    assert kept_layers(setting, total) == layers


@pytest.mark.parametrize(
    ("setting", "message"),
    [("bottom:7", "N from 1 to 6"), ("bottom:0", "N from 1 to 6"), ("bottom", "N from 1 to 6"),
     ("botom:2", "did you mean 'bottom'"), ("top:2", "expected bottom:N or alternate:N")],
)
def test_wrong_settings_are_the_users_mistake(setting, message):
    with pytest.raises(UserError, match=message):
        kept_layers(setting, 6)


def test_a_smaller_encoder_computes_with_the_layers_of_the_larger_one():
    loaded = load_encoder("tiny", seed=3)
    smaller = with_layers(loaded, "alternate:1")
    assert smaller.encoder.num_layers == 1 and "layers 2 of 2" in smaller.source
    own, whole = smaller.encoder.named_weights(), loaded.encoder.named_weights()
    for name, weight in own.items():
        assert np.array_equal(weight, whole[name.replace("layers.0.", "layers.1.")]), name
    inputs = {"token_ids": np.arange(1, 13, dtype=np.int32).reshape(2, 6)}
    embedded = loaded.encoder(inputs)["hidden_states"][0]
    mask = np.zeros((2, 1, 1, 6), np.float32)
    expected = loaded.encoder.encoder_layers[1](embedded, mask)
    assert np.array_equal(smaller.encoder(inputs)["hidden_states"][1], expected)
    assert any(name.startswith("layers.0.") for name in smaller.report.unused)
