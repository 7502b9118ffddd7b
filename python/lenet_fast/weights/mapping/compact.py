"""C3 without gaps: of the kernels behind a connection table a file keeps only those that there are.

Table I of the paper has 60 kernels where a full connection would have 96. Trainers that compute only these keep one
tensor of 60, one per group of maps with as many inputs (6 of 3, 9 of 4, 1 of 6), or one per map. Which input map a
kernel belongs to is not stored: it may be their ascending order, or the paper's, whose neighbours wrap round.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import OpenQuestionError
from ..source import Tensors
from .answers import COMPACT
from .places import Filled, Place, Table

_WRAPPED = {
    (0, 4, 5): (4, 5, 0),
    (0, 1, 5): (5, 0, 1),
    (0, 3, 4, 5): (3, 4, 5, 0),
    (0, 1, 4, 5): (4, 5, 0, 1),
    (0, 1, 2, 5): (5, 0, 1, 2),
}


def without_gaps(table: Table, tensors: Tensors) -> tuple[str, ...]:
    """Tensors that together hold one kernel per connection: one per map, per group of maps, or one in all."""
    counts = [len(row) for row in table]
    run: list[str] = []
    at = 0
    for name, array in tensors.items():
        if array.shape in ((sum(counts), 5, 5), (sum(counts), 1, 5, 5)):
            return (name,)
        if array.ndim == 4 and array.shape[2:] == (5, 5) and at < len(counts):
            maps, inputs = array.shape[:2]
            if at + maps <= len(counts) and all(count == inputs for count in counts[at : at + maps]):
                run.append(name)
                at += maps
    return tuple(run) if at == len(counts) and len(run) > 1 else ()


def from_compact(place: Place, pool: Tensors, order: str | None) -> Filled | None:
    """The kernel with zeros in its gaps; None if the file has none without gaps."""
    names = without_gaps(place.table, pool)
    if not names:
        return None
    if order is None and any(row in _WRAPPED for row in place.table):
        _ask(names[0])
    kernels = np.concatenate([pool.pop(name).reshape(-1, 5, 5) for name in names])
    return Filled(_spread(kernels, place.table, order == "wrapped"), names)


def _spread(kernels: NDArray[Any], table: Table, is_wrapped: bool) -> NDArray[Any]:
    """(connections, 5, 5) -> (outputs, inputs, 5, 5)."""
    inputs = 1 + max(max(row) for row in table)
    spread = np.zeros((len(table), inputs, 5, 5), kernels.dtype)
    at = 0
    for output, row in enumerate(table):
        ordered = _WRAPPED.get(row, row) if is_wrapped else row
        spread[output, list(ordered)] = kernels[at : at + len(row)]
        at += len(row)
    return spread


def _ask(source: str) -> NoReturn:
    wanted = "to know which input map each kernel of the connection table belongs to"
    way_out = "pass compact='ascending' if they are in the order of the input maps (0, 4, 5), compact='wrapped' if neighbours wrap round (4, 5, 0)"  # noqa: E501
    raise OpenQuestionError(source, wanted, "kernels without gaps", way_out, keyword="compact", choices=COMPACT)
