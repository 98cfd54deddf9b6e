"""AdapterPooler against NumPy, and its parameters against those that were published."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tests.reference import numpy_pooler
from tfglue.errors import UserError
from tfglue.models.adapter_pooler import PRESETS, AdapterPooler, AdapterPoolerConfig
from tfglue.models.head_config import read_head
from tfglue.models.initialization import initialize_weights
from tfglue.models.random_projection import random_matrix

BATCH, TIME, STATES, WIDTH, OUTPUTS = 3, 7, 4, 6, 2
BASE, LARGE = (768, 13), (1024, 25)
LENGTHS = np.array([7, 4, 1])


@pytest.fixture
def encoded():
    random = np.random.default_rng(0)
    states = random.normal(size=(STATES, BATCH, TIME, WIDTH)).astype(np.float32)
    mask = (np.arange(TIME) < LENGTHS[:, None]).astype(np.int32)
    pooled = random.normal(size=(BATCH, WIDTH)).astype(np.float32)
    return {"hidden_states": tuple(states), "padding_mask": mask, "pooled_output": pooled}


def head_of(every_token=False, **settings):
    config = AdapterPoolerConfig(**settings)
    head = AdapterPooler(config, OUTPUTS, WIDTH, STATES, every_token=every_token)
    initialize_weights(head.named_weights(), 0.5, seed=1)
    for name, weight in head.named_weights().items():
        if name.endswith(("bias", "gamma")):  # So that a missing one shows.
            weight.assign(np.linspace(0.5, 1.5, int(np.prod(weight.shape))).reshape(weight.shape))
    return head


def expected(encoded, head):
    """Logits of every token, (batch, time, outputs) or of the text."""
    config = head.config
    weights = {name: weight.numpy() for name, weight in head.named_weights().items()}
    states = np.stack(encoded["hidden_states"], axis=2).astype(np.float64)
    if config.tokens == "first" and not head.every_token:
        states = states[:, :1]
    if config.pooled:
        states = np.concatenate([encoded["pooled_output"][:, None, None], states], axis=2)
    activation = getattr(numpy_pooler, config.activation)

    def mixture(layers):
        if config.pooling == "mean":
            return layers.mean(axis=2)
        return numpy_pooler.mixed(layers, weights["pooling.weights"], weights["pooling.gamma"])

    def project(layers, name):
        kernel, bias = weights[f"{name}.kernel"], weights[f"{name}.bias"]
        return numpy_pooler.projected(layers, kernel, bias, activation)

    parts = []
    if config.order != "pooling_first":
        layers = project(states, "projection") if config.size else states
        together = config.pooling == "concat" or config.order == "both"
        parts.append(numpy_pooler.unit_by_unit(layers) if together else mixture(layers))
    if config.order != "projection_first":
        parts.append(project(mixture(states)[:, :, None], "second_projection")[:, :, 0])
    if config.skip:
        parts.append(states[:, :, -1])
    read = np.concatenate(parts, axis=-1)
    if not head.every_token:
        if config.tokens == "first":
            read = read[:, 0]
        elif config.tokens == "mean":
            read = np.stack([row[:n].mean(axis=0) for row, n in zip(read, LENGTHS, strict=True)])
        else:
            flat = np.zeros((len(read), config.length, read.shape[-1]))
            for row, (values, n) in enumerate(zip(read, LENGTHS, strict=True)):
                n = min(n, config.length)
                flat[row, :n] = values[:n]
            read = flat.reshape(len(read), -1)
    return read @ weights["dense.kernel"] + weights["dense.bias"]


FORMS = [
    {}, {"shared": False}, {"skip": True}, {"activation": "gelu_tanh"}, {"size": 0},
    {"pooling": "softmax"}, {"pooling": "mean"}, {"size": 0, "pooling": "softmax"},
    {"order": "pooling_first", "pooling": "softmax", "skip": True},
    {"order": "pooling_first", "pooling": "mean"}, {"order": "both"},
    {"order": "both", "shared": False, "skip": True},
]


@pytest.mark.parametrize("settings", FORMS, ids=str)
@pytest.mark.parametrize("tokens", ["mean", "first", "flatten", "every"])
def test_it_equals_numpy(encoded, settings, tokens):
    every_token = tokens == "every"
    own = {"size": 5} | settings
    if not every_token:
        own |= {"tokens": tokens, "length": 5}
    head = head_of(every_token, **own)
    assert np.allclose(head(encoded), expected(encoded, head), atol=2e-5)
    config = head.config
    counted = sum(int(np.prod(weight.shape)) for weight in head.named_weights().values())
    assert counted == config.parameter_count(WIDTH, STATES, OUTPUTS, every_token)


@pytest.mark.parametrize("length", [5, 7, 12])
def test_tokens_side_by_side_are_cut_and_padded_to_the_length(encoded, length):
    head = head_of(tokens="flatten", length=length, size=5)
    assert np.allclose(head(encoded), expected(encoded, head), atol=2e-5)


def test_the_pooled_output_may_count_as_a_state(encoded):
    head = head_of(pooled=True, tokens="first", pooling="softmax", size=0)
    assert np.allclose(head(encoded), expected(encoded, head), atol=2e-5)


def test_projected_states_are_read_from_both_sides(encoded):
    head = head_of(projected=4, size=5, skip=True)
    projection = random_matrix(WIDTH, 4)
    assert projection.var() == pytest.approx(1 / 4, rel=0.5)
    stored = dict(encoded, hidden_states=tuple(s @ projection for s in encoded["hidden_states"]))
    assert np.allclose(head(stored), expected(stored, head), atol=2e-5)
    assert np.allclose(head(encoded), head(stored), atol=2e-5)
    counted = sum(int(np.prod(weight.shape)) for weight in head.named_weights().values())
    assert counted == head.config.parameter_count(WIDTH, STATES, OUTPUTS)


@pytest.mark.parametrize("tokens", ["mean", "first", "flatten"])
def test_padding_has_no_influence(encoded, tokens):
    head = head_of(tokens=tokens, size=5, length=6)
    changed = dict(encoded, hidden_states=tuple(
        np.where(encoded["padding_mask"][:, :, None] == 1, state, 99.0)
        for state in encoded["hidden_states"]
    ))
    assert np.allclose(head(encoded), head(changed), atol=1e-5)


# BERTVision's tables: spans of BERT-large, then its heads on the first token's 26 states, then the
# heads that gave its GLUE numbers.
@pytest.mark.parametrize(
    ("count", "shape", "outputs", "settings"),
    [
        (414_952, LARGE, 2, {"size": 386}),
        (417_000, LARGE, 2, {"size": 386, "skip": True}),
        (68_802, LARGE, 2, {"size": 64}),
        (70_850, LARGE, 2, {"size": 64, "skip": True}),
        (9_910_552, LARGE, 2, {"size": 386, "shared": False}),
        (1_645_250, LARGE, 2, {"size": 64, "shared": False, "skip": True}),
        (2_076, LARGE, 2, {"size": 0, "pooling": "softmax"}),
        (398_498, LARGE, 2,
         {"size": 386, "pooling": "softmax", "order": "pooling_first", "skip": True}),
        (811_400, LARGE, 2, {"size": 386, "order": "both"}),
        (2_077, (1024, 26), 2, {"size": 0, "pooling": "softmax", "tokens": "first"}),
        (398_499, (1024, 26), 2, {"size": 386, "pooling": "softmax", "order": "pooling_first",
                                  "skip": True, "tokens": "first"}),
        (398_472, (1024, 26), 2, {"size": 386, "pooling": "mean", "order": "pooling_first",
                                  "skip": True, "tokens": "first"}),
        *[(count, shape, outputs, {"size": 128, "tokens": "flatten", "length": 128})
          for shape, counts in ((BASE, (311_425, 524_418, 737_411)),
                                (LARGE, (540_801, 950_402, 1_360_003)))
          for outputs, count in enumerate(counts, start=1)],
        (65_554, BASE, 2, {"size": 16, "tokens": "flatten", "length": 128}),
        (131_106, BASE, 2, {"size": 32, "tokens": "flatten", "length": 128}),
        (118_802, LARGE, 2, {"size": 16, "tokens": "flatten", "length": 128}),
        (237_602, LARGE, 2, {"size": 32, "tokens": "flatten", "length": 128}),
        (58_154, BASE, 2, {"size": 8, "tokens": "flatten", "length": 250}),
        (1_817_252, BASE, 2, {"size": 250, "tokens": "flatten", "length": 250}),
        (108_202, LARGE, 2, {"size": 8, "tokens": "flatten", "length": 250}),
        (3_381_252, LARGE, 2, {"size": 250, "tokens": "flatten", "length": 250}),
        (305_282, BASE, 2, {"size": 384}),
        (412_802, LARGE, 2, {"size": 384}),
    ],
)
def test_parameters_are_those_that_were_published(count, shape, outputs, settings):
    hidden_dim, states = shape
    every_token = "tokens" not in settings
    config = AdapterPoolerConfig(**settings)
    assert config.parameter_count(hidden_dim, states, outputs, every_token) == count
    head = AdapterPooler(config, outputs, hidden_dim, states, every_token=every_token)
    found = sum(int(np.prod(weight.shape)) for weight in head.named_weights().values())
    assert found == count


@pytest.mark.parametrize("settings", [*FORMS, {"tokens": "flatten", "length": 9}], ids=str)
def test_it_survives_saving_and_loading(encoded, settings, tmp_path):
    head = head_of(**{"size": 5} | settings)
    config = keras.saving.serialize_keras_object(head)
    again = keras.saving.deserialize_keras_object(config)
    assert again.config == head.config and again.get_config() == head.get_config()
    for (name, weight), (other, value) in zip(
        again.named_weights().items(), head.named_weights().items(), strict=True
    ):
        assert name == other
        weight.assign(value)
    assert np.array_equal(head(encoded), again(encoded))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0, "order": "pooling_first", "pooling": "mean"}, "needs a size above 0"),
        ({"order": "pooling_first"}, "needs pooling=softmax or pooling=mean"),
        ({"pooled": True}, "goes with tokens=first"),
        ({"order": "both", "pooling": "softmax"}, "leave pooling out"),
        ({"order": "both", "pooling": "mean"}, "leave pooling out"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        AdapterPoolerConfig(**settings)


# By name, on BERT-large: spans and texts by all 25 states, or the first token's with the pooled
# output.
@pytest.mark.parametrize(
    ("preset", "count"),
    [
        ("ap_glue", 950_402), ("ap_squad", 412_802), ("span_a386", 414_952),
        ("span_a386_skip", 417_000), ("span_a64", 68_802), ("span_a64_skip", 70_850),
        ("span_a386_unshared", 9_910_552), ("span_a64_unshared_skip", 1_645_250),
        ("span_lp", 2_076), ("span_lp_a386_skip", 398_498), ("span_a386_tenney", 811_400),
        ("tiny_tenney", 2_077), ("ap_tenney", 398_499), ("ap_mean", 398_472),
    ],
)
def test_published_heads_have_names(preset, count):
    config = read_head(f"adapter_pooler:preset={preset}")
    every_token = preset.startswith("span") or preset == "ap_squad"
    shape = SimpleNamespace(hidden_dim=1024, num_layers=24)
    head = config.build(2, shape, 0.0, every_token)
    assert sum(int(np.prod(w.shape)) for w in head.named_weights().values()) == count
    assert read_head(str(config)) == config


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_answers(encoded, preset):
    every_token = preset.startswith("span") or preset == "ap_squad"
    config = read_head(f"adapter_pooler:preset={preset}")
    head = config.build(2, SimpleNamespace(hidden_dim=WIDTH, num_layers=STATES - 1), 0.0,
                        every_token)
    assert head(encoded).shape == ((BATCH, TIME, 2) if every_token else (BATCH, 2))


def test_a_preset_is_a_beginning():
    config = read_head("adapter_pooler:size=8,preset=span_a386_skip")
    assert (config.size, config.skip, config.activation) == (8, True, "gelu_tanh")
    with pytest.raises(UserError, match="did you mean 'span_a64'"):
        read_head("adapter_pooler:preset=span_a46")
