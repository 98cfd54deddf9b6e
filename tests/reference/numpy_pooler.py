"""AdapterPooler's arithmetic in NumPy, written from the formulas and not from our layers."""

import numpy as np
from scipy.special import erf


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def mixed(states, weights, gamma):
    """gamma * sum_l softmax(w)_l X_l of (batch, time, layers, width)."""
    shares = np.exp(weights) / np.exp(weights).sum()
    return gamma * sum(share * states[:, :, place] for place, share in enumerate(shares))


def projected(states, kernel, bias, activation):
    """Each layer through its own kernel, or all through one."""
    layers = []
    for place in range(states.shape[2]):
        own = (kernel, bias) if kernel.ndim == 2 else (kernel[place], bias[place])
        layers.append(activation(states[:, :, place] @ own[0] + own[1]))
    return np.stack(layers, axis=2)


def unit_by_unit(layers):
    """Unit 0 of all layers, then unit 1 of all layers, and so on."""
    units = [layers[:, :, place, unit]
             for unit in range(layers.shape[3]) for place in range(layers.shape[2])]
    return np.stack(units, axis=-1)
