"""ncnn: a graph as text (.param) and its weights, one array behind the other, in the .bin of the same name beside it.

The text has the number 7767517, the numbers of layers and blobs, and one line per layer: type, name, how many blobs it
reads and writes, their names, and parameters as number=value. Arrays in the .bin have no names and no sizes, so every
layer takes as many bytes as its parameters say, in the order of the lines; some begin with a tag that says whether they
are float32 or float16. Maps lie (channel, row, column), without a batch axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from .files import File
from .guess import MOST_LAYERS, SIDES, followed
from .source import Source
from .trace import Flow, Trace, refuse, same_padding

_MAGIC = b"7767517"
_LARGEST_TEXT = 1 << 20
_HALF = 0x01306B47  # the tag of float16
_OPEN = -233  # what a parameter says that is not given
_SAME_UPPER, _SAME_LOWER = -233, -234
_SHAPE_HINT = 30
_CURVES = {"TanH": "tanh", "Sigmoid": "sigmoid", "ReLU": "relu"}
_ACTIVATIONS = {1: "relu", 4: "sigmoid"}
_TANH = 16  # of UnaryOp
_LITERAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?|[-+]?(inf|nan)", re.IGNORECASE)


def looks_like(data: bytes) -> bool:
    """Whether this may be a .param."""
    return re.match(rb"\s*" + _MAGIC + rb"\s", data[:64]) is not None


def read(file: File) -> Source:
    """Read a .param with the .bin of the same name beside it."""
    name = str(file)
    try:
        layers = _layers(file.data)
    except (ValueError, LookupError) as error:
        raise WeightsError(
            f"{name}: wanted ncnn's list of layers, found damage ({error}); fetch the file again"
        ) from error
    data = file.companion(Path(file.path).stem + ".bin").data

    def follow(trace: Trace, side: int) -> None:
        _Graph(trace, layers, data).follow(side)

    return Source("ncnn", trace=followed(name, "ncnn", follow, SIDES))


@dataclass(frozen=True)
class _Layer:
    """A line of the .param."""

    kind: str
    name: str
    bottoms: list[str]
    tops: list[str]
    parameters: dict[int, str]

    def whole(self, number: int, default: int = 0) -> int:
        """A parameter that is a whole number."""
        return int(self.parameters.get(number, default))

    def real(self, number: int, default: float = 0.0) -> float:
        return _real(self.parameters[number]) if number in self.parameters else default

    def pair(self, columns: int, rows: int, default: int) -> tuple[int, int]:
        """(rows, columns), where rows are as columns if they are not given."""
        width = self.whole(columns, default)
        return self.whole(rows, width), width

    def array(self, number: int) -> list[int]:
        """A parameter that is an array: its length, then its values."""
        values = [int(_real(text)) for text in self.parameters.get(number, "0").split(",")]
        if values[0] != len(values) - 1:
            raise ValueError(f"parameter {number} of {self.name!r}: {len(values) - 1} of {values[0]} values")
        return values[1:]


def _real(text: str) -> float:
    if not _LITERAL.fullmatch(text):
        raise ValueError(f"{text[:20]!r} where a number should be")
    return float(text)


def _layers(data: bytes) -> list[_Layer]:
    if len(data) > _LARGEST_TEXT:
        raise ValueError(f"{len(data):,} bytes, it is another network")
    lines = [line.split() for line in data.decode().splitlines() if line.strip()]
    if len(lines) < 2 or lines[0] != [_MAGIC.decode()] or len(lines[1]) != 2:
        raise ValueError("no numbers of layers and blobs")
    if len(lines) > MOST_LAYERS:
        raise ValueError(f"{len(lines):,} layers, it is another network")
    layers = [_layer(words) for words in lines[2:]]
    names = {top for layer in layers for top in layer.tops}
    if [int(n) for n in lines[1]] != [len(layers), len(names)]:
        raise ValueError(f"{len(layers)} layers and {len(names)} blobs where {' and '.join(lines[1])} should be")
    return layers


def _layer(words: list[str]) -> _Layer:
    kind, name, *rest = words
    reads, writes = int(rest[0]), int(rest[1])
    if min(reads, writes) < 0 or len(rest) < 2 + reads + writes:
        raise ValueError(f"{name!r} with too few blobs")
    blobs, parameters = rest[2 : 2 + reads + writes], {}
    for word in rest[2 + reads + writes :]:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word[:20]!r} among the parameters of {name!r}")
        number = int(key)
        parameters[-number - 23300 if number <= -23300 else number] = value
    return _Layer(kind, name, blobs[:reads], blobs[reads:], parameters)


class _Weights:
    """The .bin, from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def _take(self, size: int, where: str) -> bytes:
        begin, self._place = self._place, self._place + size
        if size < 0 or self._place > len(self._data):
            refuse(
                where, f"{size} bytes of weights", f"{len(self._data) - begin}", "the .bin is truncated or another's"
            )
        return self._data[begin : self._place]

    def tagged(self, count: int, where: str) -> NDArray[np.float64]:
        """Weights behind a tag that says how they are stored."""
        tag = int.from_bytes(self._take(4, where), "little")
        if tag == 0:
            return self.plain(count, where)
        if tag != _HALF:
            refuse(where, "float32 or float16 weights", f"tag {tag:#010x}", "convert the model without quantising it")
        data = self._take((2 * count + 3) // 4 * 4, where)
        return np.frombuffer(data, "<f2", count).astype(np.float64)

    def plain(self, count: int, where: str) -> NDArray[np.float64]:
        return np.frombuffer(self._take(4 * count, where), "<f4").astype(np.float64)

    def check_end(self) -> None:
        if self._place != len(self._data):
            refuse("weights", f"{self._place} bytes", f"{len(self._data)}", "the .bin is another network's")


class _Graph:
    """One pass over the layers, which ncnn keeps in the order in which they run."""

    def __init__(self, trace: Trace, layers: Sequence[_Layer], data: bytes) -> None:
        self.trace, self.layers, self.weights = trace, layers, _Weights(data)
        self.values: dict[str, Flow] = {}

    def follow(self, side: int) -> None:
        """Trace all layers; `side` is the height and width of images where the file does not say them."""
        for layer in self.layers:
            if layer.kind == "Input":
                self._image(layer, side)
            else:
                self.values.update(dict.fromkeys(layer.tops, self._operation(layer)))
        self.weights.check_end()

    def _image(self, layer: _Layer, side: int) -> None:
        if self.values or len(layer.tops) != 1:
            refuse(layer.name, "one input, the image", "several", "convert the network alone")
        sizes = [layer.whole(number) for number in (2, 1, 0)]
        hint = layer.array(_SHAPE_HINT)
        if not all(sizes) and len(hint) >= 4 and hint[0] == 3:
            sizes = [hint[3], hint[2], hint[1]]
        if min(sizes) <= 0:
            sizes = [self._channels(), side, side]
        self.values[layer.tops[0]] = self.trace.image((1, *sizes), layer.name)

    def _channels(self) -> int:
        for layer in self.layers:
            if layer.kind == "Convolution":
                return max(1, layer.whole(6) // max(1, layer.whole(0) * prod(layer.pair(1, 11, 0))))
        return 1

    def _operation(self, layer: _Layer) -> Flow:
        method: Callable[[Flow, _Layer], Flow] | None = getattr(self, f"_on_{layer.kind.lower()}", None)
        if method is None and layer.kind not in _CURVES:
            refuse(layer.name, "a layer of the LeNet family", layer.kind, "use a general runtime for this network")
        if len(layer.bottoms) != 1:
            refuse(
                layer.name, "layers in one row", f"a layer with {len(layer.bottoms)} inputs",
                "residual and branching networks are not supported",
            )  # fmt: skip
        if layer.bottoms[0] not in self.values:
            refuse(layer.name, "inputs computed before", f"{layer.bottoms[0]!r}, which is not", "the file is damaged")
        flow = self.values[layer.bottoms[0]]
        return self._curve(flow, layer) if method is None else method(flow, layer)

    def _curve(self, flow: Flow, layer: _Layer) -> Flow:
        if layer.kind == "ReLU" and layer.real(0):
            slope = f"ReLU with slope {layer.real(0):g}"
            refuse(layer.name, "tanh, scaled tanh, sigmoid, relu or none", slope, "train with plain ReLU")
        return self.trace.curve(flow, _CURVES[layer.kind], layer.name)

    def _on_unaryop(self, flow: Flow, layer: _Layer) -> Flow:
        if layer.whole(0) != _TANH:
            found = f"UnaryOp {layer.whole(0)}"
            refuse(layer.name, "tanh, scaled tanh, sigmoid, relu or none", found, "other functions are not supported")
        return self.trace.curve(flow, "tanh", layer.name)

    # --- layers with weights ---

    def _on_convolution(self, flow: Flow, layer: _Layer) -> Flow:
        outputs, kernel, groups = layer.whole(0), layer.pair(1, 11, 0), layer.whole(7, 1)
        count = layer.whole(6)
        if min(outputs, *kernel) < 1 or count < 1 or count % (outputs * prod(kernel)) or layer.whole(19):
            refuse(layer.name, f"kernels of {kernel}", f"{count} values", "the file contradicts itself")
        weight, bias, names = self._weights(layer, count, layer.whole(5))
        strides, dilations = layer.pair(3, 13, 1), layer.pair(2, 12, 1)
        if layer.real(18):
            refuse(layer.name, "a border of zeros", f"one of {layer.real(18):g}", "pad with zeros")
        pads = _pads(layer, kernel, strides, flow.shape[-2:], (14, 4, 16, 15))
        result = self.trace.conv(
            flow, weight.reshape(outputs, -1, *kernel), bias, layer.name, pads=pads, strides=strides,
            dilations=dilations, groups=groups, tensors=names,
        )  # fmt: skip
        return self._activated(result, layer)

    _on_convolutiondepthwise = _on_convolution

    def _on_innerproduct(self, flow: Flow, layer: _Layer) -> Flow:
        outputs, count = layer.whole(0), layer.whole(2)
        if outputs < 1 or count < 1 or count % outputs:
            refuse(layer.name, f"{outputs} rows", f"{count} values", "the file contradicts itself")
        weight, bias, names = self._weights(layer, count, layer.whole(1))
        return self._activated(self.trace.dense(flow, weight.reshape(outputs, -1), bias, layer.name, names), layer)

    def _weights(self, layer: _Layer, count: int, biased: int) -> tuple[NDArray[np.float64], Any, tuple[str, ...]]:
        if layer.whole(8):
            refuse(layer.name, "float32 or float16 weights", "int8 ones", "convert the model without quantising it")
        weight = self.weights.tagged(count, layer.name)
        bias = self.weights.plain(layer.whole(0), layer.name) if biased else None
        return weight, bias, (f"{layer.name}.weight", f"{layer.name}.bias")[: 2 if biased else 1]

    def _activated(self, flow: Flow, layer: _Layer) -> Flow:
        kind = layer.whole(9)
        if kind and kind not in _ACTIVATIONS:
            found = f"activation {kind}"
            refuse(layer.name, "tanh, scaled tanh, sigmoid, relu or none", found, "train with one of these")
        return self.trace.curve(flow, _ACTIVATIONS[kind], layer.name) if kind else flow

    def _on_batchnorm(self, flow: Flow, layer: _Layer) -> Flow:
        slope, mean, variance, bias = (self.weights.plain(layer.whole(0), layer.name) for _ in range(4))
        scale = slope / np.sqrt(variance + layer.real(1))
        return self.trace.affine(
            flow, _per_map(scale, flow), _per_map(bias - mean * scale, flow), layer.name, (layer.name,)
        )

    def _on_scale(self, flow: Flow, layer: _Layer) -> Flow:
        scale = self.weights.plain(layer.whole(0), layer.name)
        shift = self.weights.plain(layer.whole(0), layer.name) if layer.whole(1) else np.zeros(1)
        return self.trace.affine(flow, _per_map(scale, flow), _per_map(shift, flow), layer.name, (layer.name,))

    # --- layers without ---

    def _on_pooling(self, flow: Flow, layer: _Layer) -> Flow:
        kind, mode = layer.whole(0), layer.whole(5)
        window, strides = layer.pair(1, 11, 0), layer.pair(2, 12, 1)
        if kind not in (0, 1) or mode not in (0, 1, 2, 3) or layer.whole(7):
            refuse(layer.name, "average or max pooling", f"type {kind}, padding mode {mode}", "use 2x2 windows")
        if layer.whole(4):
            window = strides = (flow.shape[-2], flow.shape[-1])
        pads = _pads(
            layer, window, strides, flow.shape[-2:], (13, 3, 15, 14), {2: _SAME_UPPER, 3: _SAME_LOWER}.get(mode)
        )
        pooled = self.trace.pool(
            flow, ("max", "average")[kind], layer.name, window=window, strides=strides, pads=pads, ceil=mode == 0
        )
        return self.trace.reshape(pooled, (1, -1), layer.name) if layer.whole(4) else pooled

    def _on_binaryop(self, flow: Flow, layer: _Layer) -> Flow:
        kind, number = layer.whole(0), layer.real(2)
        if not layer.whole(1) or kind not in (0, 1, 2, 3, 7):
            refuse(layer.name, "a sum or product with a number", f"BinaryOp {kind}", "this is no LeNet")
        scale = {2: number, 7: -1.0}.get(kind, 1 / number if kind == 3 else 1.0)
        shift = {0: number, 1: -number, 7: number}.get(kind, 0.0)
        return self.trace.affine(flow, scale, shift, layer.name)

    def _on_softmax(self, flow: Flow, layer: _Layer) -> Flow:
        axis = 0 if flow.index.ndim == 2 else layer.whole(0)
        return self.trace.softmax(flow, axis if axis < 0 else axis + 1, layer.name)

    def _on_padding(self, flow: Flow, layer: _Layer) -> Flow:
        if layer.whole(4) or layer.whole(6) or layer.whole(7) or layer.whole(8):
            refuse(layer.name, "padding with a constant", "another kind", "pad with zeros")
        top, bottom, left, right = (layer.whole(number) for number in range(4))
        return self.trace.pad(flow, [(0, 0), (0, 0), (top, bottom), (left, right)], layer.real(5), layer.name)

    def _on_split(self, flow: Flow, layer: _Layer) -> Flow:
        return flow

    _on_noop = _on_dropout = _on_split

    def _on_flatten(self, flow: Flow, layer: _Layer) -> Flow:
        return self.trace.reshape(flow, (1, -1), layer.name)

    def _on_reshape(self, flow: Flow, layer: _Layer) -> Flow:
        if (3 in layer.parameters and layer.whole(3)) or not {6, 12, 13}.isdisjoint(layer.parameters):
            refuse(layer.name, "a plain reshape", "one that transposes or computes its shape", "use Flatten")
        given = [layer.whole(number, _OPEN) for number in (0, 1, 11, 2)]  # columns first
        sizes = [size for size in reversed(given) if size != _OPEN]
        if 0 in sizes:
            sizes = [size or flow.shape[i - len(sizes)] for i, size in enumerate(sizes)]
        return self.trace.reshape(flow, (1, *sizes), layer.name)


def _pads(
    layer: _Layer,
    window: Sequence[int],
    strides: Sequence[int],
    size: Sequence[int],
    numbers: tuple[int, int, int, int],
    same: int | None = None,
) -> tuple[int, ...]:
    """Top, left, bottom, right, from the parameters of these numbers; those that are not given are as the others."""
    left = layer.whole(numbers[1])
    top = layer.whole(numbers[0], left)
    same = same or (left if left == top and left in (_SAME_UPPER, _SAME_LOWER) else None)
    if same is None:
        return top, left, layer.whole(numbers[2], top), layer.whole(numbers[3], left)
    return same_padding(size, window, strides, before=same != _SAME_UPPER)


def _per_map(values: NDArray[np.float64], flow: Flow) -> NDArray[np.float64]:
    return values.reshape(-1, *[1] * (flow.index.ndim - 2))
