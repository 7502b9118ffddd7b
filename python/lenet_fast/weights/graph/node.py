"""A graph as a reader hands it over: entries as the file has them, and a table from its operators to canonical ones.

A reader parses, and knows no more of what its operators compute than which canonical operators (`operators.OPERATORS`)
say the same. One entry of a file may be several canonical nodes, each fed by the one before: a convolution with a fused
activation is "conv", then "curve". Translating waits until the walker comes to the entry, so that what nothing needs
may be as strange as it likes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...operations import Array
from .flow import Flow

#: What a name in a graph stands for: the image's values on their way, a constant, or nothing (an absent input).
Value: TypeAlias = "Flow | NDArray[Any] | None"
#: The name of a value, in whatever form the format has names.
Key: TypeAlias = Hashable


@dataclass(frozen=True)
class Constant:
    """An array of the file: its name there, and how to get it, which is done when somebody needs it."""

    name: str
    load: Callable[[], Any]

    @classmethod
    def of(cls, name: str, array: Any) -> Constant:
        """A constant that is there already."""
        return cls(name, lambda: array)


class Node:
    """A canonical operator, its attributes (the keyword arguments of its function in `operators`), and constants.

    The first node of an entry is fed with the entry's inputs, every other one with the result of the node before;
    `constants` come behind these.
    """

    def __init__(self, op: str, *constants: Constant | None, **attributes: Any) -> None:
        self.op, self.constants, self.attributes = op, constants, attributes


@dataclass(frozen=True)
class Entry:
    """One operator of a file.

    Parameters
    ----------
    kind
        Its name in the format.
    where
        Its own name, for messages.
    inputs, output
        Keys of the values that it reads and of the one that it makes; what else it makes is `others`.
    settings
        Whatever the format says of it, for the reader's table.
    typed
        How this file spells the kind, where that differs.
    """

    kind: str
    where: str
    inputs: tuple[Key, ...]
    output: Key
    settings: Any = None
    others: tuple[Key, ...] = ()
    typed: str = ""


#: The canonical nodes that an entry stands for.
Translation: TypeAlias = "Callable[[Entry], Node | Sequence[Node]]"


def always(op: str, **attributes: Any) -> Translation:
    """A translation that does not depend on the entry's settings."""
    node = Node(op, **attributes)
    return lambda entry: node


@dataclass(frozen=True)
class Image:
    """The graph's input: its key and name, the shapes that it may have with the batch axis first, and its type."""

    key: Key
    name: str
    shapes: Sequence[tuple[int, ...]]
    is_uint8: bool = False


@dataclass(frozen=True)
class Graph:
    """What a file computes.

    Parameters
    ----------
    format
        Its name, for messages.
    image
        The one input.
    entries
        The operators, each behind those that it reads.
    table
        From the format's operators to canonical nodes.
    constants
        Arrays of the file by key.
    outputs
        Keys of what the graph is for; None where all of it is wanted.
    must_end_in_scores
        Whether maps larger than 1x1 at the end mean that something is missing: sizes are guessed, or the format's files
        are known to be cut.
    """

    format: str
    image: Image
    entries: Sequence[Entry]
    table: Mapping[str, Translation]
    constants: Mapping[Key, Constant] = field(default_factory=dict)
    outputs: Sequence[Key] | None = None
    must_end_in_scores: bool = False

    def live(self) -> list[Entry]:
        """The entries that an output depends on."""
        if self.outputs is None:
            return list(self.entries)
        wanted, found = set(self.outputs), []
        for entry in reversed(self.entries):
            if not wanted.isdisjoint((entry.output, *entry.others)):
                wanted.update(entry.inputs)
                found.append(entry)
        return found[::-1]


def as_floats(array: Any) -> Array:
    """The array in float64."""
    return np.asarray(array, np.float64)


def as_weights(array: Any) -> NDArray[Any]:
    """Kernels or connections as the file has them where that is float32, for they are large; else in float64."""
    given = np.asarray(array)
    if given.dtype in (np.float32, np.float64):
        return given
    charge("values", given.size)
    return as_floats(given)
