"""What a reader makes of a file: named arrays, or a whole graph, and the habits of the framework it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from .graph.trace import Trace
    from .said import Said

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Layout:
    """The orders in which a framework keeps its arrays; None where that is not known.

    Parameters
    ----------
    kernels
        Axes of a convolution's kernels: O outputs, I inputs, H rows, W columns, such as "OIHW" or "HWIO".
    dense
        Axes of a full connection: "OI" or "IO".
    flatten
        Order in which maps become a vector: "CHW" or "HWC".
    """

    kernels: str | None = None
    dense: str | None = None
    flatten: str | None = None


TORCH = Layout("OIHW", "OI", "CHW")
KERAS = Layout("HWIO", "IO", "HWC")
PADDLE = Layout("OIHW", "IO", "CHW")
UNKNOWN = Layout()


@dataclass
class Source:
    """The contents of a file.

    Parameters
    ----------
    format
        Its name, for messages: "ONNX", "PyTorch".
    tensors
        Named arrays, in the file's order. Empty where there is a graph.
    layout
        How the arrays lie.
    trace
        The graph, where the format has one.
    metadata
        Text that travels with the file.
    said
        What else the file says of its network, by the places that say it.
    fixed_point
        Names of the arrays whose whole numbers stand for fractions, of how many bits the file does not tell.
    """

    format: str
    tensors: Tensors = field(default_factory=dict)
    layout: Layout = UNKNOWN
    trace: Trace | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    said: Sequence[Said] = ()
    fixed_point: frozenset[str] = frozenset()
