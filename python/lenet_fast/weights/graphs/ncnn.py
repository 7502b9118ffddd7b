"""ncnn: a graph as text (.param) and its weights, one array behind the other, in the .bin of the same name beside it.

The text has the number 7767517, the numbers of layers and blobs, and one line per layer: type, name, how many blobs it
reads and writes, their names, and parameters as number=value. Arrays in the .bin have no names and no sizes, so every
layer takes as many bytes as its parameters say, in the order of the lines; some begin with a tag that says whether they
are float32 or float16. Maps lie (channel, row, column), without a batch axis.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse, whole
from ...operations import ACTIVATIONS
from ..files import File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.walker import SIDES, check_count, follow
from ..source import Source
from .ncnn_files import Bin, Layer, layers_of

_OPEN = -233  # what a parameter says that is not given
_SAME_UPPER, _SAME_LOWER = -233, -234
_SHAPE_HINT = 30
_ACTIVATIONS, _LEAKY = {1: "relu", 4: "sigmoid"}, 2
_TANH = 16  # of UnaryOp
#: Kinds of BinaryOp with a number, as a factor and a shift.
_WITH_NUMBER: dict[int, Callable[[float], tuple[float, float]]] = {
    0: lambda n: (1.0, n), 1: lambda n: (1.0, -n), 2: lambda n: (n, 0.0), 3: lambda n: (1 / n, 0.0),
    7: lambda n: (-1.0, n),
}  # fmt: skip


def read(file: File) -> Source:
    """Read a .param with the .bin of the same name beside it."""
    with whole("ncnn's list of layers", "fetch the file again"):
        layers = layers_of(file.data)
    data = file.companion(Path(file.path).stem + ".bin").data
    with whole("a valid ncnn graph"):
        graph = _graph(layers, data)
    return Source("ncnn", trace=follow(graph))


# --- parsing ---


@dataclass(frozen=True)
class _Settings:
    """A layer, and its arrays, taken from the .bin when the walk comes to it."""

    layer: Layer
    arrays: list[NDArray[np.float32]]

    def constants(self, *names: str) -> list[Constant]:
        """The arrays under the layer's name, or under one of their own in it."""
        named = [f"{self.layer.name}.{name}" for name in names] or [self.layer.name] * len(self.arrays)
        return [Constant.of(name, array) for name, array in zip(named, self.arrays, strict=False)]


def _graph(layers: Sequence[Layer], data: bytes) -> Graph:
    """The layers, which ncnn keeps in the order in which they run, up to the first that is not known."""
    check_count(len(layers) + sum(len(layer.tops) for layer in layers))
    weights, entries = Bin(data), []
    images = [layer for layer in layers if layer.kind == "Input"]
    if len(images) != 1 or len(images[0].tops) != 1:
        refuse(images[0].name if images else "inputs", "one input, the image", "another number", "convert it alone")
    made: set[Hashable] = {images[0].tops[0]}
    for layer in layers:
        if layer.kind == "Input":
            continue
        _check_inputs(layer, made)
        arrays = _ARRAYS[layer.kind](layer, weights) if layer.kind in _ARRAYS else []
        settings, (output, *others) = _Settings(layer, arrays), layer.tops or (None,)
        entries.append(Entry(layer.kind, layer.name, tuple(layer.bottoms), output, settings))
        entries += [Entry("Split", layer.name, (output,), other) for other in others]
        made.update(layer.tops)
        if layer.kind not in TABLE:
            return Graph("ncnn", _image(images[0], layers), entries, TABLE)
    weights.check_end()
    return Graph("ncnn", _image(images[0], layers), entries, TABLE, must_end_in_scores=True)


def _check_inputs(layer: Layer, made: set[Hashable]) -> None:
    if layer.kind in TABLE and len(layer.bottoms) != 1:
        found, way_out = (
            f"a layer with {len(layer.bottoms)} inputs",
            "residual and branching networks are not supported",
        )
        refuse(layer.name, "layers in one row", found, way_out)


