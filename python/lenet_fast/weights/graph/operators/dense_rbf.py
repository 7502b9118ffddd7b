"""Full connections, and the differences, squares and sums that RBF units are written as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from ....budget import charge
from ....errors import refuse
from ....operations import Array, Dense, Distances
from ..flow import Codes, Flow, Index
from ..node import as_floats, as_weights
from ..trace import Trace
from .call import Call, Operator


def dense(trace: Trace, call: Call, *, axes: str = "OI", axis: int = 1, alpha: float = 1.0, beta: float = 1.0) -> Flow:
    """Input 0, from `axis` on, times weights 1, plus bias 2; `axes` of the weights: O outputs, I inputs."""
    if axis % call.flow().index.ndim != 1:
        refuse(call.where, "all values of an image", f"those from axis {axis} on", "use axis 1")
    weight, bias = _times(as_weights(call.constant(1)), alpha), call.floats(2)
    weight = weight.T if axes == "IO" else weight
    return connected(trace, call.flow(), weight, None if bias is None else bias * beta, call.where, call.tensors)


def inner_product(trace: Trace, call: Call) -> Flow:
    """All of an image's values times weights 1 (outputs, inputs), plus bias 2.

    There are as many axes behind it as before: of four and more the outputs lie along the third last.
    """
    flow, axes = call.flow(), call.flow().index.ndim
    made = connected(trace, flow, as_weights(call.constant(1)), call.floats(2), call.where, call.tensors)
    shape = (*[1] * (axes - 3), -1, 1, 1) if axes > 3 else (*[1] * (axes - 1), -1)
    return made.rearranged(made.index.reshape(shape))


def _times(weight: Array, alpha: float) -> Array:
    if alpha == 1:
        return weight
    charge("values", weight.size)
    return np.multiply(weight, alpha, dtype=np.float64)


def matmul(trace: Trace, call: Call, *, transpose_a: bool = False, transpose_b: bool = False) -> Flow:
    """A product with the image's values as rows, or as one column behind the weights."""
    flow = call.flow()
    if call.values[0] is flow:
        weight = call.constant(1) if transpose_b else np.swapaxes(call.constant(1), -1, -2)
        is_turned = transpose_a
    else:
        weight = call.constant(0).T if transpose_a else call.constant(0)
        is_turned = flow.shape[-1] != 1 and not transpose_b
    if is_turned:
        refuse(call.where, "images as rows", "a transposed product", "export without it")
    return connected(trace, flow, as_weights(weight).reshape(weight.shape[-2:]), None, call.where, call.tensors)


def connected(
    trace: Trace, flow: Flow, weight: Array, bias: Array | None, where: str, tensors: Sequence[str] = ()
) -> Flow:
    """Full connection: weight (outputs, inputs), the inputs in the order in which they come."""
    trace.take(flow, where)
    if weight.ndim != 2 or flow.index.size != weight.shape[1]:
        way_out = "the file contradicts itself, or the image size is not the one it was trained with"
        found = f"weights of shape {weight.shape}"
        refuse(where, f"as many inputs as values ({flow.index.size})", found, way_out)
    if trace.maps is None:
        way_out = "it is not of the LeNet family: use a general runtime"
        refuse(where, "a convolution before the first full connection", "a multilayer perceptron", way_out)
    bias = np.zeros(len(weight)) if bias is None else bias
    if bias.size == 1 and len(weight) != 1:
        bias = np.full(len(weight), bias.ravel()[0])
    if bias.size != len(weight):
        refuse(where, f"a bias of {len(weight)} values", f"shape {bias.shape}", "the file contradicts itself")
    places = flow.index.ravel()
    inside = places >= 0
    if len(np.unique(places[inside])) != inside.sum():
        refuse(where, "every value once", "some repeated", "this is no LeNet")
    border = np.asarray(as_floats(weight[:, ~inside]).sum(1) * flow.fill)
    ordered = _in_order(weight, places, inside, int(np.prod(trace.maps)))
    return trace.emit(Dense(ordered, bias.ravel() + border), where, tensors)


def _in_order(weight: Array, places: Index, inside: NDArray[np.bool_], count: int) -> Array:
    """The weights of `count` values in the order of their places; zeros for values that are not read."""
    if len(places) == count and np.array_equal(places, np.arange(count)):
        return weight
    if len(places) == count and inside.all():
        return np.asarray(weight[:, np.argsort(places)])
    charge("values", max(0, len(weight) * count - weight.size))
    ordered = np.zeros((len(weight), count), weight.dtype)
    ordered[:, places[inside]] = weight[:, inside]
    return ordered


def grows(flow: Flow, other: Array) -> bool:
    """Whether a sum with `other` makes several values of every one: the start of RBF units."""
    return int(np.prod(np.broadcast_shapes(flow.shape, other.shape), dtype=np.float64)) > flow.index.size


def difference(trace: Trace, call: Call, flow: Flow, codes: Array) -> Flow:
    """Subtract codes from every value."""
    shape = np.broadcast_shapes(flow.shape, codes.shape)
    if trace.maps is None:
        refuse(call.where, "one value per map", f"shape {codes.shape}", "only scaling per map is supported")
    charge("values", 4 * prod(shape))  # where each lies, in which order, and the codes in it
    subtracted = Codes(np.broadcast_to(codes, shape), call.tensors)
    return replace(flow, index=np.broadcast_to(flow.index, shape), codes=subtracted)


def squared_difference(trace: Trace, call: Call) -> Flow:
    """The square of a difference to codes."""
    return squared(call, difference(trace, call, call.flow(), call.other()))


def square(trace: Trace, call: Call) -> Flow:
    """Of a difference to codes."""
    return squared(call, call.flow())


def squared(call: Call, flow: Flow) -> Flow:
    """The square of differences; of anything else it is not of the family."""
    if flow.codes is None or flow.squared:
        way_out = "use a general runtime for this network"
        refuse(call.where, "an operation of the LeNet family", "a power or a square", way_out)
    return replace(flow, squared=True)


def total(
    trace: Trace, call: Call, *, axes: Sequence[int] | None = None, keep: bool = False, squares: bool = False
) -> Flow:
    """The sum of squared differences over one axis: RBF units; with `squares` the squaring is part of it."""
    flow, where = call.flow(), call.where
    flow = squared(call, flow) if squares else flow
    trace.take(flow, where, distances=True)
    over = call.axes(axes, flow.index.ndim)
    if flow.codes is None or not flow.squared or len(over) != 1 or trace.maps is None:
        refuse(where, "a sum of squared differences to RBF codes", "another sum", "this is no LeNet")
    index, codes = (np.moveaxis(a, over[0], -1).reshape(-1, a.shape[over[0]]) for a in (flow.index, flow.codes.values))
    count = int(np.prod(trace.maps))
    if index.shape[1] != count or (np.sort(index, axis=1) != np.arange(count)).any():
        refuse(where, f"sums over all {count} values", f"sums over {index.shape[1]}", "this is no LeNet")
    ordered = np.zeros_like(codes)
    np.put_along_axis(ordered, index, codes, axis=1)
    return trace.emit(Distances(ordered), where, flow.codes.tensors)


OPERATORS = {
    "dense": Operator(dense),
    "inner_product": Operator(inner_product),
    "matmul": Operator(matmul),
    "square": Operator(square),
    "squared_difference": Operator(squared_difference),
    "sum": Operator(total),
}
