"""A network in float64, plainly in NumPy: what its float32 would be without rounding."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...batch import pieces
from ...images import MARGIN, Preprocess, batch_of
from ...network import Conv5x5, Dense, Network, Subsample2x2
from ...operations import AMPLITUDE, SLOPE

Array = NDArray[np.float64]

_VALUES = 1 << 18  # of images at once: their windows are 25 times as many


def scaled(images: ArrayLike, size: tuple[int, int, int], preprocess: Preprocess) -> Array:
    """Images as the first layer sees them, (n, channels, height, width); errors as of `as_batch`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch = batch_of(images, size, preprocess, check_finite=True)
    bright = (preprocess.white or 1.0) / 255 if batch.images.dtype == np.uint8 and not preprocess.per_image else 1.0
    scale, shift = (np.reshape(row, (-1, 1, 1)) for row in preprocess.per_channel(size[0]))
    found = np.empty((len(batch), *size))
    found[:] = preprocess.background * scale + shift
    height, width = batch.images.shape[2:]
    top, left = (size[1] - height) // 2, (size[2] - width) // 2
    assert {top, left} <= {0, MARGIN // 2}
    for part, pixels in batch.pieces():
        inner = found[part, :, top : top + height, left : left + width]
        inner[:] = pixels * np.float64(bright) * scale + shift
    return found


def scores(network: Network, weights: Mapping[str, NDArray[Any]], x: Array) -> Array:
    """Raw outputs (n, classes) for scaled images."""
    exact = {name: np.asarray(array, np.float64) for name, array in weights.items()}
    parts = [_scores(network, exact, x[part]) for part in pieces(x, _VALUES)]
    return np.concatenate(parts) if parts else np.empty((0, network.classes))


def _scores(network: Network, weights: Mapping[str, Array], x: Array) -> Array:
    for layer, figures in zip(network.layers, network.figures, strict=True):
        tensors = [weights[name] for name in figures.parameters]
        if isinstance(layer, Conv5x5):
            x = _conv5x5(x, layer.padding, *tensors)
        elif isinstance(layer, Subsample2x2):
            x = _subsample2x2(x, layer.pooling, *tensors)
        elif isinstance(layer, Dense):
            x = x.reshape(len(x), -1) @ tensors[0].T + tensors[1]
        else:
            x = ((x.reshape(len(x), 1, -1) - tensors[0]) ** 2).sum(axis=2)
        x = _activated(x, getattr(layer, "activation", "identity"), getattr(layer, "slope", None))
    return x.reshape(len(x), -1)


def _conv5x5(x: Array, padding: int, weight: Array, bias: Array) -> Array:
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3))
    sums = np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3)))
    return np.asarray(sums.transpose(0, 3, 1, 2) + bias[:, None, None])


def _subsample2x2(x: Array, pooling: str, *pair: Array) -> Array:
    n, maps, height, width = x.shape
    windows = x[:, :, : height // 2 * 2, : width // 2 * 2].reshape(n, maps, height // 2, 2, width // 2, 2)
    if pooling == "max":
        return np.asarray(windows.max((3, 5)))
    if pooling == "average":
        return np.asarray(windows.mean((3, 5)))
    coefficient, bias = (values[:, None, None] for values in pair)
    return np.asarray(windows.sum((3, 5)) * coefficient + bias)


def _activated(x: Array, activation: str, slope: float | None) -> Array:
    if activation == "scaled_tanh":
        return AMPLITUDE * np.tanh(SLOPE * x)
    if activation == "tanh":
        return np.tanh(x)
    if activation == "sigmoid":
        return 0.5 * (1 + np.tanh(0.5 * x))
    if activation in ("relu", "leaky_relu"):
        return np.where(x > 0, x, float(np.float32(slope or 0.0)) * x)
    return x
