"""A file's graph -> a row of elementary operations, by following which value goes where.

Trainers flatten, transpose, pad, squeeze and reshape in every order they can think of. Instead of knowing those
patterns, a `Flow` carries for every place of an array the number of the value that lies there: what a graph does to
shapes is done to these numbers by NumPy itself. A full connection then reads off which weight belongs to which value,
whatever the layout, and a convolution sees whether its input is whole maps in order, and how wide a border of zeros
they have.

Readers call one method per operator. An operator that is not part of the family, and a graph that is not one row, is
refused with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import WeightsError
from ..operations import Affine, Array, Conv, Curve, Dense, Distances, Operation, Pool, Softmax

Index = NDArray[np.int64]

_LARGEST = 1 << 22  # values of one array on its way; a LeNet's largest has some ten thousand
_LARGEST_IMAGE = 1 << 18
_CURVES: dict[str, Callable[[float], float]] = {
    "tanh": lambda x: float(np.tanh(x)),
    "sigmoid": lambda x: float(1 / (1 + np.exp(-x))),
    "relu": lambda x: max(x, 0.0),
}


def refuse(where: str, wanted: str, found: str, way_out: str) -> NoReturn:
    """Raise WeightsError in the one form that all of them have."""
    raise WeightsError(f"{where}: wanted {wanted}, found {found}; {way_out}")


def same_padding(
    size: Sequence[int], window: Sequence[int], strides: Sequence[int], *, before: bool = False
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) that give a window to every stride; an odd one lies behind, or `before`."""
    total = [max(0, (-(-n // s) - 1) * s + k - n) for n, s, k in zip(size, strides, window, strict=True)]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    first, last = (large, small) if before else (small, large)
    return first[0], first[1], last[0], last[1]


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
        Where RBF codes were subtracted: one per place, and `squared` whether the differences were squared since.
    """

    index: Index
    stage: int
    fill: float = 0.0
    codes: Array | None = None
    squared: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    def rearranged(self, index: Index) -> Flow:
        """The same values in other places."""
        return replace(self, index=index)


@dataclass(frozen=True)
class Step:
    """One operation, the name it has in the file, and the names of its tensors there."""

    operation: Operation
    where: str
    tensors: tuple[str, ...] = ()


@dataclass
class Trace:
    """The operations that a reader has met so far; `batch` is the batch size that the graph was written for."""

    batch: int = 1
    steps: list[Step] = field(default_factory=list)
    input_shape: tuple[int, ...] = ()  # as the graph has it, without the batch axis
    maps: tuple[int, int, int] | None = None  # of the last operation's output; None until the image's axes are known
    image_maps: tuple[int, int, int] = (0, 0, 0)  # the image as (channels, height, width), with its margin
    background: float | None = None  # around the image, where the graph pads it before scaling
    margin: int = 0  # how wide
    decision: str = ""  # "argmax" or "argmin", where the graph ends in labels
    uint8: bool = False  # whether the graph takes uint8 pixels

    # --- the image ---

    def image(self, shape: Sequence[int], where: str = "input") -> Flow:
        """The graph's input, of a shape with the batch axis first."""
        sizes = tuple(int(n) for n in shape[1:])
        if not sizes or min(sizes) < 1 or np.prod(sizes, dtype=np.float64) > _LARGEST_IMAGE:
            refuse(where, "an image of known size", f"shape {tuple(shape)}", "export the model with a fixed image size")
        self.input_shape = sizes
        return Flow(np.arange(int(np.prod(sizes)), dtype=np.int64).reshape(1, *sizes), 0)

    def _settle(self, view: Index, where: str) -> None:
        """`view` (channels, height, width) says where the pixels lie: from now on values are counted in this order."""
        if self.maps is not None:
            return
        count = int(np.prod(self.input_shape))
        if view.size != count:
            refuse(where, "the whole image", "a graph that cuts it before the first layer", "cut images before")
        arrangements = [np.arange(count).reshape(view.shape)]  # channels first
        arrangements.append(np.arange(count).reshape(*view.shape[1:], view.shape[0]).transpose(2, 0, 1))  # last
        if not any(np.array_equal(view, a) for a in arrangements):
            refuse(
                where,
                "the image's pixels in their order",
                "a graph that shuffles them before the first layer",
                "transpose images (channels, height, width) or (height, width, channels), do not reshape them",
            )
        if view.shape[0] > 1 and len(self.input_shape) == 3 and not self._is_transposed(view):
            refuse(
                where,
                "the image's axes moved by a transposition",
                "a reshape, which mixes pixels and channels",
                "use Permute or transpose in the model",
            )
        order = view.ravel()
        for i, step in enumerate(self.steps):  # affine operations on the pixels themselves
            assert isinstance(step.operation, Affine)
            scale, shift = (
                _per_map(a[order] if a.ndim else a, view.shape[0], step.where)
                for a in (step.operation.scale, step.operation.shift)
            )
            self.steps[i] = replace(step, operation=Affine(scale, shift))
        self.maps = self.image_maps = (view.shape[0], view.shape[1], view.shape[2])

    def _is_transposed(self, view: Index) -> bool:
        raw = np.arange(view.size).reshape(self.input_shape)
        return any(np.array_equal(view, raw.transpose(axes)) for axes in ((0, 1, 2), (2, 0, 1)))

    # --- what moves values ---

    def reshape(self, flow: Flow, shape: Sequence[int], where: str) -> Flow:
        """`shape` may hold -1, and the batch size that the graph was written for."""
        sizes = [int(n) for n in shape]
        if -1 not in sizes and sizes and sizes[0] == self.batch and np.prod(sizes) != flow.index.size:
            sizes[0] = 1
        if -1 in sizes and self.batch > 1 and sizes[0] == self.batch:
            sizes[0] = 1
        try:
            return flow.rearranged(flow.index.reshape(sizes))
        except ValueError:
            refuse(
                where, f"a shape of {flow.index.size} values", f"{tuple(shape)}", "export the model for single images"
            )

    def pad(self, flow: Flow, widths: Sequence[tuple[int, int]], value: float, where: str) -> Flow:
        """A border of one value, or a cut where a width is negative."""
        if len(widths) != flow.index.ndim:
            refuse(where, f"widths for {flow.index.ndim} axes", f"{len(widths)}", "pad rows and columns")
        index = flow.index
        for axis, (before, after) in enumerate(widths):
            cut = slice(max(0, -before), index.shape[axis] - max(0, -after))
            index = index[(slice(None),) * axis + (cut,)]
        grow = [(max(0, before), max(0, after)) for before, after in widths]
        if np.prod([n + sum(g) for n, g in zip(index.shape, grow, strict=True)], dtype=np.float64) > _LARGEST:
            refuse(where, "a border of 0 to 4", f"{tuple(widths)}", "this is no LeNet")
        if any(map(sum, grow)) and (index < 0).any() and value != flow.fill:
            refuse(where, "one kind of border", f"one of {flow.fill:g} inside one of {value:g}", "pad once")
        padded = np.pad(index, grow, constant_values=-1)
        return replace(flow, index=padded, fill=float(value) if any(map(sum, grow)) else flow.fill)

    def mean(self, flow: Flow, axes: Sequence[int], keep: bool, where: str) -> Flow:
        """A mean over axes of one value is no operation; any other is pooling of a kind that is not ours."""
        sizes = [flow.shape[axis] for axis in axes]
        if any(n != 1 for n in sizes):
            refuse(
                where,
                "2x2 windows with stride 2",
                f"a mean over {'x'.join(map(str, sizes))} values",
                "global and adaptive pooling are not supported",
            )
        return flow if keep else flow.rearranged(flow.index.squeeze(tuple(axes)))

    # --- what computes ---

    def affine(self, flow: Flow, scale: ArrayLike, shift: ArrayLike, where: str, tensors: Sequence[str] = ()) -> Flow:
        """X * scale + shift, with arrays that broadcast as NumPy's do."""
        self._take(flow, where)
        scale, shift = (np.asarray(v, np.float64) for v in (scale, shift))
        try:
            fits = np.broadcast_shapes(flow.shape, scale.shape, shift.shape)
        except ValueError:
            fits = ()
        if int(np.prod(fits)) != flow.index.size or not fits:
            refuse(
                where,
                f"one value per map of {flow.shape}",
                f"shapes {scale.shape} and {shift.shape}",
                "only scaling per map is supported",
            )
        index = np.broadcast_to(flow.index, fits)
        per_value = [self._per_value(index, v, d, where) for v, d in ((scale, 1.0), (shift, 0.0))]
        fill = self._one(flow, scale * flow.fill + shift, where) if (flow.index < 0).any() else 0.0
        if all(np.all(v == d) for v, d in zip(per_value, (1.0, 0.0), strict=True)):
            return flow
        result = self._emit(Affine(*per_value), where, tensors)
        return replace(result, index=flow.index, fill=fill)

    def _per_value(self, index: Index, values: Array, default: float, where: str) -> Array:
        """One number, or one per map, or per value where the image's axes are not known yet."""
        if values.size == 1:
            return values.reshape(())
        count = int(np.prod(self.maps or self.input_shape))
        result = np.full(count, default)
        inside = index >= 0
        result[index[inside]] = np.broadcast_to(values, index.shape)[inside]
        return result if self.maps is None else _per_map(result, self.maps[0], where)

    def _one(self, flow: Flow, values: Array, where: str) -> float:
        border = np.broadcast_to(values, flow.shape)[flow.index < 0]
        if not (border == border[0]).all():
            refuse(where, "one value around the maps", "a border of several", "pad after scaling")
        return float(border[0])

    def curve(self, flow: Flow, kind: str, where: str) -> Flow:
        """Element by element: "tanh", "sigmoid" or "relu"."""
        self._take(flow, where)
        if self.maps is None:
            refuse(where, "a convolution first", f"an activation of pixels, {kind}", "this is no LeNet")
        result = self._emit(Curve(kind), where)
        return replace(result, index=flow.index, fill=_CURVES[kind](flow.fill))

    def conv(
        self,
        flow: Flow,
        weight: ArrayLike,
        bias: ArrayLike | None,
        where: str,
        *,
        pads: Sequence[int] = (0, 0, 0, 0),
        strides: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 1),
        groups: int = 1,
        channels_last: bool = False,
        tensors: Sequence[str] = (),
    ) -> Flow:
        """Cross-correlation: weight (maps, inputs / groups, rows, columns); pads (top, left, bottom, right)."""
        self._take(flow, where)
        weight = np.asarray(weight, np.float64)
        if weight.ndim != 4 or flow.index.ndim not in (3, 4):
            refuse(
                where,
                "a convolution in two dimensions",
                f"kernels of shape {weight.shape} over {flow.shape}",
                "1-d and 3-d convolutions are not supported",
            )
        bias = np.zeros(len(weight)) if bias is None else np.asarray(bias, np.float64)
        if bias.shape != (len(weight),):
            refuse(where, f"a bias of shape ({len(weight)},)", f"{bias.shape}", "per-pixel biases are not supported")
        view: Index = flow.index.reshape(flow.shape[-3:])
        view = np.moveaxis(view, -1, 0) if channels_last else view
        whole = view.shape[1:] == weight.shape[2:] and not any(pads) and groups == 1 and tuple(dilations) == (1, 1)
        if whole and (weight.shape[2:] != (5, 5) or self._is_flat()):
            dense = self.dense(
                flow.rearranged(view.reshape(1, -1)), weight.reshape(len(weight), -1), bias, where, tensors
            )
            order = (1, 1, 1, -1) if channels_last else (1, -1, 1, 1)
            return dense.rearranged(dense.index.reshape(order))
        if groups == view.shape[0] == len(weight) and tuple(weight.shape[1:]) == (1, 2, 2) and tuple(strides) == (2, 2):
            return self._weighted_pool(flow, weight, bias, where, pads, channels_last, tensors)
        _check_kernel(where, weight.shape, strides, dilations, groups)
        inner, border = _stripped(view)
        if (inner < 0).any():
            refuse(where, "a border around whole maps", "zeros inside them", "only padding is supported")
        if inner.shape[0] != weight.shape[1]:
            refuse(where, f"{weight.shape[1]} input maps", f"{inner.shape[0]}", "the file contradicts itself")
        self._settle(inner, where)
        self._check_whole(inner, where)
        self._settle_border(flow, border, where)
        padding = {b + p for b, p in zip(border if flow.fill == 0 else (0, 0, 0, 0), pads, strict=True)}
        if len(padding) > 1 or not 0 <= max(padding) <= 4:
            refuse(where, "the same padding, 0 to 4, on all sides", f"{sorted(padding)}", "pad symmetrically")
        return self._emit(Conv(weight, bias, padding.pop()), where, tensors, channels_last=channels_last)

    def _settle_border(self, flow: Flow, border: tuple[int, ...], where: str) -> None:
        """A border that is not zero can only stand around the image itself, as background."""
        if flow.fill == 0 or not any(border):
            return
        if not all(isinstance(step.operation, Affine) for step in self.steps) or set(border) != {2}:
            refuse(
                where,
                "a border of zeros",
                f"one of {flow.fill:g}, {border} wide",
                "only images may be padded by 2 with another value",
            )
        value = np.array(flow.fill)
        for step in reversed(self.steps):
            assert isinstance(step.operation, Affine)
            value = (value - step.operation.shift) / step.operation.scale
        if not np.allclose(value, value.flat[0], rtol=1e-6, atol=1e-6):
            refuse(where, "one background for all channels", f"{value.tolist()}", "pad before scaling")
        self.background, self.margin = float(value.flat[0]), 2
        maps, height, width = self.maps or (0, 0, 0)
        self.maps = self.image_maps = (maps, height + 4, width + 4)

    def _weighted_pool(
        self, flow: Flow, weight: Array, bias: Array, where: str, pads: Any, channels_last: bool, tensors: Any
    ) -> Flow:
        """A 2x2 convolution of single maps with stride 2 is trainable subsampling, if its four weights are equal."""
        if any(pads) or (weight != weight[:, :, :1, :1]).any():
            refuse(where, "one coefficient per 2x2 window", "four different weights", "use one coefficient per map")
        pooled = self.pool(flow, "average", where, channels_last=channels_last)
        axes = (1, 1, -1) if channels_last else (-1, 1, 1)
        return self.affine(pooled, 4 * weight[:, 0, 0, 0].reshape(axes), bias.reshape(axes), where, tensors)

    def pool(
        self,
        flow: Flow,
        kind: str,
        where: str,
        *,
        window: Sequence[int] = (2, 2),
        strides: Sequence[int] = (2, 2),
        pads: Sequence[int] = (0, 0, 0, 0),
        ceil: bool = False,
        channels_last: bool = False,
    ) -> Flow:
        """Take 2x2 windows with stride 2; kind "average" or "max"; `ceil`: an odd last row is a window of its own."""
        self._take(flow, where)
        view = flow.index.reshape(flow.shape[-3:]) if flow.index.ndim in (3, 4) else flow.index
        if view.ndim != 3:
            refuse(where, "pooling of maps", f"an array of shape {flow.shape}", "pool rows and columns")
        view = np.moveaxis(view, -1, 0) if channels_last else view
        if tuple(window) == view.shape[1:] == (1, 1) and not any(pads):
            return flow
        if tuple(window) == (1, 1) and tuple(strides) == (1, 1) and not any(pads):
            return flow
        if tuple(window) != (2, 2) or tuple(strides) != (2, 2):
            what = "overlapping windows" if any(w > s for w, s in zip(window, strides, strict=True)) else "windows"
            if tuple(window) == (1, 1):
                what = "decimation, windows"
            refuse(
                where,
                "2x2 windows with stride 2",
                f"{what} of {'x'.join(map(str, window))} with stride {'x'.join(map(str, strides))}",
                "train with 2x2 pooling, or use a general runtime",
            )
        odd = view.shape[1] % 2 or view.shape[2] % 2
        if any(pads) or (odd and ceil):
            refuse(
                where,
                "windows inside the maps",
                f"padding {tuple(pads)} of maps of {view.shape[1]}x{view.shape[2]}",
                "only pooling without padding is supported",
            )
        if (view < 0).any():
            refuse(where, "pooling of whole maps", "a border of zeros around them", "pad before the convolution")
        self._settle(view, where)
        self._check_whole(view, where)
        if min(view.shape[1:]) < 2:
            refuse(where, "maps of at least 2x2", f"{view.shape[1]}x{view.shape[2]}", "this is no LeNet")
        return self._emit(Pool(kind), where, channels_last=channels_last)

    def dense(
        self, flow: Flow, weight: ArrayLike, bias: ArrayLike | None, where: str, tensors: Sequence[str] = ()
    ) -> Flow:
        """Full connection: weight (outputs, inputs), the inputs in the order in which they come."""
        self._take(flow, where)
        weight = np.asarray(weight, np.float64)
        if weight.ndim != 2 or flow.index.size != weight.shape[1]:
            refuse(
                where,
                f"as many inputs as values ({flow.index.size})",
                f"weights of shape {weight.shape}",
                "the file contradicts itself, or the image size is not the one it was trained with",
            )
        if self.maps is None:
            refuse(
                where,
                "a convolution before the first full connection",
                "a multilayer perceptron",
                "it is not of the LeNet family: use a general runtime",
            )
        bias = np.zeros(len(weight)) if bias is None else np.asarray(bias, np.float64)
        if bias.size == 1 and len(weight) != 1:
            bias = np.full(len(weight), bias.ravel()[0])
        if bias.size != len(weight):
            refuse(where, f"a bias of {len(weight)} values", f"shape {bias.shape}", "the file contradicts itself")
        places = flow.index.ravel()
        inside = places >= 0
        if len(np.unique(places[inside])) != inside.sum():
            refuse(where, "every value once", "some repeated", "this is no LeNet")
        count = int(np.prod(self.maps))
        if len(weight) * count > 4 * weight.size + _LARGEST:
            refuse(
                where, f"most of {count:,} values", f"{weight.shape[1]:,} of them", "only flattening may come before"
            )
        ordered = np.zeros((len(weight), count))
        ordered[:, places[inside]] = weight[:, inside]
        border = np.asarray(weight[:, ~inside].sum(1) * flow.fill)
        return self._emit(Dense(ordered, bias.ravel() + border), where, tensors)

    def difference(self, flow: Flow, codes: ArrayLike, where: str) -> Flow:
        """Subtract codes, where that makes several differences of every value: the start of RBF units."""
        codes = np.asarray(codes, np.float64)
        shape = np.broadcast_shapes(flow.shape, codes.shape)
        if np.prod(shape, dtype=np.float64) > _LARGEST or self.maps is None:
            refuse(where, "one value per map", f"shape {codes.shape}", "only scaling per map is supported")
        return replace(flow, index=np.broadcast_to(flow.index, shape), codes=np.broadcast_to(codes, shape))

    def distances(self, flow: Flow, axes: Sequence[int], where: str, tensors: Sequence[str] = ()) -> Flow:
        """The sum of squared differences over one axis: RBF units."""
        self._take(flow, where, distances=True)
        if flow.codes is None or not flow.squared or len(axes) != 1 or self.maps is None:
            refuse(where, "a sum of squared differences to RBF codes", "another sum", "this is no LeNet")
        index, codes = (np.moveaxis(a, axes[0], -1).reshape(-1, a.shape[axes[0]]) for a in (flow.index, flow.codes))
        count = int(np.prod(self.maps))
        if index.shape[1] != count or any(len(set(row.tolist())) != count or row.min() < 0 for row in index):
            refuse(where, f"sums over all {count} values", f"sums over {index.shape[1]}", "this is no LeNet")
        ordered = np.zeros_like(codes)
        np.put_along_axis(ordered, index, codes, axis=1)
        return self._emit(Distances(ordered), where, tensors)

    def softmax(self, flow: Flow, axis: int, where: str) -> Flow:
        """Over all classes."""
        self._take(flow, where)
        if self.maps is None:
            refuse(where, "a convolution first", "a softmax of pixels", "this is no LeNet")
        if flow.shape[axis] != flow.index.size:
            refuse(where, "a softmax over the classes", f"one over axis {axis} of {flow.shape}", "use the last axis")
        return replace(self._emit(Softmax(), where), index=flow.index)

    def decide(self, flow: Flow, kind: str, where: str) -> Flow:
        """The label: "argmax" or "argmin" of what comes."""
        self._take(flow, where)
        self.decision = kind
        return flow.rearranged(flow.index.ravel()[:1])

    # --- the row ---

    def _is_flat(self) -> bool:
        return self.maps is not None and self.maps[1:] == (1, 1)

    def _check_whole(self, view: Index, where: str) -> None:
        """The maps that a layer of maps reads must be the last layer's, all of them, in order."""
        if view.shape != self.maps or not np.array_equal(view.ravel(), np.arange(view.size)):
            if self.margin or len(self.steps) == 0 or all(isinstance(s.operation, Affine) for s in self.steps):
                return  # the image itself: `_settle` has looked
            refuse(
                where,
                "the maps of the layer before, in their order",
                "maps that were cut, moved or mixed",
                "only flattening may rearrange values",
            )

    def _take(self, flow: Flow, where: str, distances: bool = False) -> None:
        if flow.stage != len(self.steps):
            last = self.steps[flow.stage].where
            refuse(
                where,
                "layers in one row",
                f"a branch: what {last!r} reads is read again",
                "residual and branching graphs are not supported",
            )
        if self.decision:
            refuse(where, "labels as the end of the graph", f"a layer behind {self.decision}", "cut the graph there")
        if flow.codes is not None and not distances:
            refuse(
                where, "a sum of squared differences", "another use of differences to a constant", "this is no LeNet"
            )

    def _emit(self, operation: Operation, where: str, tensors: Sequence[str] = (), channels_last: bool = False) -> Flow:
        self.steps.append(Step(operation, where, tuple(tensors)))
        shape: tuple[int, ...]
        if isinstance(operation, (Conv, Pool)):
            assert self.maps is not None
            maps, height, width = self.maps
            if isinstance(operation, Conv):
                grow = 2 * operation.padding - 4
                maps, height, width = len(operation.weight), height + grow, width + grow
            else:
                height, width = height // 2, width // 2
            if min(height, width) < 1:
                refuse(
                    where,
                    "a 5x5 kernel inside the maps",
                    f"maps of {self.maps[1]}x{self.maps[2]}",
                    "check the input size",
                )
            self.maps = (maps, height, width)
            shape = (1, *self.maps)
        elif isinstance(operation, (Dense, Distances)):
            count = len(operation.weight if isinstance(operation, Dense) else operation.codes)
            self.maps = (count, 1, 1)
            shape = (1, count)
        else:
            return Flow(np.empty(0, np.int64), len(self.steps))  # its caller knows the places
        count = int(np.prod(shape))
        if count > _LARGEST:
            refuse(where, "a network of the LeNet family", f"an output of {count:,} values", "this is no LeNet")
        index = np.arange(count, dtype=np.int64).reshape(shape)
        return Flow(np.moveaxis(index, 1, -1) if channels_last else index, len(self.steps))


def _per_map(values: Array, maps: int, where: str) -> Array:
    """One number per value -> one per map, or one in all; refused if they differ inside a map."""
    if values.ndim == 0:
        return values
    rows = values.reshape(maps, -1)
    if (rows != rows[:, :1]).any():
        refuse(
            where,
            "one value per map",
            "values that differ from pixel to pixel",
            "per-pixel biases and mean images are not supported: subtract them from the images yourself",
        )
    one = rows[:, 0]
    return one[0].reshape(()) if (one == one[0]).all() and maps > 1 else one


def _stripped(view: Index) -> tuple[Index, tuple[int, int, int, int]]:
    """Maps without the border of -1 around them, and its (top, left, bottom, right)."""
    inside: NDArray[np.bool_] = np.asarray((view >= 0).any(0))
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
    way_out = "train with 5x5 kernels, or use a general runtime"
    if (rows, columns) != (5, 5):
        refuse(where, "a 5x5 kernel", f"{rows}x{columns}", f"only 5x5 kernels are supported: {way_out}")
    if tuple(strides) != (1, 1):
        refuse(where, "stride 1", f"stride {'x'.join(map(str, strides))}", "strided convolutions are not supported")
    if tuple(dilations) != (1, 1):
        refuse(where, "no dilation", f"{'x'.join(map(str, dilations))}", "dilated convolutions are not supported")
    if groups != 1:
        refuse(where, "one group", f"{groups} groups", "grouped convolutions are not supported")
