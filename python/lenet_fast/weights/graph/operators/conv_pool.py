"""Operators of maps: convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....errors import refuse
from ....operations import Array, Conv, Pool
from ..flow import Flow, Index
from ..node import as_floats, as_weights
from ..trace import Trace
from .call import Call, Operator
from .dense_rbf import connected
from .elementwise import scaled

Pads = Sequence[int] | str


def conv(
    trace: Trace,
    call: Call,
    *,
    kernel_axes: str = "OIHW",
    pads: Pads = (0, 0, 0, 0),
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    groups: int = 1,
    depthwise: bool = False,
    channels_last: bool = False,
) -> Flow:
    """Cross-correlation of input 0 with kernels 1, plus bias 2.

    Pads are (top, left, bottom, right), "same_upper" or "same_lower"; kernel_axes "GOIHW" has groups of its own, and
    `depthwise` has as many groups as there are input maps.
    """
    flow, where = call.flow(), call.where
    weight, groups = _kernels(call, kernel_axes, groups)
    if weight.ndim != 4 or flow.index.ndim not in (3, 4):
        found = f"kernels of shape {weight.shape} over {flow.shape}"
        refuse(where, "a convolution in two dimensions", found, "1-d and 3-d convolutions are not supported")
    trace.take(flow, where)
    given = call.floats(2)
    bias = np.zeros(len(weight)) if given is None else given
    if bias.shape != (len(weight),):
        refuse(where, f"a bias of shape ({len(weight)},)", f"{bias.shape}", "per-pixel biases are not supported")
    view = _as_maps(flow, channels_last)
    groups = view.shape[0] if depthwise else groups
    border = padding(pads, view.shape[1:], weight.shape[2:], strides, where)
    whole = view.shape[1:] == weight.shape[2:] and not any(border) and groups == 1 and tuple(dilations) == (1, 1)
    if whole and (weight.shape[2:] != (5, 5) or trace.is_flat()):
        flat = flow.rearranged(view.reshape(1, -1))
        dense = connected(trace, flat, weight.reshape(len(weight), -1), bias, where, call.tensors)
        return dense.rearranged(dense.index.reshape((1, 1, 1, -1) if channels_last else (1, -1, 1, 1)))
    if groups == view.shape[0] == len(weight) and weight.shape[1:] == (1, 2, 2) and tuple(strides) == (2, 2):
        return _weighted_pool(trace, call, flow, weight, bias, border, channels_last)
    _check_kernel(where, weight.shape, strides, dilations, groups)
    around = _settled(trace, flow, view, weight, where)
    widths = {b + p for b, p in zip(around, border, strict=True)}
    if len(widths) > 1 or not 0 <= max(widths) <= 4:
        refuse(where, "the same padding, 0 to 4, on all sides", f"{sorted(widths)}", "pad symmetrically")
    return trace.emit(Conv(weight, bias, widths.pop()), where, call.tensors, channels_last=channels_last)


def _kernels(call: Call, axes: str, groups: int) -> tuple[Array, int]:
    """Kernels (outputs, inputs, rows, columns), and the number of groups."""
    weight = as_weights(call.constant(1))
    if axes == "GOIHW":
        return weight.reshape(-1, *weight.shape[2:]), len(weight)
    if weight.ndim == 4:
        weight = weight.transpose([axes.index(axis) for axis in "OIHW"])
    return weight, groups


def _as_maps(flow: Flow, channels_last: bool) -> Index:
    view: Index = flow.index.reshape(flow.shape[-3:])
    return np.moveaxis(view, -1, 0) if channels_last else view


def padding(
    pads: Pads, size: Sequence[int], window: Sequence[int], strides: Sequence[int], where: str
) -> tuple[int, ...]:
    """(top, left, bottom, right); "same" gives a window to every stride, an odd row or column behind, or before."""
    if not isinstance(pads, str):
        if len(pads) != 4:
            refuse(where, "two dimensions", f"padding {tuple(pads)}", "1-d and 3-d layers are not supported")
        return tuple(int(n) for n in pads)
    total = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(size, strides, window, strict=True)]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    first, last = (large, small) if pads == "same_lower" else (small, large)
    return first[0], first[1], last[0], last[1]


def _settled(trace: Trace, flow: Flow, view: Index, weight: Array, where: str) -> tuple[int, int, int, int]:
    """The maps must be whole and in order; returns the width of the border of zeros around them."""
    inner, border = _stripped(view)
    if (inner < 0).any():
        refuse(where, "a border around whole maps", "zeros inside them", "only padding is supported")
    if inner.shape[0] != weight.shape[1]:
        way_out = "the file contradicts itself, or images have other channels than in training"
        refuse(where, f"as many input maps as kernels have ({weight.shape[1]})", f"{inner.shape[0]}", way_out)
    trace.settle(inner, where)
    trace.check_whole(inner, where)
    trace.settle_border(flow, border, where)
    return border if flow.fill == 0 else (0, 0, 0, 0)


def _stripped(view: Index) -> tuple[Index, tuple[int, int, int, int]]:
    """Maps without the border of -1 around them, and its (top, left, bottom, right)."""
    inside = np.asarray((view >= 0).any(0))
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return view, (0, 0, 0, 0)
    (top, bottom), (left, right) = ((int(a[0]), int(a[-1]) + 1) for a in (rows, columns))
    border = (top, left, view.shape[1] - bottom, view.shape[2] - right)
    return view[:, top:bottom, left:right], border


def _check_kernel(
    where: str, shape: Sequence[int], strides: Sequence[int], dilations: Sequence[int], groups: int
) -> None:
    rows, columns = shape[2:]
    if (rows, columns) != (5, 5):
        way_out = "only 5x5 kernels are supported: train with 5x5 kernels, or use a general runtime"
        refuse(where, "a 5x5 kernel", f"{rows}x{columns}", way_out)
    if tuple(strides) != (1, 1):
        refuse(where, "stride 1", f"stride {'x'.join(map(str, strides))}", "strided convolutions are not supported")
    if tuple(dilations) != (1, 1):
        refuse(where, "no dilation", f"{'x'.join(map(str, dilations))}", "dilated convolutions are not supported")
    if groups != 1:
        refuse(where, "one group", f"{groups} groups", "grouped convolutions are not supported")


def _weighted_pool(
    trace: Trace, call: Call, flow: Flow, weight: Array, bias: Array, border: Sequence[int], channels_last: bool
) -> Flow:
    """A 2x2 convolution of single maps with stride 2 is trainable subsampling, if its four weights are equal."""
    if any(border) or (weight != weight[:, :, :1, :1]).any():
        way_out = "use one coefficient per map"
        refuse(call.where, "one coefficient per 2x2 window", "four different weights", way_out)
    pooled = pooled2x2(trace, flow, "average", call.where, channels_last=channels_last)
    axes = (1, 1, -1) if channels_last else (-1, 1, 1)
    scale = 4 * as_floats(weight[:, 0, 0, 0]).reshape(axes)
    return scaled(trace, pooled, scale, bias.reshape(axes), call.where, call.tensors)


def pool(
    trace: Trace,
    call: Call,
    *,
    kind: str,
    window: Sequence[int] | None = (2, 2),
    strides: Sequence[int] | None = (2, 2),
    pads: Pads = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    ceil: bool = False,
    channels_last: bool = False,
) -> Flow:
    """Windows of "average" or "max"; None is a window as large as the maps; `ceil`: an odd last row is a window too."""
    flow = call.flow()
    if any(n != 1 for n in dilations):
        refuse(call.where, "no dilation", f"{list(dilations)}", "dilated pooling is not supported")
    if window is None or strides is None:
        window = strides = flow.shape[-3:-1] if channels_last else flow.shape[-2:]
    size = flow.shape[-3:-1] if channels_last else flow.shape[-2:]
    border = padding(pads, size, window, strides, call.where)
    return pooled2x2(
        trace, flow, kind, call.where,
        window=window, strides=strides, border=border, ceil=ceil, channels_last=channels_last,
    )  # fmt: skip


def pooled2x2(
    trace: Trace,
    flow: Flow,
    kind: str,
    where: str,
    *,
    window: Sequence[int] = (2, 2),
    strides: Sequence[int] = (2, 2),
    border: Sequence[int] = (0, 0, 0, 0),
    ceil: bool = False,
    channels_last: bool = False,
) -> Flow:
    """Pooling of the family, or refused; windows of one value are no operation."""
    trace.take(flow, where)
    view = flow.index.reshape(flow.shape[-3:]) if flow.index.ndim in (3, 4) else flow.index
    if view.ndim != 3:
        refuse(where, "pooling of maps", f"an array of shape {flow.shape}", "pool rows and columns")
    view = np.moveaxis(view, -1, 0) if channels_last else view
    if tuple(window) == (1, 1) and not any(border) and (view.shape[1:] == (1, 1) or tuple(strides) == (1, 1)):
        return flow
    _check_windows(window, strides, where)
    rows, columns = view.shape[1:]
    if any(border) or ((rows % 2 or columns % 2) and ceil):
        found = f"padding {tuple(border)} of maps of {rows}x{columns}"
        refuse(where, "windows inside the maps", found, "only pooling without padding is supported")
    if (view < 0).any():
        refuse(where, "pooling of whole maps", "a border of zeros around them", "pad before the convolution")
    trace.settle(view, where)
    trace.check_whole(view, where)
    if min(rows, columns) < 2:
        refuse(where, "maps of at least 2x2", f"{rows}x{columns}", "this is no LeNet")
    return trace.emit(Pool(kind), where, channels_last=channels_last)


def _check_windows(window: Sequence[int], strides: Sequence[int], where: str) -> None:
    if tuple(window) == (2, 2) and tuple(strides) == (2, 2):
        return
    what = "overlapping windows" if any(w > s for w, s in zip(window, strides, strict=True)) else "windows"
    if tuple(window) == (1, 1):
        what = "decimation, windows"
    found = f"{what} of {'x'.join(map(str, window))} with stride {'x'.join(map(str, strides))}"
    refuse(where, "2x2 windows with stride 2", found, "train with 2x2 pooling, or use a general runtime")


def adaptive_pool(trace: Trace, call: Call, *, kind: str, size: Sequence[int]) -> Flow:
    """As many windows as `size` says: 2x2 windows where that is half of the maps, nothing where it is all of them."""
    flow = call.flow()
    have = flow.shape[-2:]
    if tuple(size) == have:
        return flow
    if any(n != 2 * m for n, m in zip(have, size, strict=True)):
        found = f"adaptive pooling of {have} to {tuple(size)}"
        refuse(call.where, "2x2 windows with stride 2", found, "global and adaptive pooling are not supported")
    return pooled2x2(trace, flow, kind, call.where)


def mean(trace: Trace, call: Call, *, axes: Sequence[int] | None = None, keep: bool = False) -> Flow:
    """A mean over axes of one value is no operation; any other is pooling of a kind that is not ours."""
    flow = call.flow()
    over = call.axes(axes, flow.index.ndim)
    sizes = [flow.shape[axis] for axis in over]
    if any(n != 1 for n in sizes):
        found = f"a mean over {'x'.join(map(str, sizes))} values"
        refuse(call.where, "2x2 windows with stride 2", found, "global and adaptive pooling are not supported")
    return flow if keep else flow.rearranged(flow.index.squeeze(tuple(over)))


def resize(trace: Trace, call: Call, *, size: Any, channels_last: bool = True) -> Flow:
    """Images of this size already."""
    flow = call.flow()
    if (flow.shape[-3:-1] if channels_last else flow.shape[-2:]) != tuple(size):
        way_out = "resize images before, and leave the layer out"
        refuse(call.where, "images of the right size", "a layer that resizes them", way_out)
    return flow


OPERATORS = {
    "conv": Operator(conv),
    "pool": Operator(pool),
    "adaptive_pool": Operator(adaptive_pool),
    "mean": Operator(mean),
    "resize": Operator(resize),
}
