"""SAN: a head that reasons over a pair in several turns and averages what they say (MT-DNN)."""

import math
from dataclasses import asdict, dataclass

import keras
from keras import ops

from tfglue.errors import UserError
from tfglue.flags import setting
from tfglue.models.dropout import Dropout, uniform_at
from tfglue.models.encoder import MASKED_SCORE
from tfglue.models.head_config import HEADS, HeadConfig
from tfglue.models.heads import HEAD_DROPOUT_SITE
from tfglue.models.normed_kernel import NormedKernel
from tfglue.models.parts import linear, weights_of
from tfglue.models.recurrent_cell import CELLS, RecurrentCell

ATTENTIONS = ("bilinear", "simple", "product", "all")
_PARTS = {"simple": 1, "product": 2, "all": 3}
_STDDEV = 0.02
# What is dropped out in a turn, each with a mask of its own.
_SITES_OF_A_TURN = 4


@dataclass(frozen=True)
class StochasticAnswerConfig(HeadConfig):
    """Settings of a `StochasticAnswer`; see there for what they mean."""

    name = "san"
    all_layers = False

    steps: int = setting(5, "turns of reasoning", kind=int, least=1, most=50)
    attention: str = setting("bilinear", "how the state looks at the premise", choices=ATTENTIONS)
    summary: str = setting("linear", "what weighs the hypothesis", choices=("linear", "mlp"))
    cell: str = setting("gru", "what the state goes through", choices=tuple(CELLS))
    compare: bool = setting(True, "classify differences and products, too", kind=bool)
    average: bool = setting(True, "average all turns, or take the last one", kind=bool)
    step_dropout: float = setting(0.1, "chance that a turn is left out in training", kind=float,
                                  least=0, most=0.99)
    shared_dropout: bool = setting(True, "one dropout mask for all tokens of a row", kind=bool)
    weight_norm: bool = setting(False, "kernels as direction and length", kind=bool)
    hypothesis: str = setting("second", "which text asks; the other is looked at",
                              choices=("second", "first"))

    def check_task(self, task, num_outputs, every_token):
        if every_token:
            raise UserError(
                f"--head {self.name}: it classifies pairs of texts, and {task.name} (kind "
                f"{task.kind}) answers every token; use --head linear"
            )
        if len(task.text_fields) != 2:
            raise UserError(
                f"--head {self.name}: it reads pairs of texts, and {task.name} has one text "
                f"({task.text_fields[0]}); use --head linear, or of several tasks leave --head out "
                f"and give it to the pairs by a recipe: tasks: {{rte: {{head: {self.name}}}}}"
            )
        if self.average and num_outputs == 1:
            raise UserError(
                f"--head {self.name}: it averages probabilities of classes, and {task.name} (kind "
                f"{task.kind}) has one score; use --head {self.name}:average=false or linear"
            )

    def all_tokens(self, every_token):
        return True

    def build(self, num_outputs, encoder, dropout, every_token):
        return StochasticAnswer(self, num_outputs, encoder.hidden_dim, dropout)


