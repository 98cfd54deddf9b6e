"""What a task adds to an encoder that it shares with others."""

from abc import ABC, abstractmethod
from dataclasses import asdict

import keras
from keras import ops

from tfglue.adapters.config import ADAPTERS, AdapterConfig
from tfglue.adapters.encoder_shape import EncoderShape
from tfglue.models.initialization import initialize_weights
from tfglue.models.parts import weights_of
from tfglue.models.slots import NO_SLOTS, Slots

_LAYER_SITE, _SITES_PER_LAYER = 2_000_000, 32
TOP_SITE = 3_000_000
"""First dropout site of what sits on top of the encoder."""


def layer_site(layer_index: int, number: int = 0) -> int:
    """Dropout site of an adapter's part, clear of encoders (from 0) and heads (from 1,000,000).

    It depends on the layer alone, so that choosing fewer layers leaves the others' masks alone.
    Tasks share sites: a batch is of one task, and its seed is no other batch's.
    """
    return _LAYER_SITE + layer_index * _SITES_PER_LAYER + number


class Adapter(keras.layers.Layer, ABC):
    """One task's own weights beside those of a shared encoder.

    It is no layer to be called: the encoder asks for `slots` of each layer, and for `top`. Neither
    knows the other's class. All weights exist once it is constructed. In mixed precision matrix
    products are in the compute dtype, residuals, softmax and LayerNorm in float32, as in the
    encoder.

    Subclasses make parts and put them into slots; see `tfglue.adapters.low_rank` for a short one.

    Args:
        config: settings.
        shape: of the encoder.
    """

    top = None
    """What replaces the last hidden state, called like a `BertLayer`; None for nothing."""

    zero_at_start: tuple[str, ...] = ()
    """Endings of the names of matrices that start at zero."""

    def __init__(self, config: AdapterConfig, shape: EncoderShape, **options):
        super().__init__(autocast=False, **options)
        self.config = config
        self.shape = shape
        self.layer_indices = config.layer_indices(shape.num_layers)
        self.parts = self.make_parts()
        self.built = True
        self.initialize(config.name, seed=0)

    @abstractmethod
    def make_parts(self) -> dict[str, keras.layers.Layer]:
        """All layers that hold weights, by the stable prefix of their weights' names.

        What belongs to one layer of the encoder is ``layers.<index>.<name>``.
        """

    def part(self, layer_index: int, name: str) -> keras.layers.Layer:
        """What `make_parts` made for a layer."""
        return self.parts[f"layers.{layer_index}.{name}"]

    def slots(self, layer_index: int, attention_mask, dropout_seed) -> Slots:
        """What goes into a layer of the encoder for one batch.

        Args:
            layer_index: from 0.
            attention_mask: (batch, 1, 1, time), as in `BertLayer`.
            dropout_seed: int32 (2,), or None for no dropout.
        """
        if layer_index not in self.layer_indices:
            return NO_SLOTS
        return self.fill(layer_index, attention_mask, dropout_seed)

    def fill(self, layer_index: int, attention_mask, dropout_seed) -> Slots:
        """`slots` of a layer that the adapter has parts in; what sits on top has none."""
        return NO_SLOTS

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of(self.parts)

    def initialize(self, task: str, seed: int) -> None:
        """Draws all weights anew; seed, task and name decide, so that tasks start different.

        Gamma starts at one and beta at zero. The PALs code draws both from N(0, 0.02), which
        leaves a LayerNorm on top of the encoder with next to no signal.
        """
        weights = self.named_weights()
        initialize_weights(
            {f"adapters.{task}.{name}": weight for name, weight in weights.items()},
            self.config.initial_stddev(self.shape),
            seed,
        )
        for name, weight in weights.items():
            if name.endswith(self.zero_at_start):
                weight.assign(ops.zeros_like(weight))

    def get_config(self):
        return super().get_config() | {
            "config": {"adapter": self.config.name} | asdict(self.config),
            "shape": asdict(self.shape),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        settings = dict(config.pop("config"))
        return cls(
            ADAPTERS.get(settings.pop("adapter"))(**settings),
            EncoderShape(**config.pop("shape")),
            **config,
        )
