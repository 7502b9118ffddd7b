"""The elementary operations that every framework has: the language between our layers and other people's graphs.

`plain` writes a model in it, for exporters; `weights.recognise` makes a model of what a file's graph says in it. Maps
lie (n, map, row, column); weights are float64, for whoever needs float32 to round once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import network

if TYPE_CHECKING:
    from .model import Model

Array: TypeAlias = NDArray[Any]

AMPLITUDE, SLOPE = 1.7159, 2 / 3  # of the paper's squashing function


@dataclass(frozen=True)
class Conv:
    """Cross-correlation: weight (maps, inputs / groups, k, k), bias (maps,)."""

    weight: Array
    bias: Array
    padding: int = 0
    stride: int = 1
    groups: int = 1


@dataclass(frozen=True)
class Pool:
    """2x2 windows with stride 2, "average" or "max"."""

    kind: str


@dataclass(frozen=True)
class Affine:
    """x * scale + shift, both () or one per map."""

    scale: Array
    shift: Array

    def then(self, other: Affine) -> Affine:
        """One affine for the two, the other behind it."""
        return Affine(self.scale * other.scale, self.shift * other.scale + other.shift)


@dataclass(frozen=True)
class Curve:
    """Element by element: "tanh", "sigmoid", "relu" or "leaky_relu" with its slope below zero."""

    kind: str
    slope: float = 0.0

    def of(self, x: Any) -> Any:
        """What it makes of a number or an array."""
        return _CURVES[self.kind](x, self.slope)


#: What the family has, for messages.
ACTIVATIONS = "tanh, scaled tanh, sigmoid, relu, leaky relu or none"
_CURVES: dict[str, Callable[[Any, float], Any]] = {
    "tanh": lambda x, slope: np.tanh(x),
    "sigmoid": lambda x, slope: 1 / (1 + np.exp(-x)),
    "relu": lambda x, slope: np.maximum(x, 0.0),
    "leaky_relu": lambda x, slope: np.maximum(x, slope * x),
}


@dataclass(frozen=True)
class Flatten:
    """(maps, rows, columns) -> values, in this order."""

    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Dense:
    """Full connection: weight (outputs, inputs), bias (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Distances:
    """Squared distances of amplitude * x to codes (classes, inputs)."""

    codes: Array
    amplitude: float = 1.0

    def expanded(self) -> tuple[Dense, Dense]:
        """Two full connections, of x and of its squares, whose sum is the distances: the fastest way to get them."""
        product = Dense(-2 * self.amplitude * self.codes, (self.codes**2).sum(1))
        square = Dense(np.full_like(self.codes, self.amplitude**2), np.zeros(len(self.codes)))
        return product, square


@dataclass(frozen=True)
class Softmax:
    """Over the classes."""


Operation: TypeAlias = Conv | Pool | Affine | Curve | Flatten | Dense | Distances | Softmax


def plain(model: Model) -> list[Operation]:
    """Layer by layer."""
    operations: list[Operation] = []
    maps, flat = model.network.input, False
    for layer, figures in zip(model.network.layers, model.network.figures, strict=True):
        if isinstance(layer, (network.Dense, network.RBF)) and not flat:
            operations.append(Flatten(maps))
            flat = True
        tensors = [model.weights[name].astype(np.float64) for name in figures.parameters]
        operations += _written(layer, tensors)
        maps = figures.output
    operations += [] if flat else [Flatten(maps)]
    has_choice = model.network.head == "softmax" and model.network.classes > 1  # of one output it would always be 1
    return operations + [Softmax()] * has_choice


def _written(layer: network.Layer, tensors: list[Array]) -> list[Operation]:
    match layer:
        case network.Conv5x5(_, _, padding):
            return [Conv(tensors[0], tensors[1], padding), *_activation(layer)]
        case network.Subsample2x2("trainable"):
            return [Pool("average"), Affine(4 * tensors[0], tensors[1]), *_activation(layer)]
        case network.Subsample2x2(pooling):
            return [Pool(pooling), *_activation(layer)]
        case network.Dense():
            return [Dense(tensors[0], tensors[1]), *_activation(layer)]
        case network.RBF():
            return [Distances(tensors[0])]


def _activation(layer: network.Conv5x5 | network.Subsample2x2 | network.Dense) -> list[Operation]:
    if layer.activation == "scaled_tanh":
        return [_scaling(SLOPE), Curve("tanh"), _scaling(AMPLITUDE)]
    return [] if layer.activation == "identity" else [Curve(*network.sloped(layer.activation, layer.slope))]


def _scaling(factor: float) -> Affine:
    return Affine(np.array(factor), np.array(0.0))