@keras.saving.register_keras_serializable(package="tfglue")
class StochasticAnswer(keras.layers.Layer):
    """The stochastic answer network on a packed pair (Liu et al. 2019, 3; Liu et al. 2018).

    Of the last layer's states x_j, those of the hypothesis give the first state s_0 = sum a_j x_j,
    a being a softmax of w x_j (`summary` linear) or w relu(V x_j + c) (mlp). In turn k, with a
    softmax over the tokens of the premise,

        b_j = softmax(x_j (W s_k + c)),  r_k = sum b_j x_j,
        P_k = softmax(U [r_k; s_k; |r_k - s_k|; r_k s_k] + d),  s_k+1 = cell(r_k, s_k)

    and the answer is the logarithm of the mean of the P_k. In training every turn is left out with
    `step_dropout`, but for one drawn at random for each row; what is kept is divided by the chance
    to be kept. All turns share their weights. A text is its segment: the first holds [CLS], each
    its [SEP]. A row of one segment alone looks at itself.

    Other `attention`s are linear maps of x_j (simple), of x_j and x_j s_k (product), and of
    |x_j - s_k| beside these (all), the published ones; what they give all tokens alike (s_k, a
    bias) is left out, a softmax does not see it. Without `compare` the classes read [r_k; s_k];
    without `average` the answer is the last turn's logits. With `shared_dropout` a mask is one for
    all tokens of a row.

    Args:
        config: settings.
        num_outputs: classes, or 1 for a score.
        hidden_dim: width of the states.
        dropout: rate on all that linear maps and the cell read.
    """

    every_token = False
    tied = False
    pooled_only = False
    reads_pooled_output = False

    def __init__(
        self,
        config: StochasticAnswerConfig,
        num_outputs: int,
        hidden_dim: int,
        dropout: float = 0.1,
        **options,
    ):
        options.setdefault("dtype", "float32")
        super().__init__(**options)
        self.config = config
        self.num_outputs = num_outputs
        self.hidden_dim = hidden_dim
        own = {"weight_norm": config.weight_norm, "dtype": self.dtype_policy}
        plain = {"stddev": _STDDEV, "dtype": self.dtype_policy}
        self.maps = {}
        if config.summary == "mlp":
            self.maps["summary_hidden"] = linear("summary_hidden", hidden_dim, hidden_dim, **plain)
        self.maps["summary"] = linear("summary", hidden_dim, 1, use_bias=False, **plain)
        if config.attention == "bilinear":
            self.maps["attention"] = NormedKernel(hidden_dim, hidden_dim, name="attention", **own)
        else:
            parts = _PARTS[config.attention]
            self.maps["attention"] = linear("attention", hidden_dim, parts, use_bias=False, **plain)
        width = (4 if config.compare else 2) * hidden_dim
        self.maps["dense"] = NormedKernel(width, num_outputs, name="dense", **own)
        if config.steps > 1:
            self.maps["cell"] = RecurrentCell(config.cell, hidden_dim, name="cell", **own)
        self.dropouts = [
            Dropout(dropout, HEAD_DROPOUT_SITE + number)
            for number in range(1 + _SITES_OF_A_TURN * config.steps)
        ]
        self.built = True

    @property
    def _step_sites(self) -> tuple[int, int]:
        """Where the turns that are left out, and the one that is kept, are drawn."""
        first = HEAD_DROPOUT_SITE + len(self.dropouts)
        return first, first + 1

    def call(self, encoded, dropout_seed=None):
        """Maps what the encoder gives to logits, (batch, num_outputs).

        Args:
            encoded: ``hidden_states``, of which the last (batch, time, hidden_dim) is read,
                ``padding_mask`` and ``segment_ids`` (batch, time).
            dropout_seed: int32 (2,), or None for no dropout.
        """
        states = ops.cast(encoded["hidden_states"][-1], "float32")
        hypothesis, premise = self._masks(encoded)
        state = self._summary(states, hypothesis, dropout_seed)
        memory = ops.zeros_like(state)
        turns = []
        for turn in range(self.config.steps):
            first = 1 + _SITES_OF_A_TURN * turn
            of_states, of_state, of_read, of_kept = self.dropouts[first : first + _SITES_OF_A_TURN]
            scores = self._attention(
                states, of_states, of_state(state, seed=dropout_seed), dropout_seed
            )
            read = _mixture(states, scores + premise)
            together = [read, state]
            if self.config.compare:
                together += [ops.abs(read - state), read * state]
            together = of_read(ops.concatenate(together, axis=-1), seed=dropout_seed)
            turns.append(self.maps["dense"](together))
            if turn + 1 < self.config.steps:
                kept = of_kept(state, seed=dropout_seed)
                state, memory = self.maps["cell"](read, kept, memory)
        return self._average(ops.stack(turns, axis=1), dropout_seed)

    def _masks(self, encoded):
        """What is added to the scores of tokens, (batch, time) each: of hypothesis and premise."""
        real = ops.cast(encoded["padding_mask"], "float32")
        second = real * ops.cast(encoded["segment_ids"], "float32")
        # Clients may send one text alone. Without this its padding would be weighed with it.
        pair = ops.max(second, axis=1, keepdims=True)
        second, first = second + (1 - pair) * real, real - second
        texts = (second, first) if self.config.hypothesis == "second" else (first, second)
        return tuple((1 - text) * MASKED_SCORE for text in texts)

    def _summary(self, states, mask, seed):
        """The state before the first turn, (batch, hidden_dim)."""
        dropout = self.dropouts[0]
        kernel = self.maps["summary"].kernel.value[:, 0]
        if self.config.summary == "linear" and self.config.shared_dropout:
            kept = dropout(ops.ones_like(states[:, 0]), seed=seed)
            return kept * _mixture(states, _scores(states, kept * kernel) + mask)
        states = self._dropped(states, dropout, seed)
        read = states
        if self.config.summary == "mlp":
            read = ops.relu(self.maps["summary_hidden"](states))
        return _mixture(states, ops.matmul(read, kernel) + mask)

    def _attention(self, states, dropout, state, seed):
        """Scores of all tokens, (batch, time)."""
        if self.config.attention == "bilinear":
            asked = self.maps["attention"](state)
        else:
            kernel = self.maps["attention"].kernel.value
            asked = kernel[:, 0] + ops.zeros_like(state)
            if self.config.attention != "simple":
                asked = asked + state * kernel[:, 1]
        if self.config.attention == "all":
            states = self._dropped(states, dropout, seed)
            apart = ops.matmul(ops.abs(states - state[:, None]), kernel[:, 2])
            return _scores(states, asked) + apart
        if self.config.shared_dropout:
            # A mask that all tokens share may as well be laid on what they are multiplied with.
            return _scores(states, dropout(ops.ones_like(state), seed=seed) * asked)
        return _scores(dropout(states, seed=seed), asked)

    def _dropped(self, states, dropout, seed):
        """The states under a mask, which all tokens of a row may share."""
        if not self.config.shared_dropout:
            return dropout(states, seed=seed)
        return states * dropout(ops.ones_like(states[:, 0]), seed=seed)[:, None]

    def _average(self, turns, seed):
        """The answer from the logits of all turns, (batch, steps, num_outputs)."""
        if not self.config.average:
            return turns[:, -1]
        logarithms = ops.log_softmax(turns, axis=-1)
        if seed is not None and self.config.step_dropout:
            logarithms = logarithms + self._kept_turns(ops.shape(turns)[:2], seed)[:, :, None]
        return ops.logsumexp(logarithms, axis=1) - math.log(self.config.steps)

    def _kept_turns(self, shape, seed):
        """Logarithms of what turns are multiplied with, (batch, steps); one is kept at least."""
        rate = self.config.step_dropout
        drawn, chosen = (uniform_at(seed, site, shape) for site in self._step_sites)
        forced = ops.one_hot(ops.argmax(chosen, axis=1), self.config.steps, dtype="float32")
        kept = ops.maximum(ops.cast(drawn >= rate, "float32"), forced)
        return (1 - kept) * MASKED_SCORE - math.log(1 - rate)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Weights by our own stable names."""
        return weights_of(self.maps)

    def get_config(self):
        return super().get_config() | {
            "config": asdict(self.config),
            "num_outputs": self.num_outputs,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropouts[0].rate,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        return cls(StochasticAnswerConfig(**config.pop("config")), **config)


def _scores(states, asked):
    """Products of every token's state with what is asked, (batch, time)."""
    return ops.matmul(states, asked[:, :, None])[:, :, 0]


def _mixture(states, scores):
    """The mean of states under the softmax of scores (batch, time), (batch, hidden_dim)."""
    return ops.matmul(ops.softmax(scores, axis=-1)[:, None], states)[:, 0]


HEADS.add(StochasticAnswerConfig.name, StochasticAnswerConfig)
