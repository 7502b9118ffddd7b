"""The LeNet family as data: layers as dataclasses, a network as a short sequence of them.

The dataclasses hold what a user writes; shapes, names and counts are inferred and checked once, by the C++ core, when a
`Network` is made. Layers are numbered as in the paper: C1, S2, C3, ..., F6, output.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from operator import index
from types import NoneType
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from ._core import Network as CoreNetwork
from .errors import shown

Activation: TypeAlias = str  # "identity", "scaled_tanh", "tanh", "sigmoid", "relu" or "leaky_relu"


@dataclass(frozen=True)
class Conv5x5:
    """Valid 5x5 convolution (cross-correlation) with bias.

    Parameters
    ----------
    maps
        Number of output feature maps.
    activation
        "identity", "scaled_tanh" (1.7159 tanh(2x/3), the paper's squashing function), "tanh", "sigmoid", "relu" or
        "leaky_relu" (max(x, slope x)).
    padding
        Rows and columns of zeros on every side of the input, 0 to 4.
    connections
        Which input maps feed each output map, one ascending tuple per map; None connects all (Table I of the paper
        is an example: `lenet_fast.networks()["lenet5-1998"]`).
    slope
        Of "leaky_relu" below zero, 0 to 1; None for other activations.
    """

    maps: int
    activation: Activation = "identity"
    padding: int = 0
    connections: tuple[tuple[int, ...], ...] | None = None
    slope: float | None = None

    def __post_init__(self) -> None:
        if self.connections is not None:
            wanted = "one row of input maps per map, or None"
            given = [items("connections", row, wanted) for row in items("connections", self.connections, wanted)]
            rows = tuple(tuple(whole_number("connections", i) for i in row) for row in given)
            object.__setattr__(self, "connections", rows)


@dataclass(frozen=True)
class Subsample2x2:
    """2x2 windows with stride 2; an odd last row or column is left out.

    Parameters
    ----------
    pooling
        "trainable" (the sum of the four values, times a coefficient, plus a bias, one pair per map: the 1998 layer;
        the coefficient is on the sum, not on the mean), "average" or "max".
    activation, slope
        As for `Conv5x5`, applied after pooling.
    """

    pooling: str = "trainable"
    activation: Activation = "identity"
    slope: float | None = None


@dataclass(frozen=True)
class Dense:
    """Full connection with bias; reads feature maps in the order (map, row, column)."""

    units: int
    activation: Activation = "identity"
    slope: float | None = None


@dataclass(frozen=True)
class RBF:
    """Squared Euclidean distance to one code per class (equation 7 of the paper): the smallest wins."""

    classes: int = 10


Layer: TypeAlias = Conv5x5 | Subsample2x2 | Dense | RBF


class LayerFigures(NamedTuple):
    """What the paper's tables say of one layer."""

    name: str
    output: tuple[int, int, int]  # (maps, height, width)
    trainable: int
    fixed: int
    connections: int
    multiply_adds: int
    parameters: dict[str, tuple[int, ...]]  # tensor name -> shape


@dataclass(frozen=True)
class Network:
    """A network of the family; raises ValueError if its layers do not fit the input or each other.

    Parameters
    ----------
    input
        (channels, height, width) of the images.
    layers
        `Conv5x5`, `Subsample2x2`, `Dense` and `RBF` in order; dense layers come last.
    head
        How outputs become labels and probabilities: "rbf" (smallest distance; softmax of the negated distances),
        "softmax" or "scores" (largest output; softmax of the outputs).

    Examples
    --------
    >>> network = lenet_fast.Network((1, 8, 8), (lenet_fast.Conv5x5(2, "tanh"), lenet_fast.Dense(10)), "softmax")
    >>> network.parameters["F2.weight"]
    (10, 32)
    """

    input: tuple[int, int, int]
    layers: tuple[Layer, ...]
    head: str
    figures: tuple[LayerFigures, ...] = field(init=False, repr=False, compare=False)
    core: CoreNetwork = field(init=False, repr=False, compare=False)

    _KINDS: ClassVar[dict[str, type[Layer]]] = {kind.__name__: kind for kind in (Conv5x5, Subsample2x2, Dense, RBF)}

    def __post_init__(self) -> None:
        size = tuple(whole_number("input", n) for n in items("input", self.input, "(channels, height, width)"))
        if len(size) != 3:
            raise ValueError(f"input: wanted (channels, height, width), found {shown(self.input)}")
        layers = items("layers", self.layers, "a sequence of layers")
        core = CoreNetwork(size, [_as_tuple(layer) for layer in layers], word("head", self.head))
        object.__setattr__(self, "input", size)
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "core", core)
        object.__setattr__(self, "figures", tuple(LayerFigures(*row) for row in core.figures()))

    def __reduce__(self) -> tuple[Any, ...]:
        return Network, (self.input, self.layers, self.head)

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor that the network is made of, fixed RBF codes included."""
        return {name: shape for layer in self.figures for name, shape in layer.parameters.items()}

    @property
    def classes(self) -> int:
        """Number of classes: the values of the last layer."""
        maps, height, width = self.figures[-1].output
        return maps * height * width

    def to_dict(self) -> dict[str, Any]:
        """The network as JSON-ready data, which `from_dict` reads back."""
        layers = [{"kind": type(layer).__name__, **asdict(layer)} for layer in self.layers]
        for layer in layers:
            layer.update({name: value.item() for name, value in layer.items() if isinstance(value, np.generic)})
            if layer.get("slope", 0) is None:  # as files before it was there have it
                del layer["slope"]
        return {"input": list(self.input), "layers": layers, "head": self.head}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Network:
        """Make a network from `to_dict`'s data; ValueError or TypeError says what does not fit."""
        _check_keys("network", data, {"input", "layers", "head"})
        return cls(tuple(data["input"]), tuple(cls._layer(layer) for layer in data["layers"]), data["head"])

    @classmethod
    def _layer(cls, data: Mapping[str, Any]) -> Layer:
        kind = cls._KINDS.get(data.get("kind", ""))
        if kind is None:
            raise ValueError(f"layer: wanted a kind of {', '.join(cls._KINDS)}, found {shown(data.get('kind'))}")
        values = {name: value for name, value in data.items() if name != "kind"}
        _check_keys(kind.__name__, values, {f.name for f in fields(kind)})
        return kind(**values)

    def summary(self) -> str:
        """Return the table of layers: maps, size, kernel, trainable parameters and connections, with totals."""
        rows = [("layer", "maps", "size", "kernel", "trainable", "fixed", "connections")]
        maps, height, width = self.input
        rows.append(("input", f"{maps}", f"{height}x{width}", "", "", "", ""))
        for layer, figures in zip(self.layers, self.figures, strict=True):
            maps, height, width = figures.output
            rows.append(
                (
                    f"{figures.name} {_title(layer)}".replace("output ", "output: "),
                    f"{maps:,}",
                    f"{height}x{width}",
                    {"Conv5x5": "5x5", "Subsample2x2": "2x2"}.get(type(layer).__name__, ""),
                    f"{figures.trainable:,}",
                    f"{figures.fixed:,}" if figures.fixed else "",
                    f"{figures.connections:,}",
                )
            )
        trainable, fixed, connections = (
            sum(getattr(f, name) for f in self.figures) for name in ("trainable", "fixed", "connections")
        )
        rows.append(("total", "", "", "", f"{trainable:,}", f"{fixed:,}" if fixed else "", f"{connections:,}"))
        return _table(rows)