def _image(layer: Layer, layers: Sequence[Layer]) -> Image:
    sizes = [layer.whole(number) for number in (2, 1, 0)]
    hint = [int(size) for size in layer.reals(_SHAPE_HINT)]
    if not all(sizes) and len(hint) >= 4 and hint[0] == 3:
        sizes = [hint[3], hint[2], hint[1]]
    shapes = [(1, *sizes)] if min(sizes) > 0 else [(1, _channels(layers), side, side) for side in SIDES]
    return Image(layer.tops[0], layer.name, shapes)


def _channels(layers: Sequence[Layer]) -> int:
    for layer in layers:
        if layer.kind == "Convolution":
            return max(1, layer.whole(6) // max(1, layer.whole(0) * prod(layer.pair(1, 11, 0))))
    return 1


# --- arrays in the .bin ---


def _kernels(layer: Layer, weights: Bin) -> list[NDArray[np.float32]]:
    outputs, kernel, count = layer.whole(0), layer.pair(1, 11, 0), layer.whole(6)
    if min(outputs, *kernel) < 1 or count < 1 or count % (outputs * prod(kernel)) or layer.whole(19):
        refuse(layer.name, f"kernels of {kernel}", f"{count} values", "the file contradicts itself")
    weight, *bias = _weight_and_bias(layer, weights, count, layer.whole(5))
    return [weight.reshape(outputs, -1, *kernel), *bias]


def _rows(layer: Layer, weights: Bin) -> list[NDArray[np.float32]]:
    outputs, count = layer.whole(0), layer.whole(2)
    if outputs < 1 or count < 1 or count % outputs:
        refuse(layer.name, f"{outputs} rows", f"{count} values", "the file contradicts itself")
    weight, *bias = _weight_and_bias(layer, weights, count, layer.whole(1))
    return [weight.reshape(outputs, -1), *bias]


def _weight_and_bias(layer: Layer, weights: Bin, count: int, biased: int) -> list[NDArray[np.float32]]:
    if layer.whole(8):
        refuse(layer.name, "float32 or float16 weights", "int8 ones", "convert the model without quantising it")
    weight = weights.tagged(count, layer.name)
    return [weight, weights.plain(layer.whole(0), layer.name)] if biased else [weight]


def _statistics(layer: Layer, weights: Bin) -> list[NDArray[np.float32]]:
    """Slope, mean, variance and bias."""
    return [weights.plain(layer.whole(0), layer.name) for _ in range(4)]


def _factors(layer: Layer, weights: Bin) -> list[NDArray[np.float32]]:
    return [weights.plain(layer.whole(0), layer.name) for _ in range(2 if layer.whole(1) else 1)]


_ARRAYS: dict[str, Callable[[Layer, Bin], list[NDArray[np.float32]]]] = {
    "Convolution": _kernels,
    "ConvolutionDepthWise": _kernels,
    "InnerProduct": _rows,
    "BatchNorm": _statistics,
    "Scale": _factors,
}


# --- operators ---


def _pads(layer: Layer, numbers: tuple[int, int, int, int], same: int | None = None) -> tuple[int, ...] | str:
    """Top, left, bottom, right, from the parameters of these numbers; those that are not given are as the others."""
    left = layer.whole(numbers[1])
    top = layer.whole(numbers[0], left)
    same = same or (left if left == top and left in (_SAME_UPPER, _SAME_LOWER) else None)
    if same is None:
        return top, left, layer.whole(numbers[2], top), layer.whole(numbers[3], left)
    return "same_upper" if same == _SAME_UPPER else "same_lower"


def _activated(layer: Layer, node: Node) -> list[Node]:
    """A node, and the activation that its layer has in itself."""
    kind = layer.whole(9)
    if kind == _LEAKY:
        return [node, _relu_with(*(layer.reals(10) or [0.0])[:1])]
    if kind and kind not in _ACTIVATIONS:
        refuse(layer.name, ACTIVATIONS, f"activation {kind}", "train with one of these")
    return [node, Node("curve", kind=_ACTIVATIONS[kind])] if kind else [node]


def _relu_with(slope: float) -> Node:
    return Node("curve", kind="leaky_relu", slope=slope) if slope else Node("curve", kind="relu")


def _convolution(entry: Entry) -> list[Node]:
    layer: Layer = entry.settings.layer
    if layer.real(18):
        refuse(layer.name, "a border of zeros", f"one of {layer.real(18):g}", "pad with zeros")
    node = Node(
        "conv", *entry.settings.constants("weight", "bias"),
        pads=_pads(layer, (14, 4, 16, 15)), strides=layer.pair(3, 13, 1), dilations=layer.pair(2, 12, 1),
        groups=layer.whole(7, 1),
    )  # fmt: skip
    return _activated(layer, node)


def _inner_product(entry: Entry) -> list[Node]:
    return _activated(entry.settings.layer, Node("dense", *entry.settings.constants("weight", "bias")))


def _batch_norm(entry: Entry) -> Node:
    slope, mean, variance, bias = entry.settings.constants()
    return Node("batch_norm", slope, bias, mean, variance, epsilon=entry.settings.layer.real(1))


def _scale(entry: Entry) -> Node:
    return Node("scale_along", *entry.settings.constants())


def _relu(entry: Entry) -> Node:
    return _relu_with(entry.settings.layer.real(0))


def _unary(entry: Entry) -> Node:
    kind = entry.settings.layer.whole(0)
    return Node("curve", kind="tanh") if kind == _TANH else Node("other_curve", found=f"UnaryOp {kind}")


def _binary(entry: Entry) -> Node:
    layer: Layer = entry.settings.layer
    kind, number = layer.whole(0), layer.real(2)
    if not layer.whole(1) or kind not in _WITH_NUMBER:
        refuse(layer.name, "a sum or product with a number", f"BinaryOp {kind}", "this is no LeNet")
    scale, shift = _WITH_NUMBER[kind](number)
    return Node("affine", scale=scale, shift=shift)


def _pooling(entry: Entry) -> list[Node]:
    layer: Layer = entry.settings.layer
    kind, mode = layer.whole(0), layer.whole(5)
    if kind not in (0, 1) or mode not in (0, 1, 2, 3) or layer.whole(7):
        refuse(layer.name, "average or max pooling", f"type {kind}, padding mode {mode}", "use 2x2 windows")
    pads = _pads(layer, (13, 3, 15, 14), {2: _SAME_UPPER, 3: _SAME_LOWER}.get(mode))
    whole = bool(layer.whole(4))
    window, strides = (None, None) if whole else (layer.pair(1, 11, 0), layer.pair(2, 12, 1))
    name = ("max", "average")[kind]
    node = Node("pool", kind=name, window=window, strides=strides, pads=pads, ceil=mode == 0)
    return [node, Node("reshape", shape=(1, -1))] if whole else [node]


def _softmax(entry: Entry) -> Node:
    return Node("softmax", axis=entry.settings.layer.whole(0), has_batch=False)


def _padding(entry: Entry) -> Node:
    layer: Layer = entry.settings.layer
    if layer.whole(4) or layer.whole(6) or layer.whole(7) or layer.whole(8):
        refuse(layer.name, "padding with a constant", "another kind", "pad with zeros")
    top, bottom, left, right = (layer.whole(number) for number in range(4))
    return Node("pad", widths=[(0, 0), (0, 0), (top, bottom), (left, right)], value=layer.real(5))


def _reshape(entry: Entry) -> Node:
    layer: Layer = entry.settings.layer
    if (3 in layer.parameters and layer.whole(3)) or not {6, 12, 13}.isdisjoint(layer.parameters):
        refuse(layer.name, "a plain reshape", "one that transposes or computes its shape", "use Flatten")
    given = [layer.whole(number, _OPEN) for number in (0, 1, 11, 2)]  # columns first
    sizes = [size for size in reversed(given) if size != _OPEN]
    return Node("reshape", shape=(1, *sizes), zeros="last")


TABLE: dict[str, Translation] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "InnerProduct": _inner_product,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "TanH": always("curve", kind="tanh"),
    "Sigmoid": always("curve", kind="sigmoid"),
    "ReLU": _relu,
    "UnaryOp": _unary,
    "BinaryOp": _binary,
    "Pooling": _pooling,
    "Softmax": _softmax,
    "Padding": _padding,
    "Flatten": always("reshape", shape=(1, -1)),
    "Reshape": _reshape,
    **dict.fromkeys(("Split", "Noop", "Dropout"), always("identity")),
}
