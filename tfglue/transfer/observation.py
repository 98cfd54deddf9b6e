"""A forward pass that notes what the encoder computes on its way, so that gradients can be had."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import tensorflow as tf

from tfglue.models.slots import NO_SLOTS, Slots
from tfglue.models.transfer_model import TransferModel
from tfglue.transfer.components import CLS, attention_output, layer_output


@dataclass(frozen=True)
class Observation:
    """What one forward pass computed.

    Args:
        logits: of the task's head.
        activations: component -> (batch, time, hidden_dim); the pooled output is (batch,
            hidden_dim), and there only if the head reads it.
        maps: stable name of a linear map or LayerNorm, such as ``layers.0.attention.query`` -> its
            input and its result, both (batch, time, dim).
        inputs: token_ids and segment_ids, (batch, time).
    """

    logits: tf.Tensor
    activations: Mapping[str, tf.Tensor]
    maps: Mapping[str, tuple[tf.Tensor, tf.Tensor]]
    inputs: Mapping[str, tf.Tensor]


def observe(
    model: TransferModel, task: str, inputs: Mapping[str, tf.Tensor], watch: Callable
) -> Observation:
    """Runs a model without dropout, all tokens of all layers.

    Args:
        model: encoder, heads and adapters.
        task: whose head and adapter.
        inputs: as in `TransferModel.call`, without stored states.
        watch: called with every tensor that gradients may be asked for, once it is there, such as
            `tf.GradientTape.watch`.
    """
    activations: dict[str, tf.Tensor] = {}
    maps: dict[str, tuple[tf.Tensor, tf.Tensor]] = {}

    def note(place: str, name: str, x: tf.Tensor, result: tf.Tensor) -> None:
        watch(result)
        maps[f"{place}.{name}"] = (x, result)

    encoded = model.encoder(
        inputs, adapter=_Observer(model.adapters.get(task), note),
        observe_embeddings=partial(note, "embeddings"),
    )
    for layer in range(model.encoder.num_layers):
        activations[attention_output(layer)], _ = maps[f"layers.{layer}.attention.output"]
    for layer, states in enumerate(encoded["hidden_states"][1:]):
        activations[layer_output(layer)] = states
    head = model.heads[task]
    if head.reads_pooled_output:
        activations[CLS] = encoded["pooled_output"]
    logits = head(encoded | {"padding_mask": inputs["padding_mask"]}, None)
    return Observation(logits, activations, maps, inputs)


class _Observer:
    """Stands for an adapter, or for none, and shows what the encoder's layers compute."""

    trainable = False

    def __init__(self, adapter: Any, note: Callable):
        self.adapter = adapter
        self.note = note
        self.top = None if adapter is None else adapter.top

    def slots(self, layer_index: int, attention_mask, dropout_seed) -> Slots:
        own = NO_SLOTS
        if self.adapter is not None:
            own = self.adapter.slots(layer_index, attention_mask, dropout_seed)

        return replace(own, observe=partial(self.note, f"layers.{layer_index}"))
