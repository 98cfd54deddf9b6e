"""Convolutional heads against NumPy, and their parameters against those that were published."""

import keras
import numpy as np
import pytest

from tests.reference import numpy_convolution as reference
from tests.training.small_model import small_features, small_model, small_step, values
from tfglue.data.batches import padded_batch
from tfglue.errors import UserError
from tfglue.models.head_config import read_head
from tfglue.models.initialization import initialize_weights
from tfglue.models.layer_convolution import LayerConvolution, LayerConvolutionConfig
from tfglue.training.checkpoint import CheckpointFolder
from tfglue.training.seeds import dropout_seed
from tfglue.training.state import TrainingState

BATCH, STATES, WIDTH, OUTPUTS = 5, 4, 25, 3


@pytest.fixture
def encoded():
    random = np.random.default_rng(0)
    states = random.normal(size=(STATES, BATCH, 2, WIDTH)).astype(np.float32)
    pooled = random.normal(size=(BATCH, WIDTH)).astype(np.float32)
    return {"hidden_states": tuple(states), "pooled_output": pooled}


def head_of(**settings):
    head = LayerConvolution(LayerConvolutionConfig(**settings), OUTPUTS, WIDTH, STATES)
    initialize_weights(head.named_weights(), 0.5, seed=1)
    for name, weight in head.named_weights().items():
        if "norm" in name:  # So that a missing one shows.
            spread = np.linspace(0.5, 1.5, weight.shape[0])
            weight.assign(spread if name.endswith(("gamma", "variance")) else spread - 1)
    return head


class Expected:
    """The networks from the paper's figures, with the weights of a head."""

    def __init__(self, head, encoded, training):
        self.weights = {n: w.numpy().astype(np.float64) for n, w in head.named_weights().items()}
        self.training = training
        states = [encoded["pooled_output"], *(s[:, 0] for s in encoded["hidden_states"])]
        self.image = np.stack(states, axis=2).astype(np.float64)

    def norm(self, name, image):
        own = {k: self.weights[f"{name}.norm.{k}"]
               for k in ("gamma", "beta", "moving_mean", "moving_variance")}
        if self.training:
            own["moving_mean"] = image.mean(axis=(0, 1))
            own["moving_variance"] = image.var(axis=(0, 1))
        return reference.normalised(image, *own.values())

    def plain(self, name, image, strides=1, padding="valid"):
        filters = self.weights[f"{name}.filters"]
        return self.norm(name, reference.convolved(image, filters, strides, padding))

    def separable(self, name, image):
        own = (self.weights[f"{name}.{part}.filters"] for part in ("depthwise", "pointwise"))
        return self.norm(name, reference.separable(image, *own))

    def narrowing(self, name, image, relu=True):
        inner = self.separable(f"{name}.0", np.maximum(image, 0) if relu else image)
        inner = self.separable(f"{name}.1", np.maximum(inner, 0))
        beside = self.plain(f"{name}.short_cut", image, 2, "same")
        return reference.pooled(inner, "max") + beside

    def short(self):
        image = np.maximum(self.plain("stem.0", self.image, 3), 0)
        image = np.maximum(self.plain("stem.1", image), 0)
        inner = np.maximum(self.separable("block.0", image), 0)
        inner = reference.pooled(self.separable("block.1", inner), "mean")
        return inner + self.plain("block.short_cut", image, 2, "same")

    def full(self):
        image = np.maximum(self.plain("stem.0", self.image, 2), 0)
        image = np.maximum(self.plain("stem.1", image), 0)
        image = self.narrowing("entry.0", image, relu=False)
        image = self.narrowing("entry.1", image)
        image = self.narrowing("entry.2", image)
        for block in range(8):
            inner = image
            for number in range(3):
                inner = self.separable(f"middle.{block}.{number}", np.maximum(inner, 0))
            image = image + inner
        image = self.narrowing("exit.0", image)
        image = np.maximum(self.separable("exit.1", image), 0)
        return np.maximum(self.separable("exit.2", image), 0)

    def logits(self, skip):
        read = (self.short() if "block.0.norm.gamma" in self.weights else self.full()).mean(axis=1)
        if skip:
            read = np.concatenate([read, self.image[:, :, -1]], axis=-1)
        return read @ self.weights["dense.kernel"] + self.weights["dense.bias"]


