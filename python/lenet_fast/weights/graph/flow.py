"""Values on their way through a graph, as numbers that say where they come from.

Trainers flatten, transpose, pad, squeeze and reshape in every order they can think of. Instead of knowing those
patterns, a `Flow` carries for every place of an array the number of the value that lies there: what a graph does to
shapes is done to these numbers by NumPy itself. A full connection then reads off which weight belongs to which value,
whatever the layout, and a convolution sees whether its input is whole maps in order, and how wide a border of zeros
they have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...operations import Array

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Codes:
    """RBF codes that were subtracted: one value per place, and the names of their tensor in the file."""

    values: Array
    tensors: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Flow:
    """Values on their way from one operation to the next.

    Parameters
    ----------
    index
        Which value of the last operation's output lies at each place, with a batch axis of 1 where the graph has one;
        -1 stands for `fill`.
    stage
        How many operations came before.
    codes
        Where RBF codes were subtracted, and `squared` whether the differences were squared since.
    """

    index: Index
    stage: int
    fill: float = 0.0
    codes: Codes | None = None
    squared: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    def rearranged(self, index: Index) -> Flow:
        """The same values in other places."""
        return replace(self, index=index)
