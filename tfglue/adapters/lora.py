"""LoRA: low-rank updates of the encoder's own matrices, which can be merged into them."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
from keras import ops

from tfglue.adapters.adapter import Adapter, layer_site
from tfglue.adapters.config import ADAPTERS, LayeredConfig
from tfglue.adapters.low_rank_update import LowRankUpdate
from tfglue.errors import UserError, suggestion
from tfglue.flags import setting
from tfglue.models.layer import PROJECTIONS
from tfglue.models.slots import Slots

TARGETS = dict(
    zip(
        ("query", "key", "value", "attention_output", "intermediate", "feed_forward_output"),
        PROJECTIONS,
        strict=True,
    )
)
"""What the user calls a layer's projections -> our stable names."""


@dataclass(frozen=True)
class LoraConfig(LayeredConfig):
    """Low-rank adaptation (Hu et al. 2022, 4), as for RoBERTa-base on GLUE (their table 9)."""

    name = "lora"
    start = "identity"

    rank: int = setting(8, "units between the two factors", kind=int, least=1)
    alpha: float = setting(8.0, "updates are scaled by alpha / rank", kind=float, above=0,
                           most=1e6)
    targets: str = setting(
        "query+value", f"projections joined by + ({', '.join(TARGETS)})"
    )
    dropout: float = setting(0.0, "rate on the update's input", kind=float, least=0, most=0.99)

    def __post_init__(self):
        super().__post_init__()
        for target in self.targets.split("+"):
            if target.strip() not in TARGETS:
                raise UserError(
                    f"--adapter lora:targets={self.targets}: unknown projection '{target}'"
                    f"{suggestion(target, TARGETS)} (known: {', '.join(TARGETS)})"
                )

    @property
    def projections(self) -> tuple[str, ...]:
        """The targets' stable names, in the order of a layer's computation."""
        chosen = {target.strip() for target in self.targets.split("+")}
        return tuple(name for target, name in TARGETS.items() if target in chosen)

    def build(self, shape, **options):
        return Lora(self, shape, **options)

    def parameter_count(self, shape):
        widths = sum(sum(_dims(shape, name)) for name in self.projections)
        return self.rank * widths * len(self.layer_indices(shape.num_layers))


@keras.saving.register_keras_serializable(package="tfglue")
class Lora(Adapter):
    """Adds (x A B) * alpha / rank to projections x W + b (Hu et al. 2022, equation 3).

    B starts at zero. A starts from our truncated normal; the paper says Gaussian, its code takes
    Kaiming-uniform numbers. The factors have files of their own, apart from the kernels, which
    `merge` alone changes.
    """

    zero_at_start = (".b.kernel",)

    def make_parts(self):
        return {
            f"layers.{index}.{name}": LowRankUpdate(
                *_dims(self.shape, name),
                self.config.rank,
                self.config.alpha / self.config.rank,
                self.config.dropout,
                layer_site(index, PROJECTIONS.index(name)),
                dtype=self.dtype_policy,
            )
            for index in self.layer_indices
            for name in self.config.projections
        }

    def fill(self, layer_index, attention_mask, dropout_seed):
        def update(name: str):
            part = self.part(layer_index, name)
            return lambda x: part(x, dropout_seed=dropout_seed)

        return Slots(projections={name: update(name) for name in self.config.projections})

    def merge(self, encoder_weights: Mapping[str, keras.Variable]) -> None:
        """Adds the updates to the encoder's kernels and sets B to zero.

        So the encoder computes the same as before, now with this adapter or without it, and
        training can go on from there. Other tasks that share the encoder get the updates as well.

        Args:
            encoder_weights: the encoder's weights by our stable names.
        """
        for name, part in self.parts.items():
            kernel = encoder_weights[f"{name}.kernel"]
            kernel.assign_add(part.product())
            part.b.kernel.assign(ops.zeros_like(part.b.kernel))


def _dims(shape, projection: str) -> tuple[int, int]:
    """Input and output width of a projection."""
    return {
        "feed_forward.intermediate": (shape.hidden_dim, shape.intermediate_dim),
        "feed_forward.output": (shape.intermediate_dim, shape.hidden_dim),
    }.get(projection, (shape.hidden_dim, shape.hidden_dim))


ADAPTERS.add(LoraConfig.name, LoraConfig)
