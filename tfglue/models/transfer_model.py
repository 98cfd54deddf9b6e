"""One encoder with a head for every task, and adapters for those that have one."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from tfglue.data.masking import MASKED_LABELS, MASKED_POSITIONS
from tfglue.models.encoder import BertEncoder
from tfglue.models.heads import LinearHead
from tfglue.models.masked_head import WORD_EMBEDDINGS, MaskedHead
from tfglue.models.parts import weights_of

PACKED = ("padding_mask", "segment_ids")
"""What heads are told of a batch beside the encoder's output: its tokens and their text."""

_MASKED = (MASKED_POSITIONS, MASKED_LABELS)

RUNNING_STATISTICS = (".moving_mean", ".moving_variance")
"""How names of weights end that follow the batches without a gradient."""


@keras.saving.register_keras_serializable(package="tfglue")
class TransferModel(keras.Model):
    """The whole network: an encoder shared by all tasks, a head for each, and adapters.

    A language model may be learned beside the tasks, on their own rows.

    Args:
        encoder: maps token ids to hidden states and a pooled output.
        heads: task name -> head.
        adapters: task name -> what the task adds to the encoder, such as a
            `tfglue.adapters.Adapter`; tasks that are not in it use the encoder as it is.
        language_model: what finds masked tokens again, beside all tasks; None for nothing.
    """

    def __init__(
        self,
        encoder: BertEncoder,
        heads: Mapping[str, LinearHead],
        adapters: Mapping[str, keras.layers.Layer] | None = None,
        language_model: MaskedHead | None = None,
        **options,
    ):
        super().__init__(**options)
        self.encoder = encoder
        self.heads = dict(heads)
        self.adapters = dict(adapters or {})
        self.language_model = language_model
        self.built = True

    def call(
        self, inputs, task: str, dropout_seed=None, perturb_words=None, first_token_states=False,
        masked=False,
    ):
        """Logits of one task.

        Args:
            inputs: ``token_ids``, ``segment_ids``, ``padding_mask``, int32 (batch, time); and, if
                they were computed before, ``hidden_states`` (batch, time, states, hidden_dim),
                which the encoder then does not compute. Where a language model answers, with
                ``masked_positions`` and ``masked_labels``, see `MaskedHead`.
            task: whose head and adapter answer; a batch is of one task.
            dropout_seed: int32 (2,); dropout is on exactly when it is given.
            perturb_words: changes the word embeddings, see `BertEmbeddings.call`; there are none
                where the states were computed before.
            first_token_states: return ``(logits, states)``, with the first token's hidden states
                (batch, num_layers + 1, hidden_dim); not of states that were computed before.
            masked: let `language_model` answer, not the task's head.
        """
        head = self.language_model if masked else self.heads[task]
        if "hidden_states" in inputs:
            encoded = self.encoder.from_hidden_states(inputs["hidden_states"])
        else:
            encoded = self.encoder(
                inputs, dropout_seed, pooled_only=head.pooled_only,
                adapter=self.adapters.get(task), perturb_words=perturb_words,
                first_token_states=first_token_states,
            )
        read = encoded | {name: inputs[name] for name in (*PACKED, *_MASKED) if name in inputs}
        if head.tied:
            read[WORD_EMBEDDINGS] = ops.convert_to_tensor(self.encoder.embeddings.word)
        logits = head(read, dropout_seed)
        return (logits, encoded["first_token_states"]) if first_token_states else logits

    def named_weights(self) -> dict[str, keras.Variable]:
        """All weights: ``encoder.<name>``, ``adapters.<task>.<name>``, ``heads.<task>.<name>``, and
        ``language_model.<name>`` where there is one beside the tasks.
        """
        parts = {"encoder": self.encoder}
        parts |= {f"adapters.{task}": adapter for task, adapter in self.adapters.items()}
        parts |= {f"heads.{task}": head for task, head in self.heads.items()}
        if self.language_model is not None:
            parts["language_model"] = self.language_model
        return weights_of(parts)

    def trained_weights(self, task: str | None = None) -> dict[str, keras.Variable]:
        """Weights that are not frozen and used: by any task, or by `task`."""
        tasks = self.heads if task is None else (task,)
        return {
            name: weight
            for name, weight in self.named_weights().items()
            if weight.trainable and any(self._uses(task, name) for task in tasks)
        }

    def changing_weights(self) -> dict[str, keras.Variable]:
        """All that training changes: trained weights, and what heads keep of the batches."""
        return self.trained_weights() | {
            name: weight
            for name, weight in self.named_weights().items()
            if name.endswith(RUNNING_STATISTICS)
        }

    def _uses(self, task: str, name: str) -> bool:
        if name.startswith("encoder.pooler."):
            return self.heads[task].reads_pooled_output
        own = (f"adapters.{task}.", f"heads.{task}.")
        return name.startswith(("encoder.", "language_model.", *own))

    def get_config(self):
        return super().get_config() | {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "heads": _each(keras.saving.serialize_keras_object, self.heads),
            "adapters": _each(keras.saving.serialize_keras_object, self.adapters),
            "language_model": keras.saving.serialize_keras_object(self.language_model),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"))
        heads, adapters = (
            _each(keras.saving.deserialize_keras_object, config.pop(name))
            for name in ("heads", "adapters")
        )
        beside = keras.saving.deserialize_keras_object(config.pop("language_model"))
        return cls(encoder, heads, adapters, beside, **config)


def _each(function: Callable, by_task: Mapping[str, Any]) -> dict[str, Any]:
    return {task: function(item) for task, item in by_task.items()}
