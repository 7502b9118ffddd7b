"""A graph -> a row of elementary operations, one behind the other.

Canonical operators (`operators`) call `take` for the values that they read and `emit` for the operation that they are.
A graph that is not one row is refused where a value is read that another operation has taken before. Where the image's
axes lie is not known until the first layer of maps is met: until then operations on single pixels are noted pixel by
pixel, and `settle` brings them into the order (channels, height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from ...budget import charge, need
from ...errors import refuse
from ...operations import Affine, Array, Conv, Dense, Distances, Operation, Pool
from .flow import Flow, Index

_MOST_AXES = 4  # of an image; batches in front are not counted


@dataclass(frozen=True)
class Step:
    """One operation, the name it has in the file, and the names of its tensors there."""

    operation: Operation
    where: str
    tensors: tuple[str, ...] = ()


@dataclass
class Trace:
    """The operations met so far; `batch` is the batch size that the graph was written for."""

    batch: int = 1
    steps: list[Step] = field(default_factory=list)
    input_shape: tuple[int, ...] = ()  # as the graph has it, without the batch axis
    maps: tuple[int, int, int] | None = None  # of the last operation's output; None until the image's axes are known
    image_maps: tuple[int, int, int] = (0, 0, 0)  # the image as (channels, height, width), with its margin
    background: float | None = None  # around the image, where the graph pads it before scaling
    margin: int = 0  # how wide
    decision: str = ""  # "argmax" or "argmin", where the graph ends in labels
    uint8: bool = False  # whether the graph takes uint8 pixels
    parameters: int = 0  # of all operations

    def image(self, shape: Sequence[int], where: str = "input") -> Flow:
        """The graph's input, of a shape with the batch axis first."""
        sizes = tuple(int(n) for n in shape[1:])
        if not 1 <= len(sizes) <= _MOST_AXES or min(sizes) < 1:
            found = f"shape {tuple(shape[: _MOST_AXES + 2])}"
            refuse(where, "an image of known size", found, "export the model with a fixed image size")
        charge("values", prod(sizes))
        self.input_shape = sizes
        return Flow(np.arange(int(np.prod(sizes)), dtype=np.int64).reshape(1, *sizes), 0)

    # --- the image's axes ---

    def settle(self, view: Index, where: str) -> None:
        """`view` (channels, height, width) says where the pixels lie: from now on values are counted in this order."""
        if self.maps is not None:
            return
        count = int(np.prod(self.input_shape))
        if view.size != count:
            refuse(where, "the whole image", "a graph that cuts it before the first layer", "cut images before")
        arrangements = [np.arange(count).reshape(view.shape)]  # channels first
        arrangements.append(np.arange(count).reshape(*view.shape[1:], view.shape[0]).transpose(2, 0, 1))  # last
        if not any(np.array_equal(view, a) for a in arrangements):
            way_out = "transpose images (channels, height, width) or (height, width, channels), do not reshape them"
            found = "a graph that shuffles them before the first layer"
            refuse(where, "the image's pixels in their order", found, way_out)
        if view.shape[0] > 1 and len(self.input_shape) == 3 and not self._is_transposed(view):
            found = "a reshape, which mixes pixels and channels"
            refuse(where, "the image's axes moved by a transposition", found, "use Permute or transpose in the model")
        order = view.ravel()
        for i, step in enumerate(self.steps):  # affine operations on the pixels themselves
            assert isinstance(step.operation, Affine)
            scale, shift = (
                per_map(a[order] if a.ndim else a, view.shape[0], step.where)
                for a in (step.operation.scale, step.operation.shift)
            )
            self.steps[i] = replace(step, operation=Affine(scale, shift))
        self.maps = self.image_maps = (view.shape[0], view.shape[1], view.shape[2])

    def _is_transposed(self, view: Index) -> bool:
        raw = np.arange(view.size).reshape(self.input_shape)
        return any(np.array_equal(view, raw.transpose(axes)) for axes in ((0, 1, 2), (2, 0, 1)))

    def settle_border(self, flow: Flow, border: tuple[int, ...], where: str) -> None:
        """A border that is not zero can only stand around the image itself, as background."""
        if flow.fill == 0 or not any(border):
            return
        if not self.has_only_pixels() or set(border) != {2}:
            way_out = "only images may be padded by 2 with another value"
            refuse(where, "a border of zeros", f"one of {flow.fill:g}, {border} wide", way_out)
        value = np.array(flow.fill)
        for step in reversed(self.steps):
            assert isinstance(step.operation, Affine)
            value = (value - step.operation.shift) / step.operation.scale
        if not np.allclose(value, value.flat[0], rtol=1e-6, atol=1e-6):
            refuse(where, "one background for all channels", f"{value.tolist()}", "pad before scaling")
        self.background, self.margin = float(value.flat[0]), 2
        maps, height, width = self.maps or (0, 0, 0)
        self.maps = self.image_maps = (maps, height + 4, width + 4)

    def has_only_pixels(self) -> bool:
        """Whether no layer has come yet, only operations on single pixels."""
        return all(isinstance(step.operation, Affine) for step in self.steps)

    def is_flat(self) -> bool:
        """Whether the last operation's output is one value per map."""
        return self.maps is not None and self.maps[1:] == (1, 1)

    # --- the row ---

    def take(self, flow: Flow, where: str, *, distances: bool = False) -> None:
        """Read values: they must be the last operation's, and nothing that waits for something else."""
        if flow.stage != len(self.steps):
            last = self.steps[flow.stage].where
            way_out = "residual and branching graphs are not supported"
            refuse(where, "layers in one row", f"a branch: what {last!r} reads is read again", way_out)
        if self.decision:
            refuse(where, "labels as the end of the graph", f"a layer behind {self.decision}", "cut the graph there")
        if flow.codes is not None and not distances:
            found = "another use of differences to a constant"
            refuse(where, "a sum of squared differences", found, "this is no LeNet")

    def check_whole(self, view: Index, where: str) -> None:
        """The maps that a layer of maps reads must be the last layer's, all of them, in order."""
        if view.shape != self.maps or not np.array_equal(view.ravel(), np.arange(view.size)):
            if self.has_only_pixels():
                return  # the image itself: `settle` has looked
            wanted, found = "the maps of the layer before, in their order", "maps that were cut, moved or mixed"
            refuse(where, wanted, found, "only flattening may rearrange values")

    def emit(
        self, operation: Operation, where: str, tensors: Sequence[str] = (), *, channels_last: bool = False
    ) -> Flow:
        """Note an operation, and return its output in order."""
        self.parameters += operation.weight.size if isinstance(operation, (Conv, Dense)) else 0
        need("parameters", self.parameters)
        self.steps.append(Step(operation, where, tuple(tensors)))
        shape: tuple[int, ...]
        match operation:
            case Conv() | Pool():
                self.maps = self._maps_behind(operation, where)
                shape = (1, *self.maps)
            case Dense(weight=rows) | Distances(codes=rows):
                self.maps = (len(rows), 1, 1)
                shape = (1, len(rows))
            case _:
                return Flow(np.empty(0, np.int64), len(self.steps))  # its caller knows the places
        count = prod(shape)
        charge("values", count)
        index = np.arange(count, dtype=np.int64).reshape(shape)
        return Flow(np.moveaxis(index, 1, -1) if channels_last else index, len(self.steps))

    def _maps_behind(self, operation: Conv | Pool, where: str) -> tuple[int, int, int]:
        assert self.maps is not None
        maps, height, width = self.maps
        if isinstance(operation, Conv):
            grow = 2 * operation.padding - 4
            maps, height, width = len(operation.weight), height + grow, width + grow
        else:
            height, width = height // 2, width // 2
        if min(height, width) < 1:
            found = f"maps of {self.maps[1]}x{self.maps[2]}"
            refuse(where, "a 5x5 kernel inside the maps", found, "images are larger in training, or it is no LeNet")
        return maps, height, width


def per_map(values: Array, maps: int, where: str) -> Array:
    """One number per value -> one per map, or one in all; refused if they differ inside a map."""
    if values.ndim == 0:
        return values
    rows = values.reshape(maps, -1)
    if (rows != rows[:, :1]).any():
        way_out = "per-pixel biases and mean images are not supported: subtract them from the images yourself"
        refuse(where, "one value per map", "values that differ from pixel to pixel", way_out)
    one = rows[:, 0]
    return one[0].reshape(()) if (one == one[0]).all() and maps > 1 else one
