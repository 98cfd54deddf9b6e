"""LoRA's factors: where they start, what loading leaves of them, and merging."""

import numpy as np
import pytest

from tests.adapters.adapted_model import (
    BATCH,
    adapted_model,
    small_adapter,
    small_config,
    small_encoder,
    stirred,
    values_of,
)
from tfglue.run_folder import RunFolder

ALL_TARGETS = "query+key+value+attention_output+intermediate+feed_forward_output"


def last_state(encoder, adapter=None):
    return np.array(encoder(BATCH, adapter=adapter)["hidden_states"][-1])


@pytest.mark.parametrize("targets", ["query+value", ALL_TARGETS])
def test_merging_leaves_the_output_as_it_was_with_the_adapter_or_without(targets):
    encoder = small_encoder()
    lora = stirred(small_adapter(encoder, small_config("lora", targets=targets)))
    for weight in lora.named_weights().values():
        weight.assign(weight * 0.3)
    plain, before = last_state(encoder), last_state(encoder, lora)
    kernels = values_of(encoder)
    lora.merge(encoder.named_weights())
    np.testing.assert_allclose(last_state(encoder), before, rtol=0, atol=1e-6)
    np.testing.assert_allclose(last_state(encoder, lora), before, rtol=0, atol=1e-6)
    assert np.abs(before - plain).max() > 0.05
    changed = {n for n, v in values_of(encoder).items() if not np.array_equal(v, kernels[n])}
    assert changed == {f"{name}.kernel" for name in lora.parts}
    assert len(changed) == 2 * len(targets.split("+"))


def test_after_merging_it_can_be_trained_on_and_merged_again():
    encoder = small_encoder()
    lora = stirred(small_adapter(encoder, "lora"))
    lora.merge(encoder.named_weights())
    merged = last_state(encoder)
    lora.merge(encoder.named_weights())
    np.testing.assert_array_equal(last_state(encoder), merged)
    for name, value in values_of(lora).items():
        assert value.any() == name.endswith(".a.kernel")


def test_loading_never_leaves_both_factors_at_zero(tmp_path):
    folder = RunFolder(tmp_path)
    untrained = adapted_model("lora")
    folder.save_weights(untrained)
    loaded = adapted_model("lora")
    for adapter in loaded.adapters.values():
        stirred(adapter)
    folder.load_weights(loaded)
    for task, adapter in loaded.adapters.items():
        expected = values_of(untrained.adapters[task])
        for name, value in values_of(adapter).items():
            np.testing.assert_array_equal(value, expected[name])
            assert value.any() == name.endswith(".a.kernel")


def test_the_update_is_scaled_by_alpha_over_rank():
    encoder = small_encoder()
    states = []
    for alpha in (3.0, 6.0):
        lora = stirred(small_adapter(encoder, small_config("lora", rank=3, alpha=alpha)))
        states.append(lora.parts["layers.0.attention.query"].product())
    np.testing.assert_allclose(2 * states[0], states[1], rtol=1e-6)
