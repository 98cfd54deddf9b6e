"""Convolutions over the first token's hidden states (BERTVision's classification heads)."""

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from tfglue.errors import UserError
from tfglue.flags import setting
from tfglue.models.dropout import Dropout
from tfglue.models.head_config import HEADS, HeadConfig
from tfglue.models.heads import HEAD_DROPOUT_SITE
from tfglue.models.parts import weights_of

DEPTHS = ("short", "full")
PRESETS: dict[str, dict[str, Any]] = {
    "xception": {"depth": "full"},
    "xception_short": {"depth": "short"},
    "xception_short_skip": {"depth": "short", "skip": True},
}
"""BERTVision's convolutional heads of texts, by name."""

_MIDDLE_BLOCKS = 8


@dataclass(frozen=True)
class LayerConvolutionConfig(HeadConfig):
    """Settings of a `LayerConvolution`; see there for what they mean."""

    name = "convolution"
    all_layers = True
    presets = PRESETS

    depth: str = setting("short", "the small network or Xception", choices=DEPTHS)
    skip: bool = setting(False, "append the last layer's state", kind=bool)
    momentum: float = setting(0.9, "share of the old in a running mean", kind=float, least=0.0,
                              most=0.999)

    def all_tokens(self, every_token):
        return False

    def build(self, num_outputs, encoder, dropout, every_token):
        if every_token:
            raise UserError(
                f"--head {self.name} reads the first token, so it answers texts; for spans and "
                "tags use linear or adapter_pooler"
            )
        states = encoder.num_layers + 1
        return LayerConvolution(self, num_outputs, encoder.hidden_dim, states, dropout)


