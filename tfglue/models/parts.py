"""Keras layers that exist once they are made, and the names of their weights."""

from collections.abc import Mapping

import keras

from tfglue.models.initialization import kernel_initializer


def linear(
    name: str, input_dim: int, output_dim: int, stddev: float, dtype, use_bias: bool = True
) -> keras.layers.Dense:
    """A built linear layer; its kernel starts from a normal distribution cut at two `stddev`."""
    dense = keras.layers.Dense(
        output_dim,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer(stddev),
        dtype=dtype,
        name=name,
    )
    dense.build((None, None, input_dim))
    return dense


def layer_norm(
    name: str, hidden_dim: int, epsilon: float, dtype
) -> keras.layers.LayerNormalization:
    """A built LayerNorm over the last axis, gamma one and beta zero."""
    norm = keras.layers.LayerNormalization(epsilon=epsilon, dtype=dtype, name=name)
    norm.build((None, None, hidden_dim))
    return norm


def weights_of(parts: Mapping[str, keras.layers.Layer]) -> dict[str, keras.Variable]:
    """Weights of named layers by stable names, such as ``attention.query.kernel``.

    Args:
        parts: name -> a linear layer, a LayerNorm, or a layer of ours with `named_weights`.
    """
    weights = {}
    for prefix, part in parts.items():
        if isinstance(part, keras.layers.Dense):
            own = {"kernel": part.kernel} | ({"bias": part.bias} if part.use_bias else {})
        elif isinstance(part, keras.layers.LayerNormalization):
            own = {"gamma": part.gamma, "beta": part.beta}
        else:
            own = part.named_weights()
        weights |= {f"{prefix}.{name}": weight for name, weight in own.items()}
    return weights
