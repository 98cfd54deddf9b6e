"""What a store keeps of each row, and the bytes that it becomes."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import ml_dtypes
import numpy as np

from tfglue.errors import UserError

DTYPES = {
    "bfloat16": ml_dtypes.bfloat16, "float16": np.float16, "float32": np.float32, "int8": np.int8,
}
TOKENS = ("all", "first")
SHARD_MB = 128
"""So large are shards, about: small enough that a kill costs little, large enough to read fast."""

_SCALE = np.float16
"""The type of int8's scales, of which every token and layer has one."""


@dataclass(frozen=True)
class StoreForm:
    """What is kept of the hidden states of a row.

    Args:
        layers: which states, in ascending order; 0 is the embeddings, n the output of layer n.
        width: units of a state as it is kept.
        dtype: a name in `DTYPES`; ``int8`` has a float16 scale for every token and layer.
        tokens: ``all`` that are not padding, or the ``first``.
        projected: whether a fixed random map made the states narrower, see `RandomProjection`.
    """

    layers: tuple[int, ...]
    width: int
    dtype: str = "bfloat16"
    tokens: str = "all"
    projected: bool = False

    def __str__(self) -> str:
        layers = ",".join(map(str, self.layers))
        width = f", projected to {self.width} units" if self.projected else ""
        return f"states {layers} of {self.tokens} tokens, {self.dtype}{width}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "StoreForm":
        """The form that `to_dict` describes."""
        return cls(**{**values, "layers": tuple(values["layers"])})

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        return {**asdict(self), "layers": list(self.layers)}

    def tokens_kept(self, lengths: np.ndarray) -> np.ndarray:
        """How many tokens are kept of rows of these lengths."""
        return np.minimum(lengths, 1) if self.tokens == "first" else lengths

    def bytes_of(self, lengths: np.ndarray) -> np.ndarray:
        """Bytes of activations that rows of these lengths take."""
        state = self.width * np.dtype(DTYPES[self.dtype]).itemsize
        if self.dtype == "int8":
            state += np.dtype(_SCALE).itemsize
        return self.tokens_kept(lengths) * len(self.layers) * state

    def encode(self, states: np.ndarray) -> bytes:
        """Bytes of one row.

        Args:
            states: float32 (tokens, layers, width), as many tokens as are kept.

        Returns:
            The states as little-endian numbers of the dtype; of int8 then the scales, float16
            (tokens, layers).
        """
        if self.dtype != "int8":
            return np.ascontiguousarray(states.astype(DTYPES[self.dtype])).tobytes()
        # The rounding of the scale must not push the largest value over 127.
        scales = (np.abs(states).max(axis=-1) / 127).astype(_SCALE)
        scales = np.maximum(scales, np.finfo(_SCALE).tiny)
        levels = np.rint(states / scales.astype(np.float32)[..., None])
        return np.clip(levels, -127, 127).astype(np.int8).tobytes() + scales.tobytes()

    def decode(self, content: bytes) -> np.ndarray:
        """What `encode` made bytes of: (tokens, layers, width), of int8 as float32.

        Raises:
            ValueError: the bytes are not those of whole tokens.
        """
        layers, width = len(self.layers), self.width
        if self.dtype != "int8":
            return np.frombuffer(content, DTYPES[self.dtype]).reshape(-1, layers, width)
        token = layers * (width + np.dtype(_SCALE).itemsize)
        tokens, rest = divmod(len(content), token)
        if rest:
            raise ValueError(f"{len(content)} bytes are no whole tokens of {token}")
        border = tokens * layers * width
        levels = np.frombuffer(content[:border], np.int8).reshape(tokens, layers, width)
        scales = np.frombuffer(content[border:], _SCALE).reshape(tokens, layers)
        return levels * scales.astype(np.float32)[..., None]


def chosen_states(text: str, count: int) -> tuple[int, ...]:
    """The states that a ``--layers`` setting names.

    Args:
        text: ``all``, or numbers such as ``0,6`` or ``-1,-2``.
        count: states of the encoder, its embeddings among them.

    Returns:
        Numbers from 0, each once, in the order given.

    Raises:
        UserError: for anything else, or a state that is not there.
    """
    if text == "all":
        return tuple(range(count))
    numbers = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"-?\d{1,4}", part) for part in numbers):
        raise UserError(f"--layers {text}: expected all, or numbers such as 0,6 or -1,-2")
    chosen = [int(part) + count * (int(part) < 0) for part in numbers]
    if not all(0 <= layer < count for layer in chosen):
        raise UserError(
            f"--layers {text}: this encoder has the states 0 to {count - 1}, or {-count} to -1"
        )
    return tuple(dict.fromkeys(chosen))