@keras.saving.register_keras_serializable(package="tfglue")
class LayerConvolution(keras.layers.Layer):
    """Logits from an image of the first token: its units in a row, its states as channels.

    The channels are the pooled output, the embeddings and every layer's output. Convolutions run
    along the units, three of them wide. ``short`` is BERTVision's abbreviated Xception: two plain
    convolutions, then two separable ones beside a short cut. ``full`` is Xception (Chollet 2017,
    figure 5) with all its kernels three wide. Then the mean over what is left of the units, with
    `skip` the last layer's state beside it, and a linear layer. No convolution has a bias; batch
    normalisation follows each.

    Differs from the published code: running means keep 0.9 of their old value, not 0.99, which
    needs some 500 updates before scores mean anything (``momentum=0.99`` is as published).

    Args:
        config: settings.
        num_outputs: classes, or 1 for a score.
        hidden_dim: width of the states.
        num_states: how many states there are, the embeddings' among them.
        dropout: rate before the linear layer.
    """

    tied = False
    pooled_only = False
    reads_pooled_output = True
    every_token = False

    def __init__(
        self,
        config: LayerConvolutionConfig,
        num_outputs: int,
        hidden_dim: int,
        num_states: int,
        dropout: float = 0.0,
        **options,
    ):
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self.config = config
        self.num_outputs = num_outputs
        self.hidden_dim = hidden_dim
        self.num_states = num_states
        self._made: dict[str, keras.layers.Layer] = {}
        make = self._short if config.depth == "short" else self._xception
        # A run over a symbol makes every layer, with the widths that it will have.
        image = keras.KerasTensor((None, hidden_dim, num_states + 1))
        width = make(image, training=False).shape[-1]
        self.dropout = Dropout(dropout, HEAD_DROPOUT_SITE)
        self.dense = keras.layers.Dense(num_outputs, dtype=self.dtype_policy, name="dense")
        self.dense.build((None, width + config.skip * hidden_dim))
        self.built = True

    def call(self, encoded, dropout_seed=None):
        """Maps what the encoder gives to logits.

        Args:
            encoded: ``hidden_states``, a tuple of (batch, time, hidden_dim), and ``pooled_output``.
            dropout_seed: int32 (2,); when it is given, the batch's own means normalise it.

        Returns:
            (batch, num_outputs).
        """
        states = [encoded["pooled_output"], *(s[:, 0] for s in encoded["hidden_states"])]
        image = ops.stack([ops.cast(state, "float32") for state in states], axis=2)
        network = self._short if self.config.depth == "short" else self._xception
        read = network(image, dropout_seed is not None)
        if self.config.skip:
            read = ops.concatenate([read, image[:, :, -1]], axis=-1)
        return self.dense(self.dropout(read, seed=dropout_seed))

    def _short(self, image, training: bool):
        run = _Network(self._made, self.config.momentum, training)
        image = run.plain("stem.0", image, 64, strides=3)
        image = ops.relu(run.plain("stem.1", ops.relu(image), 128))
        beside = run.plain("block.short_cut", image, 512, width=1, strides=2)
        image = ops.relu(run.separable("block.0", image, 256))
        image = run.separable("block.1", image, 512)
        image = ops.average_pool(image, 3, 2, "same") + beside
        return ops.mean(image, axis=1)

    def _xception(self, image, training: bool):
        run = _Network(self._made, self.config.momentum, training)
        image = ops.relu(run.plain("stem.0", image, 32, strides=2))
        image = ops.relu(run.plain("stem.1", image, 64))
        for name, channels in (("entry.0", (128, 128)), ("entry.1", (256, 256)),
                               ("entry.2", (728, 728))):
            image = self._narrowing(run, name, image, channels, first_relu=name != "entry.0")
        for block in range(_MIDDLE_BLOCKS):
            before = image
            for number in range(3):
                image = run.separable(f"middle.{block}.{number}", ops.relu(image), 728)
            image = image + before
        image = self._narrowing(run, "exit.0", image, (728, 1024), first_relu=True)
        image = ops.relu(run.separable("exit.1", image, 1536))
        image = ops.relu(run.separable("exit.2", image, 2048))
        return ops.mean(image, axis=1)

    def _narrowing(self, run, name: str, image, channels: tuple[int, int], first_relu: bool):
        """Two separable convolutions and a maximum of three, every second unit kept."""
        beside = run.plain(f"{name}.short_cut", image, channels[1], width=1, strides=2)
        image = run.separable(f"{name}.0", ops.relu(image) if first_relu else image, channels[0])
        image = run.separable(f"{name}.1", ops.relu(image), channels[1])
        return ops.max_pool(image, 3, 2, "same") + beside

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        named = {}
        for name, part in self._made.items():
            if isinstance(part, keras.layers.BatchNormalization):
                own = {"gamma": part.gamma, "beta": part.beta,
                       "moving_mean": part.moving_mean, "moving_variance": part.moving_variance}
            elif isinstance(part, keras.layers.SeparableConv1D):
                own = {"depthwise.filters": part.depthwise_kernel,
                       "pointwise.filters": part.pointwise_kernel}
            else:
                own = {"filters": part.kernel}
            named |= {f"{name}.{key}": weight for key, weight in own.items()}
        return named | weights_of({"dense": self.dense})

    def get_config(self):
        return super().get_config() | {
            "config": asdict(self.config),
            "num_outputs": self.num_outputs,
            "hidden_dim": self.hidden_dim,
            "num_states": self.num_states,
            "dropout": self.dropout.rate,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        return cls(LayerConvolutionConfig(**config.pop("config")), **config)


class _Network:
    """One pass through named convolutions, each made when it is first met.

    Args:
        made: name -> layer; what is missing is added.
        momentum: of the running means.
        training: whether the batch's own means are used, and the running ones follow.
    """

    def __init__(self, made: dict[str, keras.layers.Layer], momentum: float, training: bool):
        self.made = made
        self.momentum = momentum
        self.training = training

    def plain(self, name: str, image, channels: int, width: int = 3, strides: int = 1):
        """A convolution and its batch normalisation; only the 1-wide ones keep the edges."""
        own = {"strides": strides, "padding": "same" if width == 1 else "valid"}
        make = keras.layers.Conv1D
        return self._normalised(name, image, lambda: make(channels, width, use_bias=False, **own))

    def separable(self, name: str, image, channels: int):
        """A depthwise, then a pointwise convolution, and their batch normalisation."""
        make = keras.layers.SeparableConv1D
        return self._normalised(
            name, image, lambda: make(channels, 3, padding="same", use_bias=False)
        )

    def _normalised(self, name: str, image, make):
        norm = f"{name}.norm"
        if name not in self.made:
            layer = self.made[name] = make()
            layer.build(image.shape)
            layer_norm = keras.layers.BatchNormalization(momentum=self.momentum)
            layer_norm.build(layer.compute_output_shape(image.shape))
            self.made[norm] = layer_norm
        return self.made[norm](self.made[name](image), training=self.training)


HEADS.add(LayerConvolutionConfig.name, LayerConvolutionConfig)
