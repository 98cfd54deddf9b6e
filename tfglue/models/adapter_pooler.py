"""AdapterPooler: a head that reads the hidden states of all layers (BERTVision)."""

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

from tfglue.errors import UserError
from tfglue.flags import setting
from tfglue.models.activation import ACTIVATIONS
from tfglue.models.dropout import Dropout
from tfglue.models.head_config import HEADS, HeadConfig
from tfglue.models.heads import HEAD_DROPOUT_SITE
from tfglue.models.layer_pooling import POOLINGS, LayerPooling
from tfglue.models.layer_projection import LayerProjection
from tfglue.models.parts import weights_of
from tfglue.models.random_projection import RandomProjection

ORDERS = ("projection_first", "pooling_first", "both")
TOKENS = ("mean", "first", "flatten")


_SPAN = {"activation": "gelu_tanh"}
_FIRST = {"tokens": "first", "pooled": True, "activation": "gelu_tanh"}
_TENNEY = {"size": 386, "pooling": "softmax", "order": "pooling_first", "skip": True}

PRESETS: dict[str, dict[str, Any]] = {
    "ap_glue": {"size": 128, "tokens": "flatten", "length": 128},
    "ap_squad": {"size": 384},
    "span_a386": {"size": 386, **_SPAN},
    "span_a386_skip": {"size": 386, "skip": True, **_SPAN},
    "span_a64": {"size": 64, **_SPAN},
    "span_a64_skip": {"size": 64, "skip": True, **_SPAN},
    "span_a386_unshared": {"size": 386, "shared": False, **_SPAN},
    "span_a386_unshared_skip": {"size": 386, "shared": False, "skip": True, **_SPAN},
    "span_a64_unshared": {"size": 64, "shared": False, **_SPAN},
    "span_a64_unshared_skip": {"size": 64, "shared": False, "skip": True, **_SPAN},
    "span_lp": {"size": 0, "pooling": "softmax"},
    "span_mean": {"size": 0, "pooling": "mean"},
    "span_lp_a386_skip": {**_TENNEY, **_SPAN},
    "span_a386_tenney": {"size": 386, "order": "both", **_SPAN},
    "tiny_tenney": {"size": 0, "pooling": "softmax", **_FIRST},
    "ap_tenney": {**_TENNEY, **_FIRST},
    "ap_mean": {**_TENNEY, "pooling": "mean", **_FIRST},
}
"""BERTVision's heads by name. ``ap_`` and ``span_`` with a number of units, ``lp`` for learned
pooling, as in its tables; those of its first generation with the approximate GELU."""


@dataclass(frozen=True)
class AdapterPoolerConfig(HeadConfig):
    """Settings of an `AdapterPooler`; see there for what they mean.

    Raises:
        UserError: settings contradict each other.
    """

    name = "adapter_pooler"
    all_layers = True
    presets = PRESETS

    size: int = setting(64, "units that each state is projected to; 0 for none", kind=int, least=0)
    shared: bool = setting(True, "one projection for all layers, or one for each", kind=bool)
    activation: str = setting("gelu", "after the projection", choices=tuple(ACTIVATIONS))
    pooling: str = setting("concat", "how layers become one", choices=POOLINGS)
    order: str = setting("projection_first", "what comes first", choices=ORDERS)
    skip: bool = setting(False, "append the last layer's state", kind=bool)
    pooled: bool = setting(False, "the pooled output counts as a state before all", kind=bool)
    projected: int = setting(0, "units of states that a fixed random map made; 0 for none",
                             kind=int, least=0)
    tokens: str = setting("mean", "of texts: how tokens become one", choices=TOKENS)
    length: int = setting(128, "of tokens=flatten: places that there are", kind=int, least=1)

    def __post_init__(self):
        if self.order != "projection_first" and not self.size:
            raise UserError(f"--head {self.name}: order={self.order} needs a size above 0")
        if self.order == "pooling_first" and self.pooling == "concat":
            raise UserError(
                f"--head {self.name}: order=pooling_first needs pooling=softmax or pooling=mean"
            )
        if self.order == "both" and self.pooling != "concat":
            raise UserError(
                f"--head {self.name}: order=both has the concatenation beside the learned mixture; "
                "leave pooling out"
            )
        if self.pooled and self.tokens != "first":
            raise UserError(f"--head {self.name}: pooled=true goes with tokens=first")
        if self.pooled and self.projected:
            raise UserError(f"--head {self.name}: pooled=true needs states that are not projected")

    def all_tokens(self, every_token):
        return every_token or self.tokens != "first"

    def places(self, every_token):
        return self.length if self.tokens == "flatten" and not every_token else None

    def build(self, num_outputs, encoder, dropout, every_token):
        states = encoder.num_layers + 1
        return AdapterPooler(
            self, num_outputs, encoder.hidden_dim, states, dropout, every_token
        )

    def width(self, hidden_dim: int, num_states: int) -> int:
        """Units of a token that the last linear map reads."""
        own = self.size or hidden_dim
        first = own * num_states if self.pooling == "concat" else own
        return {
            "projection_first": first, "pooling_first": own, "both": first + own,
        }[self.order] + self.skip * hidden_dim

    def parameter_count(self, hidden_dim: int, num_states: int, outputs: int,
                        every_token: bool = False) -> int:
        """Parameters of the head, by formula (BERTVision; specification of its heads).

        Args:
            hidden_dim: width of the states.
            num_states: how many there are, the pooled output among them if it counts.
            outputs: logits of a text or token.
            every_token: whether every token is answered.
        """
        hidden_dim = self.projected or hidden_dim
        one = hidden_dim * self.size + self.size
        projections = {
            "projection_first": one if self.shared else one * num_states,
            "pooling_first": one,
            "both": (one if self.shared else one * num_states) + one,
        }[self.order] if self.size else 0
        learned = self.pooling == "softmax" or self.order == "both"
        places = self.places(every_token) or 1
        dense = (places * self.width(hidden_dim, num_states) + 1) * outputs
        return projections + learned * (num_states + 1) + dense