@pytest.mark.parametrize("training", [False, True], ids=["running", "batch"])
@pytest.mark.parametrize("settings", [{}, {"skip": True}, {"depth": "full"}], ids=str)
def test_it_equals_numpy(encoded, settings, training):
    head = head_of(**settings)
    expected = Expected(head, encoded, training).logits(head.config.skip)
    found = head(encoded, dropout_seed=np.array([1, 2], np.int32) if training else None)
    assert np.allclose(found, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def test_running_means_follow_batches_that_are_trained_on(encoded):
    head = head_of(momentum=0.75)
    name = "stem.0.norm.moving_mean"
    before = head.named_weights()[name].numpy()
    head(encoded)
    assert np.array_equal(head.named_weights()[name].numpy(), before)
    head(encoded, dropout_seed=np.array([1, 2], np.int32))
    image = Expected(head, encoded, True).image
    filters = head.named_weights()["stem.0.filters"].numpy()
    own = reference.convolved(image, filters, 3).mean(axis=(0, 1))
    assert np.allclose(head.named_weights()[name], 0.75 * before + 0.25 * own, atol=1e-5)


@pytest.mark.parametrize(
    ("preset", "count", "trained"),
    [("xception_short", 267_010, 264_066), ("xception_short_skip", 269_058, 266_114),
     ("xception", 20_716_634, 20_662_106)],
)
def test_parameters_are_those_published(preset, count, trained):
    config = read_head(f"convolution:preset={preset}")
    head = LayerConvolution(config, 2, 1024, 25)  # With the pooled output 26 states.
    sizes = {n: int(np.prod(w.shape)) for n, w in head.named_weights().items()}
    assert sum(sizes.values()) == head.count_params() == count
    assert sum(size for n, size in sizes.items() if head.named_weights()[n].trainable) == trained


@pytest.mark.slow
def test_going_on_from_a_checkpoint_keeps_the_running_means(tmp_path):
    batch = padded_batch(small_features("nli"), np.arange(16))
    checkpoints = CheckpointFolder(tmp_path / "checkpoint")

    model = small_model()
    model.heads["nli"] = LayerConvolution(LayerConvolutionConfig(), 3, 16, 3, dropout=0.1)
    initialize_weights(model.heads["nli"].named_weights(), 0.2, seed=4)
    step = small_step(model, "adamw", learning_rate=1e-2)
    state = TrainingState(model.changing_weights(), step.optimizer, None)
    start = values(model)

    def train(updates):
        for update in updates:
            step("nli", [batch], 16, [dropout_seed(0, update, 0)])

    train(range(4))
    state.save(checkpoints)
    train(range(4, 8))
    whole = values(model)
    # What a checkpoint leaves out would stay as it is after eight steps.
    assert state.restore(checkpoints)
    train(range(4, 8))
    after, moved = values(model), "heads.nli.stem.0.norm.moving_mean"
    assert not np.array_equal(after[moved], start[moved])
    for name, value in whole.items():
        np.testing.assert_array_equal(after[name], value, name)


def test_it_is_saved_and_loaded(encoded, tmp_path):
    head = head_of(skip=True)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(head))
    for name, weight in again.named_weights().items():
        weight.assign(head.named_weights()[name])
    assert again.config == head.config
    assert np.array_equal(again(encoded), head(encoded))


@pytest.mark.parametrize(
    ("text", "message"),
    [("convolution:preset=xeption", "did you mean 'xception'"),
     ("convolution:depth=deep", "unknown value 'deep'"),
     ("linear:preset=x", "it has none")],
)
def test_mistakes(text, message):
    with pytest.raises(UserError, match=message):
        read_head(text)


def test_it_answers_texts_alone():
    class Encoder:
        num_layers, hidden_dim = 3, 25

    with pytest.raises(UserError, match="answers texts"):
        LayerConvolutionConfig().build(2, Encoder, 0.0, every_token=True)
