"""The array for one layer's kernel.

Of the arrays that read as the kernel in some order of axes, the first of the file is taken. Where by number another one
comes first, or where it reads in several ways that differ, the user has to say more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...codes import rbf_codes
from ...errors import refuse
from ...network import RBF
from ..names import natural
from ..source import UNKNOWN, Layout, Tensors
from .axes import as_dense, as_kernels, unflattened
from .compact import from_compact
from .places import Filled, Place, Table

_VISITS, _COMPARED = 10, 256  # to read an array; values that are compared in the time of one visit


def kernel(place: Place, pool: Tensors, layout: Layout, compact: str | None) -> Filled:
    """The kernel, taken out of the pool; `compact` is the order of kernels without gaps, if it is known."""
    if isinstance(place.layer, RBF):
        return _codes(place, pool)
    if place.table and (filled := from_compact(place, pool, compact)):
        return filled
    source, readings = _first(place, pool, layout)
    if len(readings) > 1:
        found = f"shape {pool[source].shape}, which reads in {len(readings)} ways as {place.name}"
        way_out = "export the model to ONNX, or transpose the arrays to (outputs, inputs, rows, columns) and (outputs, inputs) and name them as lenet_fast does"  # noqa: E501
        refuse(source, "axes whose order can be told", found, way_out)
    del pool[source]
    return Filled(masked(readings[0], place.table), (source,))


def masked(weight: NDArray[Any], table: Table) -> NDArray[Any]:
    """Zeros where the connection table has no connection: what was left there by an initialisation never took part."""
    if not table:
        return weight
    mask = np.zeros((*weight.shape[:2], 1, 1), bool)
    for output, inputs in enumerate(table):
        mask[output, list(inputs)] = True
    return np.where(mask, weight, np.zeros((), weight.dtype))


def _codes(place: Place, pool: Tensors) -> Filled:
    """The file's RBF codes, or the paper's."""
    for source, array in pool.items():
        readings = _different(as_dense(array, place.shape, UNKNOWN))
        if len(readings) == 1:
            del pool[source]
            return Filled(readings[0], (source,))
    if place.shape != (10, 84):
        refuse("output.weight", f"RBF codes of shape {place.shape}", "none", "put them into the file")
    return Filled(rbf_codes(), ("the paper's codes",))


def _first(place: Place, pool: Tensors, layout: Layout) -> tuple[str, list[NDArray[Any]]]:
    """The array that comes first in the file, if by number it does so too, and its readings."""
    read = {source: _different(_readings(place, array, layout, source)) for source, array in pool.items()}
    found = [source for source, readings in read.items() if readings]
    if not found:
        _refuse_all(place, pool)
    by_number = min(found, key=natural)
    if found[0] != by_number:
        refuse(
            place.name,
            f"one tensor of shape {place.shape}",
            f"{found[0]!r} first in the file and {by_number!r} first by name",
            "pass the right ones, under lenet_fast's names, to lenet_fast.from_state_dict",
        )
    return found[0], read[found[0]]


def _readings(place: Place, array: NDArray[Any], layout: Layout, source: str) -> list[NDArray[Any]]:
    """The kernel in every way in which the array can be it.

    A full connection of maps may be stored as a convolution as large as they are, and the other way round.
    """
    charge("visits", _VISITS)
    outputs, _, height, width = place.shape[0], *place.before
    readings = as_kernels(array, place.shape, layout)
    if place.takes_all and height == width and not place.is_behind_dense:
        readings += as_kernels(array, (outputs, *place.before), layout)
    if place.takes_all:
        flat = as_dense(array, (outputs, math.prod(place.shape[1:])), layout)
        readings += [unflattened(weight, place.before, layout.flatten, source) for weight in flat]
    return [reading.reshape(place.shape) for reading in readings]


def _different(readings: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
    kept: list[NDArray[Any]] = []
    for reading in readings:
        charge("visits", len(kept) * reading.size // _COMPARED)
        if not any(np.array_equal(reading, other) for other in kept):
            kept.append(reading)
    return kept


def _refuse_all(place: Place, pool: Tensors) -> NoReturn:
    """No array reads as the kernel."""
    for source, array in pool.items():
        if array.ndim == 4 and 5 not in array.shape:
            refuse(place.name, f"{place.shape}", f"{array.shape} in {source!r}", "only 5x5 kernels are supported")
    shapes = ", ".join(f"{name} {array.shape}" for name, array in list(pool.items())[:12]) or "no tensors"
    way_out = "name the network that these weights are of"
    refuse(place.name, f"{place.shape} in some order of axes", shapes, way_out)
