"""Operators that only move values: the same for constants and for the numbers that say where the image's values lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....budget import charge
from ....errors import refuse
from ..flow import Flow
from ..trace import Trace
from .call import Call, Operator, copied_values, no_values

Moved = NDArray[Any]


def moving(rearrange: Callable[..., Moved], size: Callable[..., int] = no_values) -> Operator:
    """An operator out of a function (array, call, **attributes) -> array that only rearranges."""

    def flow(trace: Trace, call: Call, **attributes: Any) -> Flow:
        values = call.flow()
        if trace.decision:
            return values  # labels in another shape
        if values.codes is not None:
            refuse(call.where, "a sum of squared differences", call.kind, "this is no LeNet")
        return values.rearranged(np.asarray(rearrange(values.index, call, **attributes), np.int64))

    def fold(call: Call, **attributes: Any) -> Moved:
        return np.asarray(rearrange(call.constant(0), call, **attributes))

    return Operator(flow, fold, size, keeps_name=True)


def _listed(given: Sequence[int] | None, call: Call, place: int) -> list[int]:
    """Numbers that are an attribute, or else an input."""
    return call.numbers(place) if given is None else [int(n) for n in given]


def transpose(array: Moved, call: Call, *, axes: Sequence[int] | None = None) -> Moved:
    """The axes in another order, which may be input 1; reversed where nothing says it."""
    order = _listed(axes, call, 1) if axes is not None or call.given(1) is not None else []
    return np.transpose(array, order or None)


def move_axis(array: Moved, call: Call, *, source: int, destination: int) -> Moved:
    """One axis to another place."""
    return np.moveaxis(array, source, destination)


def swap_axes(array: Moved, call: Call, *, one: int, other: int) -> Moved:
    """Two axes for each other."""
    return np.swapaxes(array, one, other)


def squeeze(array: Moved, call: Call, *, axes: Sequence[int] | None = None, lenient: bool = False) -> Moved:
    """Without axes of one value: those that are named (input 1, perhaps), or all; `lenient`: longer ones stay."""
    chosen = tuple(_listed(axes, call, 1)) if axes is not None or call.given(1) is not None else None
    if lenient and chosen is not None:
        chosen = tuple(axis for axis in chosen if array.shape[axis] == 1)
        return array.squeeze(chosen) if chosen else array
    return np.squeeze(array, chosen or None)


def unsqueeze(array: Moved, call: Call, *, axes: Sequence[int] | None = None) -> Moved:
    """With axes of one value more, at places that may be input 1."""
    return np.expand_dims(array, tuple(_listed(axes, call, 1)))


def rows(array: Moved, call: Call, *, axis: int = 1) -> Moved:
    """Two axes: all before `axis`, all from there on."""
    return array.reshape(prod(array.shape[:axis]), -1)


def flatten(array: Moved, call: Call, *, start: int = 1, end: int = -1) -> Moved:
    """One axis for those from `start` to `end`."""
    first, last = start % array.ndim, end % array.ndim
    return array.reshape(*array.shape[:first], prod(array.shape[first : last + 1]), *array.shape[last + 1 :])


def slice_(
    array: Moved,
    call: Call,
    *,
    begins: Sequence[int] | None = None,
    ends: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> Moved:
    """From, to, along which axes, in which steps: attributes, or inputs 1 to 4."""
    first, last = _listed(begins, call, 1), _listed(ends, call, 2)
    along = _listed(axes, call, 3) if axes is not None or call.given(3) is not None else list(range(len(first)))
    step = _listed(steps, call, 4) if steps is not None or call.given(4) is not None else [1] * len(first)
    cut = [slice(None)] * array.ndim
    for axis, begin, end, by in zip(along, first, last, step, strict=True):
        to_the_start = by < 0 and end < -array.shape[axis]
        cut[axis] = slice(begin, None if to_the_start else end, by)
    return array[tuple(cut)]


def strided_slice(
    array: Moved,
    call: Call,
    *,
    begin_mask: Sequence[int] = (),
    end_mask: Sequence[int] = (),
    shrink_mask: Sequence[int] = (),
    adds_axes: bool = False,
) -> Moved:
    """TensorFlow's slice: inputs 1 to 3, and masks of the axes that are open, or that become one value."""
    begins, ends = call.numbers(1), call.numbers(2)
    steps = call.numbers(3) if call.given(3) is not None else [1] * len(begins)
    if adds_axes:
        raise ValueError("a slice that adds axes")
    cut: list[slice | int] = []
    for i, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        opened, closed, one = (i < len(mask) and bool(mask[i]) for mask in (begin_mask, end_mask, shrink_mask))
        cut.append(begin if one else slice(None if opened else begin, None if closed else end, step))
    return np.asarray(array[tuple(cut)])


# --- shapes that hold an open size ---


def reshape(trace: Trace, call: Call, *, shape: Sequence[int] | None = None, zeros: str = "") -> Flow:
    """Another shape, which may be input 1, hold -1, and the batch size that the graph was written for."""
    flow = call.flow()
    if trace.decision:
        return flow
    if flow.codes is not None:
        refuse(call.where, "a sum of squared differences", call.kind, "this is no LeNet")
    given = _listed(shape, call, 1)
    sizes = _without_zeros(given, flow.shape, zeros)
    if -1 not in sizes and sizes and sizes[0] == trace.batch and prod(sizes) != flow.index.size:
        sizes[0] = 1
    if -1 in sizes and trace.batch > 1 and sizes[0] == trace.batch:
        sizes[0] = 1
    try:
        return flow.rearranged(flow.index.reshape(sizes))
    except ValueError:
        wanted = f"a shape of {flow.index.size} values"
        return refuse(call.where, wanted, f"{tuple(given)}", "export the model for single images")


