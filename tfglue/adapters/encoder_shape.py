"""What an adapter has to know of the encoder that it is made for."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class EncoderShape:
    """Sizes and rates of a BERT encoder, by the names that `BertEncoder` has for them."""

    hidden_dim: int
    num_layers: int
    intermediate_dim: int
    num_heads: int
    dropout: float = 0.1
    attention_dropout: float = 0.1
    layer_norm_epsilon: float = 1e-12
    activation: str = "gelu"
    initializer_range: float = 0.02

    @classmethod
    def of(cls, encoder: Any) -> "EncoderShape":
        """Reads an encoder's attributes; set its dropout before, not after."""
        return cls(**{item.name: getattr(encoder, item.name) for item in fields(cls)})
