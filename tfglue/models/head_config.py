"""Settings of a head, and the names that heads have."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfglue.named_settings import NamedSettings
from tfglue.registry import Registry

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class HeadConfig(NamedSettings):
    """Settings of one kind of head; subclasses add fields."""

    flag = "head"

    @abstractmethod
    def build(
        self, num_outputs: int, encoder: Any, dropout: float, every_token: bool
    ) -> "keras.layers.Layer":
        """A new head.

        Its `call` takes ``(encoded, dropout_seed)``. It has `num_outputs`, `named_weights()`,
        `every_token` (whether every token is answered, or the text), `pooled_only` (whether it
        reads the pooled output and nothing else) and `reads_pooled_output`.

        Args:
            num_outputs: logits of a text or token.
            encoder: has `hidden_dim` and `num_layers`.
            dropout: rate on what is read.
            every_token: whether every token is answered.

        Raises:
            UserError: the settings do not fit.
        """


HEADS: Registry[type[HeadConfig]] = Registry("head")
"""Every head by name; each file that declares one adds it."""
