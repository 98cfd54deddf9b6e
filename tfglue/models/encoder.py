"""BERT's encoder, with all hidden states and the pooled output."""

import keras
from keras import ops

from tfglue.models.dropout import Dropout
from tfglue.models.embeddings import BertEmbeddings
from tfglue.models.initialization import initialize_weights, kernel_initializer
from tfglue.models.layer import BertLayer
from tfglue.models.slots import NO_SLOTS

MASKED_SCORE = -1e9
"""Added to the scores of padding. The smallest float32 would become -inf in bfloat16, and a row
without any token NaN."""


@keras.saving.register_keras_serializable(package="tfglue")
class BertEncoder(keras.Model):
    """The encoder of BERT (Devlin et al. 2019, 3); all weights exist once it is constructed.

    Dropout is on exactly when `dropout_seed` is given. Keras's `training` flag plays no part: it
    could not say which masks to draw, and here a caller who wants dropout has to say it, so that
    resumed and replicated training draws the masks it should. Parts whose `trainable` is False
    (the embeddings, a layer) run without dropout even then; set it before a graph is traced.

    GELU is exact and kernels start from a truncated normal, as in `transformers` and in Google's
    code, in this order.

    Args:
        vocabulary_size: number of token ids.
        num_layers: number of layers.
        num_heads: attention heads per layer; divides `hidden_dim`.
        hidden_dim: width of the hidden states.
        intermediate_dim: width inside the feed-forward networks.
        dropout: rate on the embeddings and on the output of each sub-layer.
        attention_dropout: rate on the attention probabilities.
        max_sequence_length: longest input in tokens; the caller keeps to it.
        num_segments: number of segment ids.
        layer_norm_epsilon: added to the variance in every LayerNorm.
        activation: of the feed-forward networks; a name in `tfglue.models.activation.ACTIVATIONS`.
        initializer_range: standard deviation of initial kernels and embeddings.

    Raises:
        UserError: the heads do not divide `hidden_dim`, the activation is unknown, or a dropout
            rate is outside [0, 1).
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        layer_norm_epsilon: float = 1e-12,
        activation: str = "gelu",
        initializer_range: float = 0.02,
        dtype=None,
        **options,
    ):
        super().__init__(dtype=dtype, **options)
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.layer_norm_epsilon = layer_norm_epsilon
        self.activation = activation
        self.initializer_range = initializer_range

        self.embeddings = BertEmbeddings(
            vocabulary_size,
            hidden_dim,
            max_sequence_length,
            num_segments,
            dropout,
            layer_norm_epsilon,
            initializer_range,
            dropout_site=0,
            dtype=self.dtype_policy,
            name="embeddings",
        )
        self.encoder_layers = [
            BertLayer(
                num_heads,
                hidden_dim,
                intermediate_dim,
                dropout,
                attention_dropout,
                layer_norm_epsilon,
                activation,
                initializer_range,
                first_dropout_site=1 + index * BertLayer.num_dropout_sites,
                dtype=self.dtype_policy,
                name=f"layer_{index}",
            )
            for index in range(num_layers)
        ]
        self.pooler = keras.layers.Dense(
            hidden_dim,
            activation="tanh",
            kernel_initializer=kernel_initializer(initializer_range),
            dtype=self.dtype_policy,
            name="pooler",
        )
        self.pooler.build((None, hidden_dim))
        self.built = True

    @classmethod
    def from_preset(cls, name: str, seed: int = 0) -> "BertEncoder":
        """Returns the encoder that `tfglue.models.checkpoints.load_encoder` loads."""
        # Checkpoints know the encoder; the other way round only this shorthand does.
        from tfglue.models.checkpoints import load_encoder

        return load_encoder(name, seed).encoder

    def call(
        self, inputs, dropout_seed=None, pooled_only=False, adapter=None, perturb_words=None,
        first_token_states=False, observe_embeddings=None,
    ):
        """Encodes a batch.

        Args:
            inputs: dict of int32 (batch, time): `token_ids`; `segment_ids` (zeros if absent);
                `padding_mask`, 1 for tokens and 0 for padding (ones if absent).
            dropout_seed: int32 (2,), or None for no dropout.
            pooled_only: leave out the hidden states. The last layer then computes the first token
                alone, which spares most of its work.
            adapter: what a task adds, such as a `tfglue.adapters.Adapter`, or None. Its
                ``slots(layer_index, attention_mask, dropout_seed)`` says what goes into a layer;
                its ``top``, if not None, is called like a `BertLayer` and replaces the last
                hidden state.
            perturb_words: changes the word embeddings, see `BertEmbeddings.call`.
            first_token_states: return these as well, with `pooled_only` too.
            observe_embeddings: goes to `BertEmbeddings`; what its layers compute an adapter's slots
                can show.

        Returns:
            Dict of `hidden_states`, a tuple of num_layers + 1 tensors (batch, time, hidden_dim):
            the embeddings, then each layer's output; and `pooled_output` (batch, hidden_dim), a
            tanh layer on the first token. Hidden states are float32 in mixed precision too, the
            pooled output is in the compute dtype. If asked for, `first_token_states`
            (batch, num_layers + 1, hidden_dim): the first token's hidden states.
        """
        token_ids = inputs["token_ids"]
        segment_ids = inputs.get("segment_ids")
        if segment_ids is None:
            segment_ids = ops.zeros_like(token_ids)
        attention_mask = self._attention_mask(inputs.get("padding_mask"), token_ids)

        x = self.embeddings(
            token_ids, segment_ids, dropout_seed=self._seed_for(self.embeddings, dropout_seed),
            perturb_words=perturb_words,
            observe=observe_embeddings,
        )
        hidden_states = [x]
        adapter_seed = None if adapter is None else self._seed_for(adapter, dropout_seed)
        top = None if adapter is None else adapter.top
        for index, layer in enumerate(self.encoder_layers):
            last = layer is self.encoder_layers[-1]
            x = layer(
                x, attention_mask, dropout_seed=self._seed_for(layer, dropout_seed),
                first_token_only=pooled_only and last and top is None,
                slots=adapter.slots(index, attention_mask, adapter_seed) if adapter else NO_SLOTS,
            )
            hidden_states.append(x)
        if top is not None:
            x = hidden_states[-1] = top(
                x, attention_mask, dropout_seed=adapter_seed, first_token_only=pooled_only
            )
        encoded = {"pooled_output": self.pooler(x[:, 0, :])}
        if first_token_states:
            encoded["first_token_states"] = ops.stack([s[:, 0, :] for s in hidden_states], axis=1)
        return encoded if pooled_only else {"hidden_states": tuple(hidden_states)} | encoded

    def from_hidden_states(self, hidden_states):
        """What `call` returns, from hidden states that were computed before.

        ``stacked_hidden_states`` are what was given, for heads that read them so.

        Args:
            hidden_states: (batch, time, num_layers + 1, hidden_dim), of any float type. States of
                another width were projected, and have no pooled output.
        """
        # Slices that nobody reads are left out of the graph, unlike the parts of an unstacking.
        states = tuple(
            ops.cast(hidden_states[:, :, layer], "float32")
            for layer in range(hidden_states.shape[2])
        )
        encoded = {
            "hidden_states": states, "stacked_hidden_states": hidden_states,
        }
        if states[-1].shape[-1] != self.hidden_dim:
            return encoded
        first = ops.cast(hidden_states[:, 0, -1], "float32")
        return encoded | {"pooled_output": self.pooler(first)}

    def _attention_mask(self, padding_mask, token_ids):
        """(batch, 1, 1, time): 0 for tokens, `MASKED_SCORE` for padding, in the compute dtype."""
        if padding_mask is None:
            padding_mask = ops.ones_like(token_ids)
        masked = (1 - ops.cast(padding_mask, self.compute_dtype)) * MASKED_SCORE
        return masked[:, None, None, :]

    def _seed_for(self, part: keras.layers.Layer, dropout_seed):
        return dropout_seed if part.trainable else None

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names, such as ``layers.0.attention.query.kernel``.

        Files of weights use these names: they depend on no Keras layer name or position.
        """
        parts = {"embeddings": self.embeddings}
        parts |= {f"layers.{index}": layer for index, layer in enumerate(self.encoder_layers)}
        weights = {
            f"{prefix}.{name}": variable
            for prefix, part in parts.items()
            for name, variable in part.named_weights().items()
        }
        return weights | {"pooler.kernel": self.pooler.kernel, "pooler.bias": self.pooler.bias}

    def initialize(self, seed: int) -> None:
        """Draws all weights anew; the same seed gives the same encoder in any process."""
        initialize_weights(self.named_weights(), self.initializer_range, seed)

    def export_to_transformers(self, folder, tokenizer) -> None:
        """Writes the folder that `tfglue.models.hugging_face_export.export_encoder` writes."""
        # Like `from_preset`, a shorthand that looks up at what knows the encoder.
        from tfglue.models.hugging_face_export import export_encoder

        export_encoder(folder, self, tokenizer)

    def set_dropout(self, rate: float) -> None:
        """Sets every dropout rate, attention probabilities included; do so before tracing."""
        self.dropout = self.attention_dropout = rate
        for layer in self._flatten_layers():
            if isinstance(layer, Dropout):
                layer.rate = rate

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "activation": self.activation,
            "initializer_range": self.initializer_range,
        }
