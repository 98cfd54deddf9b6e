"""Settings of an adapter, and the names that adapters have."""

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tfglue.adapters.encoder_shape import EncoderShape
from tfglue.errors import UserError
from tfglue.flags import setting
from tfglue.named_settings import NamedSettings
from tfglue.registry import Registry

if TYPE_CHECKING:
    from tfglue.adapters.adapter import Adapter

_RANGE = re.compile(r"(\d{1,4})(?:-(\d{1,4}))?")


@dataclass(frozen=True)
class AdapterConfig(NamedSettings):
    """Settings of one kind of adapter; subclasses add fields with the values of their paper.

    A subclass also says how a new adapter of it leaves the encoder, in `start`:

    - ``identity``: the encoder computes the very same;
    - ``near_identity``: hidden states move by less than 1e-3;
    - ``perturbed``: they move as much as small random weights move them;
    - ``replaced``: the last hidden state is another one.
    """

    flag = "adapter"
    start: ClassVar[str]

    @abstractmethod
    def build(self, shape: EncoderShape, **options) -> "Adapter":
        """A new adapter for an encoder of `shape`; `options` are those of a Keras layer.

        Raises:
            UserError: if the settings do not fit the encoder.
        """

    @abstractmethod
    def parameter_count(self, shape: EncoderShape) -> int:
        """Parameters that the adapter adds for one task."""

    def layer_indices(self, num_layers: int) -> tuple[int, ...]:
        """The layers that it has parts in; none for what sits on top."""
        return ()

    def initial_stddev(self, shape: EncoderShape) -> float:
        """Deviation of the truncated normal that its matrices start from."""
        return shape.initializer_range

    def check_heads(self, size: int, heads: int) -> None:
        """Raises UserError unless `heads` divides `size`."""
        if size % heads:
            raise UserError(
                f"--adapter {self}: size {size} is not a multiple of heads {heads}; "
                "every head needs the same width"
            )


@dataclass(frozen=True)
class LayeredConfig(AdapterConfig):
    """Settings of an adapter that has parts inside the encoder's layers."""

    layers: str = setting("all", "which layers: all, or numbers from 0 such as 0+1+6-11")

    def __post_init__(self):
        self._chosen()

    def layer_indices(self, num_layers: int) -> tuple[int, ...]:
        chosen = self._chosen()
        if chosen is None:
            return tuple(range(num_layers))
        if chosen[-1] >= num_layers:
            raise UserError(
                f"--adapter {self.name}:layers={self.layers}: there is no layer {chosen[-1]}; "
                f"this encoder has layers 0 to {num_layers - 1}"
            )
        return chosen

    def _chosen(self) -> tuple[int, ...] | None:
        """Numbers in ascending order, None for all."""
        if self.layers == "all":
            return None
        chosen: set[int] = set()
        for part in self.layers.split("+"):
            found = _RANGE.fullmatch(part.strip())
            numbers = range(0)
            if found:
                numbers = range(int(found[1]), int(found[2] or found[1]) + 1)
            if not numbers:
                raise UserError(
                    f"--adapter {self.name}:layers={self.layers}: expected all, or numbers and "
                    "ranges joined by +, such as 0+1+6-11"
                )
            chosen.update(numbers)
        return tuple(sorted(chosen))


ADAPTERS: Registry[type[AdapterConfig]] = Registry("adapter")
"""Every adapter by name; each file of this package that declares one adds it."""
