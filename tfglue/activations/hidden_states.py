"""What a frozen encoder computes for rows."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tfglue.data.batches import MODEL_INPUTS, free_sizes, padded_batch
from tfglue.data.features import Features
from tfglue.models.encoder import BertEncoder
from tfglue.models.random_projection import RandomProjection


class HiddenStates:
    """Chosen hidden states of an encoder in float32, without dropout, compiled once.

    Args:
        encoder: runs as it is when called.
        layers: which states; 0 is the embeddings, n the output of layer n.
        first_token_only: leave out those of all other tokens.
        projected_to: units that a fixed random map makes of them; None for as they are.
    """

    def __init__(
        self,
        encoder: BertEncoder,
        layers: Sequence[int],
        first_token_only: bool = False,
        projected_to: int | None = None,
    ):
        self.encoder = encoder
        self.layers = tuple(layers)
        self.first_token_only = first_token_only
        self._projection = None
        if projected_to is not None:
            self._projection = RandomProjection(encoder.hidden_dim, projected_to)
        self._compiled = None

    def __call__(self, features: Features, rows: np.ndarray) -> np.ndarray:
        """States of the rows as one padded batch, float32 (rows, time, layers, hidden_dim)."""
        batch = padded_batch(features, rows)
        inputs = {name: batch[name] for name in MODEL_INPUTS}
        if self._compiled is None:
            self._compiled = tf.function(
                self._forward, input_signature=[free_sizes(inputs)], autograph=False
            )
        return self._compiled(inputs).numpy()

    def _forward(self, inputs):
        hidden_states = self.encoder(inputs)["hidden_states"]
        chosen = tf.stack([hidden_states[layer] for layer in self.layers], axis=2)
        chosen = chosen[:, :1] if self.first_token_only else chosen
        return chosen if self._projection is None else self._projection(chosen)
