"""BERT's input: word, position and segment embeddings, summed and normalised."""

import keras
from keras import ops

from tfglue.models.dropout import Dropout
from tfglue.models.initialization import kernel_initializer
from tfglue.models.parts import layer_norm


@keras.saving.register_keras_serializable(package="tfglue")
class BertEmbeddings(keras.layers.Layer):
    """Sum of word, position and segment embeddings, LayerNorm, dropout (Devlin et al. 2019, 3).

    The sum and LayerNorm run in the dtype of the variables, so under `mixed_bfloat16` only the
    output is rounded and no table is cast.

    Args:
        vocabulary_size: rows of the word table.
        hidden_dim: width of every table.
        max_sequence_length: rows of the position table; longer input is the caller's error.
        num_segments: rows of the segment table.
        dropout: rate on the output.
        layer_norm_epsilon: added to the variance.
        initializer_range: standard deviation of the tables' truncated normal.
        dropout_site: the site of the dropout.
    """

    def __init__(
        self,
        vocabulary_size: int,
        hidden_dim: int,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        dropout: float = 0.1,
        layer_norm_epsilon: float = 1e-12,
        initializer_range: float = 0.02,
        dropout_site: int = 0,
        **options,
    ):
        super().__init__(**options)
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.layer_norm_epsilon = layer_norm_epsilon
        self.initializer_range = initializer_range

        self.word = self._table("word", vocabulary_size)
        self.position = self._table("position", max_sequence_length)
        self.segment = self._table("segment", num_segments)
        self.layer_norm = layer_norm(
            "layer_norm", hidden_dim, layer_norm_epsilon, self.variable_dtype
        )
        self.dropout = Dropout(dropout, dropout_site)
        self.built = True

    def call(
        self, token_ids, segment_ids, dropout_seed=None, perturb_words=None, observe=None
    ):
        """Embeds ids.

        Args:
            token_ids: int32 (batch, time).
            segment_ids: int32 (batch, time).
            dropout_seed: int32 (2,), or None for no dropout.
            perturb_words: maps the word embeddings (batch, time, hidden_dim), before position and
                segment are added, to what stands in for them; None leaves them.
            observe: called with the name, the input and the result of the LayerNorm, or None; as in
                `tfglue.models.slots.Slots`.

        Returns:
            (batch, time, hidden_dim), float32 in mixed precision too.
        """
        length = ops.shape(token_ids)[1]
        embedded = ops.take(self.word, token_ids, axis=0)
        if perturb_words is not None:
            embedded = perturb_words(embedded)
        embedded = embedded + ops.take(self.segment, segment_ids, axis=0)
        embedded = embedded + ops.convert_to_tensor(self.position)[:length]
        normalized = self.layer_norm(embedded)
        if observe:
            observe("layer_norm", embedded, normalized)
        return self.dropout(normalized, seed=dropout_seed)

    def _table(self, name: str, rows: int) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(rows, self.hidden_dim),
            initializer=kernel_initializer(self.initializer_range),
            autocast=False,
        )

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return {
            "word": self.word,
            "position": self.position,
            "segment": self.segment,
            "layer_norm.gamma": self.layer_norm.gamma,
            "layer_norm.beta": self.layer_norm.beta,
        }

    def get_config(self):
        return super().get_config() | {
            "vocabulary_size": self.vocabulary_size,
            "hidden_dim": self.hidden_dim,
            "max_sequence_length": self.max_sequence_length,
            "num_segments": self.num_segments,
            "dropout": self.dropout.rate,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "initializer_range": self.initializer_range,
            "dropout_site": self.dropout.site,
        }
