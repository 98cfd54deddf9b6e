"""Settings of a head, and the names that heads have."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from tfglue.errors import UserError, suggestion
from tfglue.named_settings import NamedSettings, read_named
from tfglue.registry import Registry
from tfglue.tasks.task import Task

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class HeadConfig(NamedSettings):
    """Settings of one kind of head; subclasses add fields."""

    flag = "head"
    all_layers: ClassVar[bool]
    """Whether states of all layers are read, or the last one's alone."""
    projected: ClassVar[int] = 0
    """Units of a fixed random map that states go through, or went through before; 0 for none."""
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Published settings by name."""

    @classmethod
    def of(cls, values, where):
        """As for all settings; ``preset`` stands for one of `presets`, others win over it."""
        values = dict(values)
        name = values.pop("preset", None)
        if name is not None and name not in cls.presets:
            known = f"known: {', '.join(cls.presets)}" if cls.presets else "it has none"
            raise UserError(
                f"{where}: unknown preset '{name}'{suggestion(name, cls.presets)} ({known})"
            )
        return super().of({**cls.presets.get(name, {}), **values}, where)

    @abstractmethod
    def all_tokens(self, every_token: bool) -> bool:
        """Whether states of all tokens are read, or the first one's alone."""

    def places(self, every_token: bool) -> int | None:
        """How many tokens of a row are read, each by its place; None for any number."""
        return None

    def check_task(self, task: Task, num_outputs: int, every_token: bool) -> None:
        """Raises UserError, in one line, where such a head cannot answer a task.

        Args:
            task: what is to be answered.
            num_outputs: logits of a text or token.
            every_token: whether every token is answered.
        """

    @abstractmethod
    def build(
        self, num_outputs: int, encoder: Any, dropout: float, every_token: bool
    ) -> "keras.layers.Layer":
        """A new head.

        Its `call` takes ``(encoded, dropout_seed)``; `encoded` is what the encoder gives, with
        ``padding_mask`` and ``segment_ids`` of the batch. It has `num_outputs`, `named_weights()`,
        `every_token` (whether every token is answered, or the text), `pooled_only` (whether it
        reads the pooled output and nothing else), `reads_pooled_output` and `tied` (whether it
        reads the encoder's word embeddings as ``word_embeddings``). Statistics that
        follow the batches without a gradient are among the named weights, as ``moving_mean`` and
        ``moving_variance``.

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
    return read_named(text, _all_heads())


def published_heads() -> tuple[str, ...]:
    """Every preset as a ``--head`` setting."""
    heads = _all_heads()
    return tuple(f"{name}:preset={preset}" for name in heads for preset in heads.get(name).presets)


def _all_heads() -> Registry[type[HeadConfig]]:
    # Each file that declares a head adds it.
    import tfglue.models.adapter_pooler
    import tfglue.models.heads
    import tfglue.models.layer_convolution
    import tfglue.models.stochastic_answer  # noqa: F401

    return HEADS
