"""Operators that compute value by value: factors and shifts, activations, conversions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ....errors import refuse
from ....operations import ACTIVATIONS, Affine, Array, Curve
from ..flow import Flow, Index
from ..node import as_floats
from ..trace import Trace, per_map
from .call import Call, Operator, no_values
from .dense_rbf import difference, grows, squared

_LARGEST_CEILING = 1e30  # from here on a limit is none


# --- factors and shifts ---


def scaled(
    trace: Trace, flow: Flow, scale: ArrayLike, shift: ArrayLike, where: str, tensors: Sequence[str] = ()
) -> Flow:
    """Flow * scale + shift, with arrays that broadcast as NumPy's do."""
    trace.take(flow, where)
    scale, shift = as_floats(scale), as_floats(shift)
    try:
        fits = np.broadcast_shapes(flow.shape, scale.shape, shift.shape)
    except ValueError:
        fits = ()
    if prod(fits) != flow.index.size or not fits:
        found = f"shapes {scale.shape} and {shift.shape}"
        refuse(where, f"one value per map of {flow.shape}", found, "only scaling per map is supported")
    index = np.broadcast_to(flow.index, fits)
    per_value = [_per_value(trace, index, v, d, where) for v, d in ((scale, 1.0), (shift, 0.0))]
    fill = _one(flow, scale * flow.fill + shift, where) if (flow.index < 0).any() else 0.0
    if all(np.all(v == d) for v, d in zip(per_value, (1.0, 0.0), strict=True)):
        return flow
    is_number = max(scale.size, shift.size) == 1  # which is no tensor that anybody looks for
    result = trace.emit(Affine(*per_value), where, () if is_number else tensors)
    return Flow(flow.index, result.stage, fill)


def _per_value(trace: Trace, index: Index, values: Array, default: float, where: str) -> Array:
    """One number, or one per map, or per value where the image's axes are not known yet."""
    if values.size == 1:
        return values.reshape(())
    result = np.full(prod(trace.maps or trace.input_shape), default)
    inside = index >= 0
    result[index[inside]] = np.broadcast_to(values, index.shape)[inside]
    return result if trace.maps is None else per_map(result, trace.maps[0], where)


def _one(flow: Flow, values: Array, where: str) -> float:
    border = np.broadcast_to(values, flow.shape)[flow.index < 0]
    if not (border == border[0]).all():
        refuse(where, "one value around the maps", "a border of several", "pad after scaling")
    return float(border[0])


def affine(trace: Trace, call: Call, *, scale: ArrayLike = 1.0, shift: ArrayLike = 0.0) -> Flow:
    """Input 0 times `scale` plus `shift`."""
    return scaled(trace, call.flow(), scale, shift, call.where, call.tensors)


def scale_along(trace: Trace, call: Call, *, axis: int = 1) -> Flow:
    """Input 0 times input 1 plus input 2, either of them absent or with values along one axis."""
    flow = call.flow()
    scale, shift = (along(flow, call.floats(place), axis) for place in (1, 2))
    one, zero = np.ones(()), np.zeros(())
    factor, added = one if scale is None else scale, zero if shift is None else shift
    return scaled(trace, flow, factor, added, call.where, call.tensors)


def along(flow: Flow, values: Array | None, axis: int) -> Array | None:
    """Values in a shape that broadcasts along one axis of the flow."""
    if values is None or values.size == 1:
        return values if values is None else values.reshape(())
    return values.reshape(-1, *[1] * (flow.index.ndim - 1 - axis % flow.index.ndim))


