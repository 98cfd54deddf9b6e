"""One encoder with a head for every task."""

from collections.abc import Mapping

import keras

from tfglue.models.encoder import BertEncoder
from tfglue.models.heads import PooledHead
from tfglue.models.token_head import TokenHead

Head = PooledHead | TokenHead


@keras.saving.register_keras_serializable(package="tfglue")
class TransferModel(keras.Model):
    """The whole network: an encoder shared by all tasks, and one head for each.

    Args:
        encoder: maps token ids to hidden states and a pooled output.
        heads: task name -> head.
    """

    def __init__(self, encoder: BertEncoder, heads: Mapping[str, Head], **options):
        super().__init__(**options)
        self.encoder = encoder
        self.heads = dict(heads)
        self.built = True

    def call(self, inputs, task: str, dropout_seed=None):
        """Logits of one task.

        Args:
            inputs: ``token_ids``, ``segment_ids``, ``padding_mask``, int32 (batch, time).
            task: which head answers; a batch is of one task.
            dropout_seed: int32 (2,); dropout is on exactly when it is given.
        """
        head = self.heads[task]
        return head(self.encoder(inputs, dropout_seed, pooled_only=head.pooled_only), dropout_seed)

    def named_weights(self) -> dict[str, keras.Variable]:
        """All weights: ``encoder.<name>`` and ``heads.<task>.<name>``."""
        weights = {f"encoder.{name}": w for name, w in self.encoder.named_weights().items()}
        for task, head in self.heads.items():
            weights |= {f"heads.{task}.{name}": w for name, w in head.named_weights().items()}
        return weights

    def trained_weights(self, task: str | None = None) -> dict[str, keras.Variable]:
        """Weights that are not frozen and used: by any task, or by `task`."""
        tasks = self.heads if task is None else (task,)
        return {
            name: weight
            for name, weight in self.named_weights().items()
            if weight.trainable and any(self._uses(task, name) for task in tasks)
        }

    def _uses(self, task: str, name: str) -> bool:
        if name.startswith("encoder.pooler."):
            return self.heads[task].pooled_only
        return name.startswith(("encoder.", f"heads.{task}."))

    def get_config(self):
        return super().get_config() | {
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "heads": {
                task: keras.saving.serialize_keras_object(head)
                for task, head in self.heads.items()
            },
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        encoder = keras.saving.deserialize_keras_object(config.pop("encoder"))
        heads = {
            task: keras.saving.deserialize_keras_object(head)
            for task, head in config.pop("heads").items()
        }
        return cls(encoder, heads, **config)
