"""The places of a network that arrays can fill, each one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ...network import RBF, Conv5x5, Dense, Layer, Network, Subsample2x2

Table: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Place:
    """A layer's kernel, still to be found.

    Parameters
    ----------
    layer
        Of the network: a convolution, a full connection or RBF units.
    name, shape
        Of its kernel.
    bias
        The name of its bias; "" for RBF units.
    before
        (maps, height, width) that it reads.
    is_behind_dense
        Whether a full connection comes before it.
    """

    layer: Layer
    name: str
    shape: tuple[int, ...]
    bias: str
    before: tuple[int, int, int]
    is_behind_dense: bool

    @property
    def table(self) -> Table:
        """The connection table; empty where all is connected."""
        return (self.layer.connections or ()) if isinstance(self.layer, Conv5x5) else ()

    @property
    def takes_all(self) -> bool:
        """Whether it reads its maps whole: a full connection, or a convolution as large as they are."""
        return len(self.shape) == 2 or self.before[1:] == (5, 5)


@dataclass(frozen=True)
class Filled:
    """The array for a place, in our order of axes, and the names that it had in the file, or what it is instead."""

    array: NDArray[Any]
    names: tuple[str, ...]

    @property
    def source(self) -> str:
        return ", ".join(self.names)


def places(network: Network) -> list[Place]:
    """The kernels of a network, in the order of its layers."""
    found: list[Place] = []
    before, is_behind_dense = network.input, False
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if not isinstance(layer, Subsample2x2):
            (name, shape), *others = figures.parameters.items()
            bias = "" if isinstance(layer, RBF) else others[0][0]
            found.append(Place(layer, name, shape, bias, before, is_behind_dense))
        before = figures.output
        is_behind_dense = is_behind_dense or isinstance(layer, Dense)
    return found