def batch_norm(trace: Trace, call: Call, *, epsilon: float = 1e-5, axis: int = 1, training: bool = False) -> Flow:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta; inputs x, gamma, beta, mean, variance; per map."""
    flow = call.flow()
    gamma, beta, mean, variance = (call.floats(place) for place in (1, 2, 3, 4))
    if mean is None or variance is None or training:
        wanted, found = "batch normalisation with stored statistics", "one that computes them"
        refuse(call.where, wanted, found, "export in eval mode, with track_running_stats=True")
    scale = (1.0 if gamma is None else gamma) / np.sqrt(variance + epsilon)
    shift = (0.0 if beta is None else beta) - mean * scale
    factor, added = along(flow, scale, axis), along(flow, shift, axis)
    assert factor is not None
    assert added is not None
    return scaled(trace, flow, factor, added, call.where, call.tensors)


# --- with a constant ---


def add(trace: Trace, call: Call, *, factor: float = 1.0) -> Flow:
    """A sum; one that makes several values of every one is a difference to negated RBF codes."""
    return _shifted(trace, call, call.flow(), factor * call.other())


def subtract(trace: Trace, call: Call, *, factor: float = 1.0) -> Flow:
    """A difference, with `factor` on its second input; one to RBF codes may stand either way round, it is squared."""
    flow, other = call.flow(), call.other()
    if call.values[0] is flow:
        return _shifted(trace, call, flow, -factor * other)
    if grows(flow, other) and factor == 1:
        return difference(trace, call, flow, other)
    return scaled(trace, flow, -factor, other, call.where, call.tensors)


def _shifted(trace: Trace, call: Call, flow: Flow, shift: Array) -> Flow:
    if grows(flow, shift):
        return difference(trace, call, flow, -shift)
    return scaled(trace, flow, 1.0, shift, call.where, call.tensors)


def multiply(trace: Trace, call: Call) -> Flow:
    """A product with a constant; one with itself is a square."""
    if len(call.values) == 2 and call.values[0] is call.values[1] and isinstance(call.values[0], Flow):
        return squared(call, call.values[0])
    return scaled(trace, call.flow(), call.other(), 0.0, call.where, call.tensors)


def divide(trace: Trace, call: Call) -> Flow:
    """A division by a constant."""
    flow = call.flow()
    if call.values[0] is not flow:
        refuse(call.where, "a division of the maps by a number", "one by the maps", "this is no LeNet")
    return scaled(trace, flow, 1 / call.other(), 0.0, call.where, call.tensors)


def negate(trace: Trace, call: Call) -> Flow:
    """The opposite."""
    return scaled(trace, call.flow(), -1.0, 0.0, call.where)


def power(trace: Trace, call: Call, *, exponent: float | None = None) -> Flow:
    """The square of a difference to RBF codes; the exponent may be input 1."""
    flow = call.flow()
    is_base = call.values[0] is flow
    if not is_base or (call.other().ravel().tolist() if exponent is None else [exponent]) != [2]:
        found = "a power of other than 2"
        refuse(call.where, "an operation of the LeNet family", found, "use a general runtime for this network")
    return squared(call, flow)


# --- activations ---


def curve(trace: Trace, call: Call, *, kind: str, slope: float | None = 0.0) -> Flow:
    """An activation of `operations.ACTIVATIONS`; its slope, which may be input 1, must be from 0 to 1."""
    flow = call.flow()
    slope = _one_slope(trace, call) if slope is None else slope
    if not 0 <= slope <= 1:
        other_curve(trace, call, found=f"{call.kind} with slope {slope:g}, which is not from 0 to 1")
    trace.take(flow, call.where)
    if trace.maps is None:
        refuse(call.where, "a convolution first", f"an activation of pixels, {kind}", "this is no LeNet")
    activation = Curve(kind, slope)
    result = trace.emit(activation, call.where)
    return Flow(flow.index, result.stage, float(activation.of(flow.fill)))


def _one_slope(trace: Trace, call: Call) -> float:
    slopes = call.other().ravel()
    if not len(slopes) or (slopes != slopes[0]).any():
        other_curve(trace, call, found=f"{call.kind} with a slope for each map")
    return float(slopes[0])


def other_curve(trace: Trace, call: Call, *, found: str = "") -> Flow:
    """An activation that is not of the family: refused by its name."""
    return refuse(call.where, ACTIVATIONS, found or call.kind, "other activations are not supported: use one of these")


def clip(trace: Trace, call: Call, *, low: float | None = None, high: float | None = None) -> Flow:
    """Limits, which may be inputs 1 and 2: from 0 up it is relu."""
    limits = [
        (None if value is None else float(value.ravel()[0])) if limit is None else float(limit)
        for limit, value in ((low, call.floats(1)), (high, call.floats(2)))
    ]
    if limits[0] != 0 or (limits[1] is not None and limits[1] < _LARGEST_CEILING):
        return other_curve(trace, call, found=f"{call.kind} from {limits[0]} to {limits[1]}")
    return curve(trace, call, kind="relu")


def maximum(trace: Trace, call: Call) -> Flow:
    """The larger of value and constant: with 0 it is relu."""
    flow = call.flow()
    if call.other().any():
        return other_curve(trace, call, found="a maximum with other than 0")
    return curve(trace, Call(call.kind, call.where, (flow,)), kind="relu")


# --- what is nothing, or only a conversion ---


def identity(trace: Trace, call: Call) -> Flow:
    """The value itself."""
    return call.flow()


def cast(trace: Trace, call: Call, *, dtype: Any = None) -> Flow:
    """A conversion to real numbers is nothing; labels may become whole ones."""
    if (dtype is None or np.dtype(dtype).kind != "f") and not trace.decision:
        found = "a conversion that rounds them" + (f", to {np.dtype(dtype)}" if dtype is not None else "")
        refuse(call.where, "floating-point values", found, "export without it")
    return call.flow()


def quantised(trace: Trace, call: Call, *, axis: int = 1) -> Flow:
    """Values in a few bits: refused."""
    return refuse(call.where, "floating-point values", f"{call.kind}, a quantised model", "export the float model")


def _dequantised(call: Call, *, axis: int = 1) -> NDArray[Any]:
    x, scale, zero = call.constant(0), as_floats(call.constant(1)), call.floats(2)
    zero = np.zeros_like(scale) if zero is None else zero
    if scale.ndim == 1 and scale.size > 1:
        axes = [1] * x.ndim
        axes[axis] = -1
        scale, zero = scale.reshape(axes), zero.reshape(axes)
    if np.broadcast_shapes(x.shape, scale.shape, zero.shape) != x.shape:
        raise ValueError(f"scales of shape {scale.shape} for values of shape {x.shape}")
    values = np.asarray(np.subtract(x, zero, dtype=np.float64))
    values *= scale
    return values


def _cast(call: Call, *, dtype: Any = None) -> NDArray[Any]:
    return call.constant(0) if dtype is None else call.constant(0).astype(dtype, copy=False)


def _cast_size(call: Call, *, dtype: Any = None) -> int:
    return 0 if dtype in (None, call.constant(0).dtype) else call.constant(0).size


def _cast_like(call: Call) -> NDArray[Any]:
    return call.constant(0).astype(call.constant(1).dtype)


# --- constants ---


def _broadcast(call: Call, **attributes: Any) -> int:
    """How many values an operation on two constants makes."""
    return prod(np.broadcast_shapes(*(value.shape for value in call.values if isinstance(value, np.ndarray))))


def _with_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    def fold(call: Call) -> Any:
        return function(call.constant(0))

    return fold


def _in_turn(function: Callable[..., Any]) -> Callable[..., Any]:
    """All inputs, however many they are."""

    def fold(call: Call) -> Any:
        return reduce(function, (call.constant(place) for place in range(len(call.values))))

    return fold


def _with_factor(function: Callable[..., Any]) -> Callable[..., Any]:
    """All inputs, those behind the first times a factor."""

    def fold(call: Call, *, factor: float = 1) -> Any:
        first, *others = (call.constant(place) for place in range(len(call.values)))
        return reduce(function, (other if factor == 1 else factor * other for other in others), first)

    return fold


def _divided(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(one // other if one.dtype.kind in "iu" else one / other)


def _powered(call: Call, *, exponent: float | None = None) -> Any:
    return np.power(call.constant(0), call.constant(1) if exponent is None else exponent)


OPERATORS = {
    "affine": Operator(affine),
    "scale_along": Operator(scale_along),
    "batch_norm": Operator(batch_norm),
    "add": Operator(add, _with_factor(np.add), _broadcast, keeps_name=True),
    "subtract": Operator(subtract, _with_factor(np.subtract), _broadcast, keeps_name=True),
    "multiply": Operator(multiply, _in_turn(np.multiply), _broadcast, keeps_name=True),
    "divide": Operator(divide, _in_turn(_divided), _broadcast, keeps_name=True),
    "negate": Operator(negate, _with_numpy(np.negative)),
    "power": Operator(power, _powered, _broadcast),
    "sqrt": Operator(None, _with_numpy(np.sqrt)),
    "floor": Operator(None, _with_numpy(np.floor)),
    "minimum": Operator(None, _in_turn(np.minimum), _broadcast),
    "maximum": Operator(maximum, _in_turn(np.maximum), _broadcast),
    "curve": Operator(curve),
    "other_curve": Operator(other_curve),
    "clip": Operator(clip),
    "identity": Operator(identity, lambda call: call.constant(0), no_values, keeps_name=True),
    "cast": Operator(cast, _cast, _cast_size, keeps_name=True),
    "cast_like": Operator(identity, _cast_like, keeps_name=True),
    "dequantise": Operator(quantised, _dequantised, keeps_name=True),
    "quantise": Operator(quantised),
}
