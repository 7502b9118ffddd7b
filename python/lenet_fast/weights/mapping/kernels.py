"""The array for one layer's kernel.

Of the arrays that read as the kernel in some order of axes, the first of the file is taken. Where by number another one
comes first, or where it reads in several ways that differ, the user has to say more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...codes import rbf_codes
from ...errors import OpenQuestionError, refuse
from ...network import RBF
from ..names import natural
from ..source import UNKNOWN, Layout, Tensors
from .answers import Answers
from .axes import Reading, as_dense, as_kernels, unflattened
from .compact import from_compact
from .flat import without_axes
from .places import Filled, Place, Table

_VISITS, _COMPARED = 10, 256  # to read an array; values that are compared in the time of one visit
_LETTERS = "O outputs, I inputs, H rows, W columns"


def kernel(places: Sequence[Place], pool: Tensors, layout: Layout, said: Answers) -> Filled:
    """The kernel of the first of the places that are still to be filled, taken out of the pool."""
    place = places[0]
    if isinstance(place.layer, RBF):
        return _codes(place, pool)
    if place.table and (filled := from_compact(place, pool, said.compact)):
        return filled
    source, readings = _first(places, pool, layout, said)
    if len(_different(readings)) > 1:
        _ask(place, source, pool[source], readings)
    del pool[source]
    return Filled(masked(readings[0].array, place.table), (source,))


def _ask(place: Place, source: str, array: NDArray[Any], readings: Sequence[Reading]) -> NoReturn:
    """An array that reads in several ways."""
    keyword, choices = readings[0].keyword, tuple(dict.fromkeys(reading.order for reading in readings))
    found = f"shape {array.shape}, which reads in {len(choices)} ways as {place.name} {place.shape}"
    way_out = f"pass {keyword}={' or '.join(map(repr, choices))}, its axes from the slowest to the fastest ({_LETTERS})"
    wanted = "axes whose order can be told"
    raise OpenQuestionError(source, wanted, found, way_out, keyword=keyword, choices=choices)


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
        readings = _different(as_dense(array, place.shape, UNKNOWN, Answers()))
        if len(readings) == 1:
            del pool[source]
            return Filled(readings[0], (source,))
    if place.shape != (10, 84):
        refuse("output.weight", f"RBF codes of shape {place.shape}", "none", "put them into the file")
    return Filled(rbf_codes(), ("the paper's codes",))


def _first(places: Sequence[Place], pool: Tensors, layout: Layout, said: Answers) -> tuple[str, list[Reading]]:
    """The array that comes first in the file, if by number it does so too, and its readings."""
    place = places[0]
    read = {source: _readings(place, array, layout, said, source) for source, array in pool.items()}
    if not any(read.values()):
        flat = without_axes(places, pool)
        read = {source: _flat_readings(place, array, layout, said, source) for source, array in flat.items()}
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


def _readings(place: Place, array: NDArray[Any], layout: Layout, said: Answers, source: str) -> list[Reading]:
    """The kernel in every way in which the array can be it.

    A full connection of maps may be stored as a convolution as large as they are, and the other way round.
    """
    charge("visits", _VISITS)
    outputs, _, height, width = place.shape[0], *place.before
    readings = as_kernels(array, place.shape, layout, said) if len(place.shape) == 4 else []
    if place.takes_all and height == width and not place.is_behind_dense:
        readings += as_kernels(array, (outputs, *place.before), layout, said)
    if place.takes_all:
        matrix = as_dense(array, (outputs, math.prod(place.shape[1:])), layout, said)
        readings += _in_our_order(place, matrix, layout, source)
    return [replace(reading, array=reading.array.reshape(place.shape)) for reading in readings]


def _flat_readings(place: Place, array: NDArray[Any], layout: Layout, said: Answers, source: str) -> list[Reading]:
    """The same of an array that has lost its axes."""
    charge("visits", _VISITS)
    array = array.ravel() if array.squeeze().ndim == 1 else array
    if len(place.shape) == 4:
        return as_kernels(array, place.shape, layout, said, is_flat=True)
    return _in_our_order(place, as_dense(array, place.shape, layout, said, is_flat=True), layout, source)


def _in_our_order(place: Place, readings: Sequence[Reading], layout: Layout, source: str) -> list[Reading]:
    """Full connections whose inputs are maps in our order."""
    return [replace(r, array=unflattened(r.array, place.before, layout.flatten, source)) for r in readings]


def _different(readings: Iterable[Reading]) -> list[NDArray[Any]]:
    kept: list[NDArray[Any]] = []
    for reading in readings:
        charge("visits", len(kept) * reading.array.size // _COMPARED)
        if not any(np.array_equal(reading.array, other) for other in kept):
            kept.append(reading.array)
    return kept


def _refuse_all(place: Place, pool: Tensors) -> NoReturn:
    """No array reads as the kernel."""
    for source, array in pool.items():
        if array.ndim == 4 and 5 not in array.shape:
            refuse(place.name, f"{place.shape}", f"{array.shape} in {source!r}", "only 5x5 kernels are supported")
    shapes = ", ".join(f"{name} {array.shape}" for name, array in list(pool.items())[:12]) or "no tensors"
    way_out = "name the network that these weights are of"
    refuse(place.name, f"{place.shape} in some order of axes", shapes, way_out)