def _without_zeros(sizes: Sequence[int], before: tuple[int, ...], zeros: str) -> list[int]:
    """Sizes of which a zero means the size that is there, counted from the "first" axis or from the "last"."""
    if zeros == "first":
        return [before[i] if n == 0 and i < len(before) else n for i, n in enumerate(sizes)]
    if zeros == "last":
        return [n or before[i - len(sizes)] for i, n in enumerate(sizes)]
    return list(sizes)


def _reshaped(call: Call, *, shape: Sequence[int] | None = None, zeros: str = "") -> Moved:
    array = call.constant(0)
    return array.reshape(_without_zeros(_listed(shape, call, 1), array.shape, zeros))


def pad(
    trace: Trace,
    call: Call,
    *,
    widths: Sequence[tuple[int, int]] | None = None,
    value: float | None = None,
    order: str = "",
    mode: str = "constant",
) -> Flow:
    """A border of one value, or a cut where a width is negative.

    Widths are pairs per axis, or inputs: "begins then ends" (1), "pairs" (1) or "apart" (1 and 2); the value may be the
    input behind them.
    """
    flow, where = call.flow(), call.where
    if mode != "constant":
        refuse(where, "padding with a constant", mode, "pad with zeros")
    if order == "begins then ends" and call.given(3) is not None:
        refuse(where, "padding of all axes", "some axes by number", "export with opset 17 or less")
    pairs = _widths(call, order) if widths is None else list(widths)
    filled = call.floats(3 if order == "apart" else 2)
    fill = (0.0 if filled is None else float(filled.ravel()[0])) if value is None else float(value)
    return _bordered(flow, pairs, fill, where)


def _widths(call: Call, order: str) -> list[tuple[int, int]]:
    numbers = call.numbers(1)
    if order == "pairs":
        return list(zip(numbers[::2], numbers[1::2], strict=True))
    ends = call.numbers(2) if order == "apart" else numbers[len(numbers) // 2 :]
    begins = numbers if order == "apart" else numbers[: len(numbers) // 2]
    return list(zip(begins, ends, strict=True))


def _bordered(flow: Flow, widths: Sequence[tuple[int, int]], value: float, where: str) -> Flow:
    index = flow.index
    if len(widths) != index.ndim:
        refuse(where, f"widths for {index.ndim} axes", f"{len(widths)}", "pad rows and columns")
    for axis, (before, after) in enumerate(widths):
        cut = slice(max(0, -before), index.shape[axis] - max(0, -after))
        index = index[(slice(None),) * axis + (cut,)]
    grow = [(max(0, before), max(0, after)) for before, after in widths]
    charge("values", prod(n + sum(g) for n, g in zip(index.shape, grow, strict=True)))
    is_wider = any(map(sum, grow))
    if is_wider and (index < 0).any() and value != flow.fill:
        refuse(where, "one kind of border", f"one of {flow.fill:g} inside one of {value:g}", "pad once")
    padded = np.pad(index, grow, constant_values=-1)
    return replace(flow, index=padded, fill=float(value) if is_wider else flow.fill)


# --- constants alone ---


def _shape_of(call: Call) -> Moved:
    return np.array(call.constant(0).shape, np.int64)


def shape(trace: Trace, call: Call) -> Moved:
    """The sizes of the values that come, which are known without them."""
    return np.array(call.flow().shape, np.int64)


def _gathered(call: Call, *, axis: int | None = 0) -> Moved:
    along = call.numbers(2)[0] if axis is None else axis
    return np.take(call.constant(0), np.asarray(call.constant(1), np.int64), along)


def _gathered_size(call: Call, **attributes: Any) -> int:
    return call.constant(0).size * call.constant(1).size


def _arrays(call: Call) -> list[Moved]:
    return [call.constant(place) for place in range(len(call.values)) if call.given(place) is not None]


def _concatenated(call: Call, *, axis: int = 0) -> Moved:
    return np.concatenate([np.atleast_1d(array) for array in _arrays(call)], axis)


def _filled(call: Call, *, value: Any = 0.0) -> Moved:
    return np.full(call.numbers(0), np.ravel(value)[0])


def _filled_size(call: Call, **attributes: Any) -> int:
    return prod(max(0, n) for n in call.numbers(0))


def _product(call: Call, *, axes: Sequence[int] | None = None, keep: bool = True) -> Moved:
    array = call.constant(0)
    return np.asarray(np.prod(array, axis=tuple(call.axes(axes, array.ndim)), keepdims=keep))


OPERATORS = {
    "transpose": moving(transpose),
    "move_axis": moving(move_axis),
    "swap_axes": moving(swap_axes),
    "squeeze": moving(squeeze),
    "unsqueeze": moving(unsqueeze),
    "rows": moving(rows, copied_values),
    "flatten": moving(flatten, copied_values),
    "slice": moving(slice_),
    "strided_slice": moving(strided_slice),
    "reshape": Operator(reshape, _reshaped, copied_values, keeps_name=True),
    "pad": Operator(pad),
    "shape": Operator(shape, _shape_of, lambda call: call.constant(0).ndim),
    "gather": Operator(None, _gathered, _gathered_size),
    "concat": Operator(None, _concatenated),
    "stack": Operator(None, lambda call: np.stack(_arrays(call))),
    "fill": Operator(None, _filled, _filled_size),
    "product": Operator(None, _product),
}
