"""Convolutions along one axis in float64, written from their definitions."""

import numpy as np


def convolved(image, filters, strides=1, padding="valid"):
    """(batch, units, channels) by filters (width, channels, outputs)."""
    width = len(filters)
    if padding == "same":
        image = padded(image, width, strides, 0.0)
    starts = range(0, image.shape[1] - width + 1, strides)
    return np.stack(
        [np.einsum("bwc,wco->bo", image[:, s : s + width], filters) for s in starts], axis=1
    )


def separable(image, depthwise, pointwise):
    """Every channel by its own filter (3, channels, 1), then all channels of a unit together."""
    around = padded(image, 3, 1, 0.0)
    units = image.shape[1]
    alone = sum(around[:, k : k + units] * depthwise[k, :, 0] for k in range(3))
    return alone @ pointwise[0]


def normalised(image, gamma, beta, mean, variance, epsilon=1e-3):
    return (image - mean) / np.sqrt(variance + epsilon) * gamma + beta


def pooled(image, how):
    """Windows of three, every second unit; the mean is over what is not padding."""
    fill = {"mean": np.nan, "max": -np.inf}[how]
    around = padded(image, 3, 2, fill)
    windows = [around[:, s : s + 3] for s in range(0, around.shape[1] - 2, 2)]
    return np.stack([np.nanmean(w, axis=1) if how == "mean" else w.max(axis=1) for w in windows],
                    axis=1)


def padded(image, width, strides, fill):
    """So that there are as many windows as units (rounded up) over strides; the odd one behind."""
    units = image.shape[1]
    windows = -(-units // strides)
    missing = max((windows - 1) * strides + width - units, 0)
    edges = ((0, 0), (missing // 2, missing - missing // 2), (0, 0))
    return np.pad(image, edges, constant_values=fill)