@keras.saving.register_keras_serializable(package="tfglue")
class AdapterPooler(keras.layers.Layer):
    """Logits from the hidden states of all layers.

    With X (batch, time, layers, hidden_dim), f the projection with its activation (one for all
    layers, or one for each) and p what makes one of the layers (their concatenation, the mean, or
    gamma sum softmax(w) X):

    - ``projection_first``: p(f(X)), BERTVision's AdapterPooler;
    - ``pooling_first``: f(p(X)), its "Tenney" and "MeanAvg" heads;
    - ``both``: the concatenation f(X) of all layers beside f'(gamma sum softmax(w) X).

    With `projected`, X is what a fixed random map made of the states, as in stores of that form.
    With `skip` the last state is appended. For texts, tokens become one by the mean over those that
    are not padding, by the first one, or laid side by side (the published form, which ties the head
    to a length). Then a linear layer. Concatenated units are ordered unit by unit, the layers of
    one unit beside each other, as in the published code. Differs from it: padding has no influence,
    and tokens are not laid side by side unless asked for.

    Args:
        config: settings.
        num_outputs: classes, 1 for a score, tags, or 2 for start and end.
        hidden_dim: width of the states.
        num_states: how many states there are, the embeddings' among them.
        dropout: rate before the linear layer.
        every_token: whether every token is answered, or the text.
    """

    tied = False
    pooled_only = False
    """Hidden states are read."""

    def __init__(
        self,
        config: AdapterPoolerConfig,
        num_outputs: int,
        hidden_dim: int,
        num_states: int,
        dropout: float = 0.0,
        every_token: bool = False,
        **options,
    ):
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self.config = config
        self.num_outputs = num_outputs
        self.hidden_dim = hidden_dim
        self.num_states = num_states
        self.every_token = every_token
        if every_token and config.pooled:
            raise UserError(f"--head {config.name}: pooled=true is for texts, not for every token")
        if config.projected >= hidden_dim:
            raise UserError(
                f"--head {config.name}: projected={config.projected} must be less than the "
                f"encoder's {hidden_dim} units"
            )
        self.random_projection = None
        if config.projected:
            self.random_projection = RandomProjection(hidden_dim, config.projected, dtype="float32")
        width = config.projected or hidden_dim
        states = num_states + config.pooled
        own = {"dtype": self.dtype_policy}
        self.pooling = None
        if config.pooling != "concat" or config.order == "both":
            self.pooling = LayerPooling(states, learned=config.pooling != "mean", **own)
        self.projection = self.second_projection = None
        if config.size and config.order != "pooling_first":
            self.projection = LayerProjection(
                width, config.size, states, config.shared, config.activation, **own
            )
        if config.order != "projection_first":
            self.second_projection = LayerProjection(
                width, config.size, 1, True, config.activation, **own
            )
        self.dropout = Dropout(dropout, HEAD_DROPOUT_SITE)
        width = config.width(width, states)
        if config.tokens == "flatten" and not every_token:
            width *= config.length
        self.dense = keras.layers.Dense(
            num_outputs,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=self.dtype_policy,
            name="dense",
        )
        self.dense.build((None, None, width) if every_token else (None, width))
        self.built = True

    @property
    def reads_pooled_output(self) -> bool:
        """Whether the encoder's pooler is used."""
        return self.config.pooled

    def layer_shares(self) -> dict[str, float]:
        """What the learned pooling gives each state, in sum 1; nothing where none is learned."""
        if self.pooling is None or not self.pooling.learned:
            return {}
        names = ["pooled"] * self.config.pooled + [str(n) for n in range(self.num_states)]
        return dict(zip(names, self.pooling.shares(), strict=True))

    def call(self, encoded, dropout_seed=None):
        """Maps what the encoder gives to logits.

        Args:
            encoded: ``hidden_states``, a tuple of (batch, time, hidden_dim), or
                ``stacked_hidden_states`` (batch, time, states, hidden_dim), ``padding_mask``
                (batch, time), and ``pooled_output`` if it counts.
            dropout_seed: int32 (2,), or None for no dropout.

        Returns:
            (batch, num_outputs), or (batch, time, num_outputs) where every token is answered.
        """
        states = self._states(encoded)
        if self.random_projection is not None:
            states = self.random_projection(ops.cast(states, "float32"))
        parts = self._parts(states)
        if not self.every_token and self.config.tokens == "mean":
            mask = ops.cast(encoded["padding_mask"], "float32")
            parts = [_mean_of_tokens(part, mask) for part in parts]
        read = ops.concatenate([_unit_by_unit(part) for part in parts], axis=-1)
        if not self.every_token and self.config.tokens == "first":
            read = read[:, 0]
        elif not self.every_token and self.config.tokens == "flatten":
            read = self._flat(read * ops.cast(encoded["padding_mask"], "float32")[:, :, None])
        return self.dense(self.dropout(read, seed=dropout_seed))

    def _states(self, encoded):
        """(batch, time, states, hidden_dim), time being 1 where the first token alone is read."""
        first = self.config.tokens == "first" and not self.every_token
        if "stacked_hidden_states" in encoded:
            states = encoded["stacked_hidden_states"]
            states = states[:, :1] if first else states
        else:
            each = [state[:, :1] if first else state for state in encoded["hidden_states"]]
            states = ops.stack(each, axis=2)
        if self.config.pooled:
            pooled = ops.cast(encoded["pooled_output"], "float32")[:, None, None]
            states = ops.concatenate([pooled, ops.cast(states, "float32")], axis=2)
        return states

    def _parts(self, states):
        """What is concatenated, each (batch, time, states, units), of one state or more."""
        parts = []
        exact = ops.cast(states, "float32")
        if self.config.order != "pooling_first":
            projected = exact if self.projection is None else self.projection(states)
            if self.config.pooling == "concat" or self.config.order == "both":
                parts.append(projected)
            else:
                parts.append(self.pooling(projected)[..., None, :])
        if self.second_projection is not None:
            parts.append(self.second_projection(self.pooling(exact)[..., None, :]))
        if self.config.skip:
            parts.append(exact[:, :, -1:])
        return parts

    def _flat(self, read):
        """(batch, time, width) to (batch, length * width), zeros where a row is shorter."""
        length = self.config.length
        read = ops.pad(read[:, :length], [[0, 0], [0, length], [0, 0]])[:, :length]
        return ops.reshape(read, (-1, length * read.shape[-1]))

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        parts = {
            "pooling": self.pooling, "projection": self.projection,
            "second_projection": self.second_projection,
        }
        named = weights_of({name: part for name, part in parts.items() if part is not None})
        return named | {"dense.kernel": self.dense.kernel, "dense.bias": self.dense.bias}

    def get_config(self):
        return super().get_config() | {
            "config": asdict(self.config),
            "num_outputs": self.num_outputs,
            "hidden_dim": self.hidden_dim,
            "num_states": self.num_states,
            "dropout": self.dropout.rate,
            "every_token": self.every_token,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        return cls(AdapterPoolerConfig(**config.pop("config")), **config)


def _mean_of_tokens(part, mask):
    """(batch, time, states, units) to (batch, states, units), over real tokens."""
    shape = ops.shape(part)
    shares = mask / ops.sum(mask, axis=1, keepdims=True)
    flat = ops.reshape(part, (shape[0], shape[1], part.shape[2] * part.shape[3]))
    return ops.reshape(ops.matmul(shares[:, None], flat), (-1, *part.shape[2:]))


def _unit_by_unit(projected):
    """(..., states, units) to (..., units * states)."""
    states, units = projected.shape[-2:]
    turned = ops.swapaxes(projected, -1, -2)
    return ops.reshape(turned, (*ops.shape(projected)[:-2], units * states))


HEADS.add(AdapterPoolerConfig.name, AdapterPoolerConfig)
