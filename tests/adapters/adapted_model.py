"""Small encoders and models with any adapter, and inputs for them."""

from dataclasses import replace

import keras
import numpy as np

from tests.training.small_model import small_model
from tfglue.adapters import ADAPTERS, Adapter, AdapterConfig, EncoderShape, read_adapter
from tfglue.models.encoder import BertEncoder
from tfglue.models.transfer_model import TransferModel

NAMES = list(ADAPTERS)

# Narrow enough for an encoder of width 16; an adapter that is not here has its own defaults.
SMALL = {
    "pal": "pal:size=12,heads=3",
    "low_rank": "low_rank:size=5",
    "houlsby": "houlsby:size=5",
    "houlsby_pal": "houlsby_pal:size=12,heads=3,low_rank_size=5",
    "bottleneck": "bottleneck:size=6",
    "parallel": "parallel:size=6",
    "top_attention": "top_attention:size=12,heads=3,blocks=2",
    "lora": "lora:rank=3,alpha=6",
}
PADDING_MASK = (np.arange(9) < np.array([[9], [4], [1], [7]])).astype(np.int32)
BATCH = {
    "token_ids": np.random.default_rng(0).integers(1, 50, PADDING_MASK.shape).astype(np.int32),
    "segment_ids": np.zeros_like(PADDING_MASK),
    "padding_mask": PADDING_MASK,
}
SEED = np.array([1, 2], np.int32)


def small_config(name: str, **settings) -> AdapterConfig:
    """Settings of the named adapter for a small encoder."""
    return replace(read_adapter(SMALL.get(name, name)), **settings)


def small_encoder(**options) -> BertEncoder:
    """Two layers of width 16."""
    encoder = BertEncoder(
        **{"vocabulary_size": 50, "num_layers": 2, "num_heads": 2, "hidden_dim": 16}
        | {"intermediate_dim": 24, "max_sequence_length": 24, "initializer_range": 0.2}
        | options
    )
    encoder.initialize(seed=3)
    return encoder


def small_adapter(encoder: BertEncoder, config: AdapterConfig | str, **options) -> Adapter:
    """A new adapter for `encoder`, of settings or by name."""
    config = small_config(config) if isinstance(config, str) else config
    return config.build(EncoderShape.of(encoder), **options)


def stirred(adapter: Adapter) -> Adapter:
    """The adapter with no weight at zero or one, as training leaves it."""
    random = np.random.default_rng(5)
    for weight in adapter.named_weights().values():
        weight.assign(random.normal(0.1, 0.4, weight.shape))
    return adapter


def adapted_model(name: str, dropout: float = 0.0) -> TransferModel:
    """The small model of the training tests, its first two tasks with adapters of their own."""
    plain = small_model(dropout)
    adapters = {task: small_adapter(plain.encoder, name) for task in ("nli", "sim")}
    for task, adapter in adapters.items():
        adapter.initialize(task, seed=0)
    return TransferModel(plain.encoder, plain.heads, adapters)


def values_of(layer: keras.layers.Layer) -> dict[str, np.ndarray]:
    """Copies of a layer's weights by our names."""
    return {name: weight.numpy() for name, weight in layer.named_weights().items()}
