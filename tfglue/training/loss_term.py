"""What a training loss has beside the task's own: terms that see a forward pass and add to it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import tensorflow as tf

from tfglue.data.batches import masked_inputs
from tfglue.kinds import Kind
from tfglue.models.transfer_model import TransferModel
from tfglue.training.replicas import replica_seed


class ForwardPass:
    """One replica's rows, and what the model makes of them.

    Args:
        model: encoder, adapters and heads.
        task: whose head answers.
        kind: its kind.
        batch: padded rows with their labels.
        seed: int32 (2,), of this forward pass, the same on every replica.
        with_states: whether a term reads the first token's hidden states.

    Attributes:
        logits: what the head made of the rows.
        states: float32 (batch, layers + 1, hidden_dim), the first token's; None unless asked for.
    """

    def __init__(
        self,
        model: TransferModel,
        task: str,
        kind: Kind,
        batch: Mapping[str, tf.Tensor],
        seed: tf.Tensor,
        with_states: bool = False,
    ):
        self.model, self.task, self.kind = model, task, kind
        self.batch, self.seed = batch, seed
        self.dropout_seed = replica_seed(seed)
        outputs = self._run(self.dropout_seed, first_token_states=with_states)
        self.logits, self.states = outputs if with_states else (outputs, None)

    def again(self, perturb_words: Callable, dropout_seed: tf.Tensor) -> tf.Tensor:
        """Logits of the same rows with other word embeddings, see `BertEmbeddings.call`."""
        return self._run(dropout_seed, perturb_words=perturb_words)

    def masked(self, dropout_seed: tf.Tensor) -> tf.Tensor:
        """What the model's `language_model` makes of the rows with masked tokens."""
        return self.model(
            masked_inputs(self.batch), task=self.task, dropout_seed=dropout_seed, masked=True
        )

    def _run(self, dropout_seed, **options):
        return self.model(
            self.kind.inputs(self.batch), task=self.task, dropout_seed=dropout_seed, **options
        )


class LossTerm(ABC):
    """A term of the loss; `TrainStep` adds those it is given to the task's own loss."""

    name: ClassVar[str]
    """What histories call it."""
    reads_states: ClassVar[bool] = False
    """Whether it needs `ForwardPass.states`."""
    own_passes: ClassVar[str] = ""
    """What people call a term that runs the model itself, which costs time; empty for others."""

    @abstractmethod
    def applies(self, task: str) -> bool:
        """Whether the loss of a task has it."""

    @abstractmethod
    def __call__(self, forward: ForwardPass) -> tf.Tensor:
        """What it adds to the loss of every row, float32 (batch,)."""
