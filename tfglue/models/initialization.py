"""Random initial weights that depend on a seed and on each weight's name, and on nothing else."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import keras
from keras import ops

_DRAWN: ContextVar[bool] = ContextVar("drawn", default=True)


@contextmanager
def undrawn() -> Iterator[None]:
    """Lets kernels that are made in the block begin as zeros.

    For encoders whose weights are all read or drawn from a seed right after: drawing them before
    takes longer than reading them.
    """
    token = _DRAWN.set(False)
    try:
        yield
    finally:
        _DRAWN.reset(token)


def kernel_initializer(stddev: float) -> keras.initializers.Initializer:
    """What kernels and embeddings begin as: a normal distribution cut at two `stddev`."""
    if not _DRAWN.get():
        return keras.initializers.Zeros()
    return keras.initializers.TruncatedNormal(stddev=stddev)


def initialize_weights(
    named_weights: Mapping[str, keras.Variable], stddev: float, seed: int
) -> None:
    """Draws every weight anew: the same seed and name give the same values in any process.

    Neither the order of creation nor a global random state plays a part, so that adding a weight
    leaves the others as they were. Names that end in ``gamma`` or ``moving_variance`` become ones,
    ``bias``, ``beta``, ``amplitude`` and ``moving_mean`` zeros, ``filters`` of convolutions are
    drawn by their fan-in (He et al. 2015, equation 10), all others from a normal distribution
    truncated at two standard deviations, as in Google's BERT code (`transformers` does not
    truncate).

    Args:
        named_weights: weights by their stable names, as `named_weights()` of a model gives them.
        stddev: standard deviation before truncation; BERT's `initializer_range`.
        seed: any integer.
    """
    for name, variable in named_weights.items():
        kind = name.rpartition(".")[2]
        if kind in ("gamma", "moving_variance"):
            variable.assign(ops.ones(variable.shape, variable.dtype))
        elif kind in ("bias", "beta", "amplitude", "moving_mean"):
            variable.assign(ops.zeros(variable.shape, variable.dtype))
        elif kind == "filters":
            draw = keras.initializers.HeNormal(seed=_seed_of(name, seed))
            variable.assign(draw(variable.shape, variable.dtype))
        else:
            draw = keras.initializers.TruncatedNormal(stddev=stddev, seed=_seed_of(name, seed))
            variable.assign(draw(variable.shape, variable.dtype))


def _seed_of(name: str, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
