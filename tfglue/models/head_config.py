"""Settings of a head, and the names that heads have."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tfglue.named_settings import NamedSettings, read_named
from tfglue.registry import Registry

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class HeadConfig(NamedSettings):
    """Settings of one kind of head; subclasses add fields."""

    flag = "head"
    all_layers: ClassVar[bool]
    """Whether states of all layers are read, or the last one's alone."""

    @abstractmethod
    def all_tokens(self, every_token: bool) -> bool:
        """Whether states of all tokens are read, or the first one's alone."""

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


def read_head(text: str) -> HeadConfig:
    """Reads a ``--head`` setting: ``name`` or ``name:key=value,key=value``.

    Raises:
        UserError: for an unknown name or key, with the nearest one, or a value out of place.
    """
    # Each file that declares a head adds it.
    import tfglue.models.adapter_pooler
    import tfglue.models.heads  # noqa: F401

    return read_named(text, HEADS)
