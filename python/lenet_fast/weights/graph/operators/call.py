"""What an operator's function gets: the values that it reads, and their names in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....errors import refuse
from ....operations import Array
from ..flow import Flow
from ..node import Value, as_floats

BRANCHES = "residual and branching graphs are not supported"


@dataclass(frozen=True)
class Call:
    """One canonical node with the values of its inputs; `names` has "" for what has no name in the file."""

    kind: str  # the operator, as the format calls it
    where: str
    values: tuple[Value, ...]
    names: tuple[str, ...] = ()

    def flow(self) -> Flow:
        """The one input that depends on the image; an operator that joins two is refused."""
        flows = [value for value in self.values if isinstance(value, Flow)]
        if len(flows) != 1:
            refuse(self.where, "layers in one row", f"{self.kind}, an operator that joins two branches", BRANCHES)
        return flows[0]

    def given(self, place: int) -> NDArray[Any] | None:
        """A constant input, None where it is absent."""
        value = self.values[place] if place < len(self.values) else None
        if isinstance(value, Flow):
            refuse(self.where, "layers in one row", f"{self.kind}, an operator that joins two branches", BRANCHES)
        return value

    def constant(self, place: int) -> NDArray[Any]:
        """A constant input that has to be there."""
        value = self.given(place)
        if value is None:
            raise ValueError(f"{self.where}: {self.kind} without its input {place}")
        return value

    def floats(self, place: int) -> Array | None:
        """A constant input in float64, None where it is absent."""
        value = self.given(place)
        return None if value is None else as_floats(value)

    def other(self) -> Array:
        """The constant that stands beside the values, in float64."""
        constants = [value for value in self.values if isinstance(value, np.ndarray)]
        if len(constants) != 1:
            refuse(
                self.where, "one constant beside the values", f"{self.kind} of {len(constants)}", "fold them into one"
            )
        return as_floats(constants[0])

    def numbers(self, place: int) -> list[int]:
        """A constant input as a list of whole numbers."""
        return [int(n) for n in np.ravel(self.constant(place))]

    def axes(self, given: Sequence[int] | None, ndim: int) -> list[int]:
        """Axes that are an attribute, or input 1, or all of them."""
        if given is None:
            given = range(ndim) if self.given(1) is None else self.numbers(1)
        return [int(axis) % ndim for axis in given]

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the constants."""
        pairs = zip(self.values, self.names, strict=False)
        return tuple(name for value, name in pairs if isinstance(value, np.ndarray) and name)


@dataclass(frozen=True)
class Operator:
    """What a canonical operator does.

    Parameters
    ----------
    flow
        To the image's values: (trace, call, **attributes) -> Flow, or an array that is known without them (a shape).
    fold
        To constants alone: (call, **attributes) -> array.
    size
        How many values folding makes at most: (call, **attributes) -> int, 0 where they only get other places; as many
        as it reads, where None.
    keeps_name
        Whether what folding makes is the same tensor in another form, and goes by its name.
    """

    flow: Callable[..., Value] | None = None
    fold: Callable[..., Any] | None = None
    size: Callable[..., int] | None = None
    keeps_name: bool = False


def no_values(call: Call, **attributes: Any) -> int:
    """The size of what is only another view of the same values."""
    return 0


def copied_values(call: Call, **attributes: Any) -> int:
    """The size of a reshaped constant, which is a copy where its values lie in another order."""
    array = call.constant(0)
    return 0 if array.flags.c_contiguous else array.size
