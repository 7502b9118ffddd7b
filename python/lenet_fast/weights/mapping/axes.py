"""The orders of axes in which trainers keep kernels and full connections, and how ours is made of each.

Ours are (outputs, inputs, rows, columns) and (outputs, inputs), the inputs of flattened maps in the order (map, row,
column). Where the file's reader does not know its order, the shapes of all arrays together often do; an array that
then still reads in several ways is given in all of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import OpenQuestionError
from ...network import Network
from ..source import Layout, Tensors
from .answers import DENSE, FLATTEN, KERNELS, Answers

Shape: TypeAlias = tuple[int, ...]

_AXES = "OIHW"  # ours


@dataclass(frozen=True)
class Reading:
    """An array in our order of axes, and the order that it was taken to have: the answer to `keyword`."""

    array: NDArray[Any]
    keyword: str
    order: str


def as_kernels(
    array: NDArray[Any], shape: Shape, layout: Layout, said: Answers, *, is_flat: bool = False
) -> list[Reading]:
    """The array in our order of axes, in every reading that gives `shape`; with its axes, or without (`is_flat`)."""
    read = {order: _read(array, shape, order, is_flat) for order in KERNELS}
    return _chosen(read, "kernels", said.kernels, layout.kernels, is_flat)


def as_dense(
    array: NDArray[Any], shape: Shape, layout: Layout, said: Answers, *, is_flat: bool = False
) -> list[Reading]:
    """The same for full connections (outputs, inputs), which may have axes of one beside theirs."""
    if array.ndim > 2 and array.squeeze().ndim == 2:
        array = array.squeeze()
    read = {order: _read(array, shape, order, is_flat) for order in DENSE}
    return _chosen(read, "dense", said.dense, layout.dense, is_flat)


def _chosen(
    read: Mapping[str, NDArray[Any] | None], keyword: str, said: str | None, known: str | None, is_flat: bool
) -> list[Reading]:
    """The order that the user says, if the array has it; else the known one, or all where none is known or is there."""
    found = {order: Reading(made, keyword, order) for order, made in read.items() if made is not None}
    if said in found:
        return [found[said]]
    if known in found:
        return [found[known]]
    return list(found.values()) if is_flat or not known else []


def _read(array: NDArray[Any], shape: Shape, order: str, is_flat: bool) -> NDArray[Any] | None:
    """The array, put into our order of axes, if it is of this shape in the order that it may have."""
    stored = _stored(shape, order)
    if array.shape not in (_without_axes(stored, order) if is_flat else (stored,)):
        return None
    return np.transpose(array.reshape(stored), [order.index(axis) for axis in _AXES[: len(shape)]])


def _stored(shape: Shape, order: str) -> Shape:
    """The shape, of our order of axes, in another."""
    return tuple(shape[_AXES.index(axis)] for axis in order)


def _without_axes(stored: Shape, order: str) -> list[Shape]:
    """A vector of all numbers; of kernels also the matrix that an image's patches are multiplied with (im2col)."""
    shapes: list[Shape] = [(math.prod(stored),)]
    if len(stored) == 2:
        return shapes
    if order[0] == "O":
        shapes.append((stored[0], math.prod(stored[1:])))
    if order[-1] == "O":
        shapes.append((math.prod(stored[:-1]), stored[-1]))
    return shapes


def unflattened(weight: NDArray[Any], before: tuple[int, int, int], order: str | None, source: str) -> NDArray[Any]:
    """A full connection of flattened maps, its inputs put in the order (map, row, column)."""
    maps, height, width = before
    if maps == 1 or height * width == 1:
        return weight
    if order is None:
        wanted = f"to know in which order {maps} maps of {height}x{width} became {weight.shape[1]} inputs"
        way_out = "pass flatten='CHW' (PyTorch, Caffe) or flatten='HWC' (Keras, TensorFlow, JAX)"
        raise OpenQuestionError(source, wanted, "nothing that tells", way_out, keyword="flatten", choices=FLATTEN)
    if order == "CHW":
        return weight
    charge("visits", weight.size // 64)
    return np.asarray(weight.reshape(len(weight), height, width, maps).transpose(0, 3, 1, 2).reshape(len(weight), -1))


# --- what all arrays together tell ---


def settled(layout: Layout, network: Network, tensors: Tensors) -> Layout:
    """A layout whose orders are known where all the file's arrays agree on one."""
    kernels = layout.kernels or _order_of_kernels(network, tensors)
    dense = layout.dense or _order_of_dense(network, tensors)
    return Layout(kernels, dense, layout.flatten or _order_of_flattening(kernels, dense, tensors))


def _order_of_kernels(network: Network, tensors: Tensors) -> str | None:
    """The only order in which the first two convolutions are there, or at least one of them."""
    wanted = [shape for shape in network.parameters.values() if len(shape) == 4 and shape[2:] == (5, 5)][:2]
    shapes = {array.shape for array in tensors.values()}
    met = {order: [_stored(shape, order) in shapes for shape in wanted] for order in KERNELS}
    some = [order for order in met if any(met[order])]
    return _only([order for order in some if all(met[order])] or some)


def _order_of_dense(network: Network, tensors: Tensors) -> str | None:
    """The only order in which all full connections are that are there in any."""
    wanted = [shape for shape in network.parameters.values() if len(shape) == 2]
    pairs = {array.shape for array in tensors.values() if array.ndim == 2}
    there = [shape for shape in wanted if shape in pairs or shape[::-1] in pairs]
    return _only([order for order in DENSE if wanted and all(_stored(shape, order) in pairs for shape in there)])


def _order_of_flattening(kernels: str | None, dense: str | None, tensors: Tensors) -> str | None:
    """PyTorch's or Keras's, where both the orders and the names are theirs."""
    names = " ".join(tensors)
    if kernels == "OIHW" and dense == "OI" and re.search(r"\.weight\b", names):
        return "CHW"
    if kernels == "HWIO" and dense == "IO" and "kernel" in names:
        return "HWC"
    return None


def _only(orders: Sequence[str]) -> str | None:
    return orders[0] if len(orders) == 1 else None
