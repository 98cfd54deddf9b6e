"""What the model computes in: float32 always, but for training steps that ask for bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from tfglue.models.layer_projection import LayerProjection
from tfglue.models.transfer_model import TransferModel


@contextmanager
def precision(model: TransferModel, policy: str) -> Iterator[None]:
    """Calls of `model` traced inside compute as `policy` says; its variables stay float32.

    One set of layers thus serves a bfloat16 training step and float32 evaluation. Heads are float32
    always, but for those maps of theirs that read the states of all layers.
    """
    norms = keras.layers.LayerNormalization  # Float32 always, whatever surrounds them.
    layers = [
        layer
        for part in (model.encoder, *model.adapters.values())
        for layer in part._flatten_layers()
        if not isinstance(layer, norms)
    ]
    layers += [
        layer
        for head in model.heads.values()
        for layer in head._flatten_layers()
        if isinstance(layer, LayerProjection)
    ]
    before = [layer.dtype_policy for layer in layers]
    for layer in layers:
        layer.dtype_policy = policy
    try:
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            layer.dtype_policy = old