def _as_tuple(layer: Layer) -> tuple[Any, ...]:
    """A layer as the core takes it: the kind, then the fields in order."""
    match layer:
        case Conv5x5(maps, activation, padding, connections, slope):
            rows = [list(row) for row in connections or ()]
            if connections is not None and not rows:
                raise ValueError("connections: wanted one row per map or None, found an empty tuple; None connects all")
            counts = whole_number("maps", maps), whole_number("padding", padding)
            return "Conv5x5", counts[0], sloped(activation, slope), counts[1], rows
        case Subsample2x2(pooling, activation, slope):
            return "Subsample2x2", word("pooling", pooling), sloped(activation, slope)
        case Dense(units, activation, slope):
            return "Dense", whole_number("units", units), sloped(activation, slope)
        case RBF(classes):
            return "RBF", whole_number("classes", classes)
    raise TypeError(f"layer: wanted Conv5x5, Subsample2x2, Dense or RBF, found {type(layer).__name__}")


def sloped(activation: str, slope: float | None) -> tuple[str, float]:
    """An activation as the core takes it: its name, and the slope that goes with it or 0."""
    activation = word("activation", activation)
    is_leaky = activation == "leaky_relu"
    if is_leaky and slope is None:
        raise ValueError(
            "slope: wanted a number from 0 to 1 with 'leaky_relu', found none; "
            "give slope= to the layer of a lenet_fast.Network or to the kernel (PyTorch takes 0.01, Keras 0.3)"
        )
    if slope is not None and not is_leaky:
        found = f"{shown(slope)} with {shown(activation)}"
        raise ValueError(f"slope: wanted with 'leaky_relu' only, found {found}; leave it out")
    if not isinstance(slope, (int, float, np.integer, np.floating, NoneType)) or isinstance(slope, bool):
        raise TypeError(f"slope: wanted a number, found {shown(slope)}")
    if slope is not None and not 0 <= slope <= 1:
        raise ValueError(f"slope: wanted a number from 0 to 1, found {shown(slope)}")
    return activation, float(slope or 0.0)


def whole_number(name: str, value: Any) -> int:
    """`value` as an int that fits the core's, or a sentence."""
    try:
        number = index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name}: wanted a whole number, found {shown(value)}")
    if abs(number) >= 1 << 31:
        raise ValueError(f"{name}: wanted a number below {1 << 31}, found {shown(number)}")
    return number


def word(name: str, value: Any) -> str:
    """`value` as the core takes it, which shows it where it knows no such word: short, and on one line."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: wanted a word, found {shown(value)}")
    return value if value.isidentifier() and len(value) < 40 else shown(value)[1:-1]


def items(name: str, value: Any, wanted: str) -> tuple[Any, ...]:
    """`value` as a tuple, if it is a row of things and no text."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name}: wanted {wanted}, found {shown(value)}")
    return tuple(value)


def _check_keys(what: str, data: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(data) - known, key=str):
        raise ValueError(f"{what}: wanted {', '.join(sorted(known))}, found {shown(unknown[0])}")
    if what == "network" and (missing := sorted(known - set(data))):
        raise ValueError(f"{what}: wanted {', '.join(sorted(known))}, found no {missing[0]!r}")


def _title(layer: Layer) -> str:
    match layer:
        case Conv5x5(_, activation, padding, connections, slope):
            notes = [f"padding {padding}"] * bool(padding) + ["connection table"] * bool(connections)
            return ", ".join([f"convolution, {_shown(activation, slope)}", *notes])
        case Subsample2x2(pooling, activation, slope):
            return f"{pooling} subsampling" + (f", {_shown(activation, slope)}" if activation != "identity" else "")
        case Dense(_, activation, slope):
            return f"full connection, {_shown(activation, slope)}"
        case RBF():
            return "RBF distances"


def _shown(activation: str, slope: float | None) -> str:
    return activation if slope is None else f"{activation} {slope:g}"


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, the first one flush left, the others flush right."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
