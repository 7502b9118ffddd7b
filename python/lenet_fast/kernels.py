"""The kernels on their own, for NumPy arrays: the code that runs inside every model, one layer at a time.

Arrays are float32 (others are converted), in NCHW order, and never written; results are new float32 arrays. Every
function gives the same bits on every instruction set, and releases the GIL while it computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import DefaultArithmetic, activate
from .images import unmasked
from .model import Model
from .network import RBF, Conv5x5, Dense, Layer, Network, Subsample2x2, sloped

Floats = NDArray[np.float32]


__all__ = [
    "conv5x5", "dense", "leaky_relu", "rbf_distances", "relu", "sigmoid", "squash", "subsample2x2", "tanh",
]  # fmt: skip


def __dir__() -> list[str]:
    """What is public."""
    return __all__


def conv5x5(
    maps: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    connections: Sequence[Sequence[int]] | None = None,
    padding: int = 0,
    activation: str = "identity",
    slope: float | None = None,
) -> Floats:
    """Valid 5x5 convolution (cross-correlation, as every framework computes it).

    Parameters
    ----------
    maps : (n, inputs, height, width)
    weight : (outputs, inputs, 5, 5)
        Zero where `connections` has none.
    bias : (outputs,)
        Zeros by default.
    connections
        For each output map, the ascending input maps that feed it; all by default.
    padding
        Zeros on every side, 0 to 4.
    activation, slope
        "identity", "scaled_tanh", "tanh", "sigmoid", "relu", or "leaky_relu" with its slope, 0 to 1.

    Returns
    -------
    (n, outputs, height + 2 padding - 4, width + 2 padding - 4) float32

    Raises
    ------
    ValueError
        If shapes do not fit, or a kernel is not 5x5.

    Examples
    --------
    >>> lenet_fast.kernels.conv5x5(np.ones((1, 1, 5, 5)), np.ones((1, 1, 5, 5)))[0, 0]
    array([[25.]], dtype=float32)
    """
    x, w = _floats("maps", maps, 4), _floats("weight", weight, 4)
    if w.shape[1:] != (x.shape[1], 5, 5):
        raise ValueError(
            f"weight: wanted (outputs, {x.shape[1]}, 5, 5), found {w.shape}; only 5x5 kernels are supported"
        )
    table = None if connections is None else tuple(map(tuple, connections))
    b = np.zeros(len(w), np.float32) if bias is None else _floats("bias", bias, 1)
    return _run(x, Conv5x5(len(w), activation, padding, table, slope), {"weight": w, "bias": b})


def subsample2x2(
    maps: ArrayLike,
    pooling: str = "average",
    *,
    coefficient: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    activation: str = "identity",
    slope: float | None = None,
) -> Floats:
    """2x2 subsampling with stride 2; an odd last row or column is left out.

    Parameters
    ----------
    maps : (n, maps, height, width)
    pooling
        "average", "max" or "trainable" (the 1998 layer: coefficient * sum of the four + bias).
    coefficient, bias : (maps,)
        For "trainable" only.
    activation, slope
        Applied after pooling; as in `conv5x5`.

    A maximum over NaN is not defined.

    Returns
    -------
    (n, maps, height // 2, width // 2) float32

    Raises
    ------
    ValueError
        If shapes do not fit, or coefficient and bias do not go with the kind of pooling.
    """
    x = _floats("maps", maps, 4)
    given = {"coefficient": coefficient, "bias": bias}
    if pooling == "trainable" and coefficient is None:
        raise ValueError("coefficient: wanted one value per map for trainable pooling, found none")
    if pooling != "trainable" and any(values is not None for values in given.values()):
        raise ValueError(f"coefficient and bias: wanted only with pooling='trainable', found them with {pooling!r}")
    if pooling == "trainable" and bias is None:
        given["bias"] = np.zeros(x.shape[1], np.float32)
    weights = {name: _floats(name, values, 1) for name, values in given.items() if values is not None}
    return _run(x, Subsample2x2(pooling, activation, slope), weights)


def dense(
    inputs: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    activation: str = "identity",
    slope: float | None = None,
) -> Floats:
    """Full connection: (n, inputs) and weight (outputs, inputs) -> (n, outputs) float32; bias (outputs,) or none."""
    x, w = _floats("inputs", inputs, 2), _floats("weight", weight, 2)
    b = np.zeros(len(w), np.float32) if bias is None else _floats("bias", bias, 1)
    return _run(x[:, :, None, None], Dense(len(w), activation, slope), {"weight": w, "bias": b})


def rbf_distances(inputs: ArrayLike, codes: ArrayLike) -> Floats:
    """Squared Euclidean distances (equation 7 of the paper): (n, inputs) and codes (classes, inputs) -> (n, classes).

    Examples
    --------
    >>> lenet_fast.kernels.rbf_distances([[1.0, 2.0]], [[1.0, 2.0], [0.0, 0.0]])
    array([[0., 5.]], dtype=float32)
    """
    x, w = _floats("inputs", inputs, 2), _floats("codes", codes, 2)
    return _run(x[:, :, None, None], RBF(len(w)), {"weight": w}, "rbf")


def squash(x: ArrayLike) -> Floats:
    """The paper's squashing function, 1.7159 tanh(2x/3), of each value (equation 6 and appendix A); any shape."""
    return _activated("scaled_tanh", x)


def tanh(x: ArrayLike) -> Floats:
    """Hyperbolic tangent of each value; any shape."""
    return _activated("tanh", x)


def sigmoid(x: ArrayLike) -> Floats:
    """1 / (1 + exp(-x)) of each value; any shape."""
    return _activated("sigmoid", x)


def relu(x: ArrayLike) -> Floats:
    """max(x, 0) of each value; any shape."""
    return _activated("relu", x)


def leaky_relu(x: ArrayLike, slope: float) -> Floats:
    """max(x, slope x) of each value, for slopes from 0 to 1; any shape."""
    name, checked = sloped("leaky_relu", slope)
    return _activated(name, x, checked)


def _activated(name: str, x: ArrayLike, slope: float = 0.0) -> Floats:
    floats = _floats("x", x)
    with DefaultArithmetic():
        return activate(name, floats, slope)


def _floats(name: str, values: ArrayLike, axes: int | None = None) -> Floats:
    array = np.asarray(unmasked(name, values))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: wanted real numbers, found {array.dtype}")
    if axes is not None and array.ndim != axes:
        raise ValueError(f"{name}: wanted {axes} axes, found {array.ndim}, {array.shape}")
    with DefaultArithmetic():
        return array.astype(np.float32, copy=False)


def _run(x: Floats, layer: Layer, weights: dict[str, Floats], head: str = "scores") -> Floats:
    """A network of one layer, its pixels taken as they are."""
    channels, height, width = x.shape[1:]
    network = Network((channels, height, width), (layer,), head)
    (figures,) = network.figures
    named: dict[str, Any] = {f"{figures.name}.{name}": values for name, values in weights.items()}
    outputs: Floats = np.empty((len(x), *figures.output), np.float32)
    Model(network, named)._plan.run(x, layers=[(0, outputs)])
    return outputs[:, :, 0, 0] if isinstance(layer, (Dense, RBF)) else outputs
