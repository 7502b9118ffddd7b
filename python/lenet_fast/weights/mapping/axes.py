"""The orders of axes in which trainers keep kernels and full connections, and how ours is made of each.

Ours are (outputs, inputs, rows, columns) and (outputs, inputs), the inputs of flattened maps in the order (map, row,
column). Where the file's reader does not know its order, the shapes of all arrays together often do; an array that
then still reads in several ways is given in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import OpenQuestionError
from ...network import Network
from ..source import Layout, Tensors
from .answers import FLATTEN

Shape: TypeAlias = tuple[int, ...]

#: Order -> the axes of an array in it that make ours.
_KERNELS = {"OIHW": (0, 1, 2, 3), "HWIO": (3, 2, 0, 1), "OHWI": (0, 3, 1, 2), "IOHW": (1, 0, 2, 3)}
_DENSE = {"OI": (0, 1), "IO": (1, 0)}


def as_kernels(array: NDArray[Any], shape: Shape, layout: Layout) -> list[NDArray[Any]]:
    """The array in our order of axes, in every reading that gives `shape`."""
    return _readings(array, shape, _KERNELS, layout.kernels)


def as_dense(array: NDArray[Any], shape: Shape, layout: Layout) -> list[NDArray[Any]]:
    """The same for full connections (outputs, inputs), which may have axes of one beside theirs."""
    if array.ndim > 2 and array.squeeze().ndim == 2:
        array = array.squeeze()
    return _readings(array, shape, _DENSE, layout.dense)


def _readings(
    array: NDArray[Any], shape: Shape, orders: Mapping[str, Sequence[int]], known: str | None
) -> list[NDArray[Any]]:
    tried = [orders[known]] if known else orders.values()
    return [np.transpose(array, axes) for axes in tried if _gives(array.shape, axes, shape)]


def _gives(found: Shape, axes: Sequence[int], wanted: Shape) -> bool:
    """Whether a shape becomes the wanted one when its axes are put in that order."""
    return len(found) == len(axes) and tuple(found[axis] for axis in axes) == wanted


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
    shapes = [array.shape for array in tensors.values()]
    met = {order: [any(_gives(s, axes, w) for s in shapes) for w in wanted] for order, axes in _KERNELS.items()}
    some = [order for order in met if any(met[order])]
    return _only([order for order in some if all(met[order])] or some)


def _order_of_dense(network: Network, tensors: Tensors) -> str | None:
    """The only order in which all full connections are that are there in any."""
    wanted = [shape for shape in network.parameters.values() if len(shape) == 2]
    pairs = {array.shape for array in tensors.values() if array.ndim == 2}
    there = [shape for shape in wanted if shape in pairs or shape[::-1] in pairs]
    fits = {"OI": all(shape in pairs for shape in there), "IO": all(shape[::-1] in pairs for shape in there)}
    return _only([order for order in fits if wanted and fits[order]])


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
