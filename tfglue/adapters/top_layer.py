"""Top BERT layer: a task's own layer on top of the encoder."""

from dataclasses import dataclass

import keras

from tfglue.adapters.adapter import TOP_SITE, Adapter
from tfglue.adapters.config import ADAPTERS, AdapterConfig
from tfglue.models.layer import BertLayer


@dataclass(frozen=True)
class TopLayerConfig(AdapterConfig):
    """One BERT layer for each task (Stickland and Murray 2019, 3.3), of the encoder's own sizes.

    The PALs code promises a ``top_bert_layer_config.json`` and lacks it; ours sets its keys.
    """

    name = "top_layer"
    start = "perturbed"

    def build(self, shape, **options):
        return TopLayer(self, shape, **options)

    def parameter_count(self, shape):
        hidden_dim, intermediate_dim = shape.hidden_dim, shape.intermediate_dim
        attention = 4 * (hidden_dim**2 + hidden_dim)
        feed_forward = 2 * hidden_dim * intermediate_dim + intermediate_dim + hidden_dim
        return attention + feed_forward + 4 * hidden_dim


@keras.saving.register_keras_serializable(package="tfglue")
class TopLayer(Adapter):
    """Replaces the last hidden state by one more layer's output; its weights start at random."""

    def make_parts(self):
        shape = self.shape
        layer = BertLayer(
            shape.num_heads, shape.hidden_dim, shape.intermediate_dim, shape.dropout,
            shape.attention_dropout, shape.layer_norm_epsilon, shape.activation,
            shape.initializer_range, TOP_SITE, dtype=self.dtype_policy, name="top",
        )
        return {"top": layer}

    @property
    def top(self):
        """The layer."""
        return self.parts["top"]


ADAPTERS.add(TopLayerConfig.name, TopLayerConfig)
