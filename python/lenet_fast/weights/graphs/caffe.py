"""Caffe: a .caffemodel, or a .prototxt with the .caffemodel of the same name beside it.

Both are a NetParameter of caffe.proto, binary or as text. Layers are connected by the names of blobs, and a layer may
write over the blob it reads. A .caffemodel holds the network as it was trained, with its data and loss layers: the data
layer tells how raw pixels (0 to 255) were scaled.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse, whole
from ..arrays.dtypes import MOST_AXES
from ..files import File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always, as_floats
from ..graph.walker import SIDES, follow
from ..signatures import is_caffe_text
from ..source import Source
from .caffe_schema import ENUMS, TEST, TRAIN, parsed, parsed_text

_MOST_LAYERS = 500
_STORED = ("data", "imagedata", "windowdata")  # sources of pixels from 0 to 255
_SOURCES = (*_STORED, "input", "memorydata", "hdf5data", "dummydata")
_TRAINING_ONLY = (
    "accuracy", "silence", "hdf5output", "euclideanloss", "hingeloss", "sigmoidcrossentropyloss", "infogainloss",
    "multinomiallogisticloss", "contrastiveloss",
)  # fmt: skip
_LOSSES = ("softmaxwithloss", "softmaxloss")


def read(file: File) -> Source:
    """Read a .caffemodel, or a .prototxt with the .caffemodel of the same name beside it."""
    if is_caffe_text(file.data):
        beside = file.companion(Path(file.path).stem + ".caffemodel")
        net, weights = parsed_text(file.data), parsed(beside.data)
    else:
        net = weights = parsed(file.data)
    if (count := len(net.layer) + len(net.layers)) > _MOST_LAYERS:
        refuse("", "a LeNet of some dozen layers", f"{count:,}", "it is another network")
    with whole("a valid Caffe graph"):
        graph = _Parser(net, weights).graph()
    return Source("Caffe", trace=follow(graph))


# --- parsing ---


@dataclass(frozen=True)
class _Layer:
    """A layer of either generation; `kind` is its type in one spelling, `typed` in the file's."""

    name: str
    kind: str
    typed: str
    parameters: Any
    blobs: Sequence[NDArray[np.float32]] = ()

    @property
    def bottoms(self) -> list[str]:
        return list(self.parameters.bottom)

    @property
    def tops(self) -> list[str]:
        return list(self.parameters.top)

    def runs_in(self, phase: int) -> bool:
        included, excluded = self.parameters.include, self.parameters.exclude
        return any(_met(r, phase) for r in included) if len(included) else not any(_met(r, phase) for r in excluded)

    def arrays(self, wanted: Iterable[int]) -> list[NDArray[Any]]:
        """The layer's blobs, of which there must be as many as one of `wanted`."""
        if len(self.blobs) not in wanted:
            way_out = "the .caffemodel is of another network"
            refuse(self.name, f"{max(wanted)} arrays of weights", f"{len(self.blobs)}", way_out)
        return list(self.blobs)

    def constants(self, arrays: Iterable[NDArray[Any]]) -> list[Constant]:
        """The arrays under the names name[0], name[1]."""
        return [Constant.of(f"{self.name}[{i}]", array) for i, array in enumerate(arrays)]


def _met(rule: Any, phase: int) -> bool:
    in_phase = not rule.HasField("phase") or rule.phase == phase
    return bool(in_phase) and not len(rule.stage) and rule.min_level <= 0 <= rule.max_level


def _layers(net: Any, weights: Any) -> list[_Layer]:
    """The layers of one phase: of testing, or of training where only that has images."""
    named = {p.name: p.blobs for p in (*weights.layers, *weights.layer) if len(p.blobs)}
    blobs = {name: [_values(blob, name) for blob in some] for name, some in named.items()}
    everything = [_layer(p, p.type, blobs) for p in net.layer]
    everything += [_layer(p, _name_of_type(p.type), blobs) for p in net.layers]
    chosen: list[_Layer] = []
    for phase in (TEST, TRAIN):
        chosen = [layer for layer in everything if layer.runs_in(phase)]
        if len(net.input) or any(layer.kind in _SOURCES for layer in chosen):
            break
    decided = any(layer.kind in ("softmax", "argmax") for layer in chosen)
    return [y for y in chosen if y.kind not in _TRAINING_ONLY and not (decided and y.kind in _LOSSES)]


def _layer(parameters: Any, typed: str, blobs: dict[str, list[NDArray[Any]]]) -> _Layer:
    name, kind = parameters.name or typed, typed.replace("_", "").lower()
    return _Layer(name, kind, typed, parameters, blobs.get(name, ()))


def _name_of_type(number: int) -> str:
    names = {value: name for name, value in ENUMS["LayerType"].items()}
    return names[number] if number else "NONE, as files before 2014 have it"


def _values(blob: Any, where: str) -> NDArray[Any]:
    """The values of a blob in a row, once its shape is known to fit them."""
    doubles = np.asarray(blob.double_data, np.float64)
    values = doubles if len(doubles) else np.asarray(blob.data, np.float32)
    dims = blob.shape.dim[: MOST_AXES + 1]
    shape = tuple(dims) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    if min(shape, default=0) < 0 or len(shape) > MOST_AXES or prod(shape) != values.size:
        refuse(where, f"weights of shape {shape}", f"{values.size} values", "the file is damaged")
    return values


class _Parser:
    """From a network's layers, which Caffe keeps in the order in which they run, to a graph of entries."""

    def __init__(self, net: Any, weights: Any) -> None:
        self.net, self.layers = net, _layers(net, weights)
        self.keys: dict[str, Hashable] = {}  # of what is in each blob now: a layer may write over what it reads
        self.entries: list[Entry] = []
        self.constants: dict[Hashable, Constant] = {}
        self.image: Image | None = None

    def graph(self) -> Graph:
        """All layers."""
        if len(self.net.input):
            names = list(self.net.input)
            declared = list(self.net.input_shape[0].dim) if len(self.net.input_shape) else list(self.net.input_dim[:4])
            self._put_image(names[0], declared, names[0], is_uint8=False)
            self._put_labels(names[1:])
        for layer in self.layers:
            if layer.kind in _SOURCES:
                self._source(layer)
            else:
                self._entry(layer)
        if self.image is None:
            refuse("inputs", "one input, the image", "none", "the file is damaged")
        return Graph("Caffe", self.image, self.entries, TABLE, self.constants, must_end_in_scores=True)

    def _put_image(self, top: str, sizes: list[int], where: str, *, is_uint8: bool) -> None:
        if self.image is not None:
            refuse(where, "one input, the image", "another", "leave it out")
        shapes: list[tuple[int, ...]] = [tuple(sizes)]
        if len(sizes) < 2 or min(sizes[1:]) < 1:
            crop, channels = sizes[-1] if sizes else 0, self._channels()
            shapes = [(1, channels, crop or side, crop or side) for side in SIDES]
        self.keys[top] = key = ("image", top)
        self.image = Image(key, where, shapes, is_uint8)

    def _put_labels(self, tops: Sequence[str]) -> None:
        for top in tops:
            self.keys[top] = ("label", top)
            self.constants["label", top] = Constant(top, lambda: None)

    def _channels(self) -> int:
        for layer in self.layers:
            if layer.kind == "convolution" and layer.blobs:
                parameters = layer.parameters.convolution_param
                rows, columns = _kernel(parameters)
                outputs = max(1, parameters.num_output * rows * columns)
                return max(1, int(layer.blobs[0].size * parameters.group // outputs))
        return 1

    def _source(self, layer: _Layer) -> None:
        """A data layer: the image, and what it does to raw pixels."""
        transform, data = layer.parameters.transform_param, layer.parameters.data_param
        if transform.mean_file or data.mean_file:
            found = f"a mean image, {(transform.mean_file or data.mean_file)!r}"
            way_out = "take the transformation out of the data layer and subtract the mean from the images yourself"
            refuse(layer.name, "a mean value per channel", found, way_out)
        scale = transform.scale if transform.HasField("scale") else data.scale
        mean = np.array(transform.mean_value or [0.0], np.float64).reshape(-1, 1, 1)
        is_uint8 = layer.kind in _STORED or scale != 1 or bool(mean.any())
        self._put_image(layer.tops[0], _shape_of_source(layer), layer.name, is_uint8=is_uint8)
        self._put_labels(layer.tops[1:])
        self._add(
            Entry("pixels", layer.name, (self.keys[layer.tops[0]],), None, (scale, -mean * scale)), layer.tops[:1]
        )

    def _entry(self, layer: _Layer) -> None:
        inputs = tuple(self.keys.get(name, name) for name in layer.bottoms)
        self._add(Entry(layer.kind, layer.name, inputs, None, layer, typed=layer.typed), layer.tops)

    def _add(self, entry: Entry, tops: Sequence[str]) -> None:
        key = ("output", len(self.entries))
        self.entries.append(Entry(entry.kind, entry.where, entry.inputs, key, entry.settings, typed=entry.typed))
        self.keys.update(dict.fromkeys(tops, key))


def _shape_of_source(layer: _Layer) -> list[int]:
    """What a data layer says of its images: all sizes, or [their height and width], or nothing."""
    p = layer.parameters
    if layer.kind == "input" and len(p.input_param.shape):
        return list(p.input_param.shape[0].dim)
    if layer.kind == "dummydata":
        d = p.dummy_data_param
        return list(d.shape[0].dim) if len(d.shape) else [v[0] for v in (d.num, d.channels, d.height, d.width)]
    if layer.kind == "memorydata":
        m = p.memory_data_param
        return [m.batch_size, m.channels, m.height, m.width]
    crop = p.transform_param.crop_size or p.data_param.crop_size
    return [crop] if crop else []


# --- operators ---


def _pair(many: Sequence[int], one: tuple[int, int], default: int) -> tuple[int, int]:
    """Height and width of what is given for both at once, or one by one, or not at all."""
    if any(one):
        return one
    values = list(many) or [default]
    if len(values) > 2:
        raise ValueError(f"{len(values)} values for two axes")
    return int(values[0]), int(values[-1])


def _kernel(parameters: Any) -> tuple[int, int]:
    return _pair(parameters.kernel_size, (parameters.kernel_h, parameters.kernel_w), 0)


def _pixels(entry: Entry) -> Node:
    scale, shift = entry.settings
    return Node("affine", scale=scale, shift=shift)


def _convolution(entry: Entry) -> Node:
    layer: _Layer = entry.settings
    p = layer.parameters.convolution_param
    weight, *bias = layer.arrays((1 + p.bias_term,))
    kernel = _kernel(p)
    if not p.num_output or not all(kernel) or weight.size % (p.num_output * prod(kernel)) or p.axis % 4 != 1:
        refuse(layer.name, f"kernels of {kernel}", f"{weight.size} values", "the file contradicts itself")
    pads = _pair(p.pad, (p.pad_h, p.pad_w), 0)
    return Node(
        "conv", *layer.constants([weight.reshape(p.num_output, -1, *kernel), *bias]),
        pads=(*pads, *pads), strides=_pair(p.stride, (p.stride_h, p.stride_w), 1),
        dilations=_pair(p.dilation, (0, 0), 1), groups=p.group,
    )  # fmt: skip


def _pooling(entry: Entry) -> Node:
    p = entry.settings.parameters.pooling_param
    if p.pool not in (0, 1):
        refuse(entry.where, "average or max pooling", "stochastic pooling", "it is not supported")
    window: tuple[int, int] | None = _kernel(p)
    strides: tuple[int, int] | None = _pair(p.stride, (p.stride_h, p.stride_w), 1)
    if p.global_pooling:
        window = strides = None
    pads = _pair(p.pad, (p.pad_h, p.pad_w), 0)
    kind = ("max", "average")[p.pool]
    return Node("pool", kind=kind, window=window, strides=strides, pads=(*pads, *pads), ceil=True)


def _inner_product(entry: Entry) -> Node:
    layer: _Layer = entry.settings
    p = layer.parameters.inner_product_param
    weight, *bias = layer.arrays((1 + p.bias_term,))
    if not p.num_output or weight.size % p.num_output:
        refuse(layer.name, f"{p.num_output} rows", f"{weight.size} values", "the file contradicts itself")
    weight = weight.reshape(-1, p.num_output).T if p.transpose else weight.reshape(p.num_output, -1)
    return Node("dense", *layer.constants([weight, *bias]), axis=p.axis)


def _relu(entry: Entry) -> Node:
    slope = entry.settings.parameters.relu_param.negative_slope
    return Node("curve", kind="leaky_relu", slope=slope) if slope else Node("curve", kind="relu")


def _softmax(entry: Entry) -> Node:
    return Node("softmax", axis=entry.settings.parameters.softmax_param.axis)


def _argmax(entry: Entry) -> Node:
    p = entry.settings.parameters.argmax_param
    return Node("label", kind="argmax", best=not p.out_max_val and p.top_k == 1)


def _flatten(entry: Entry) -> Node:
    p = getattr(entry.settings.parameters, "flatten_param", None)
    return Node("flatten") if p is None else Node("flatten", start=p.axis, end=p.end_axis)


def _reshape(entry: Entry) -> Node:
    p = entry.settings.parameters.reshape_param
    if p.axis not in (0, 1) or p.num_axes != -1:
        refuse(entry.where, "a reshape of all axes", f"one of some (axis {p.axis})", "use Flatten")
    return Node("reshape", shape=(*(0,) * p.axis, *p.shape.dim), zeros="first")


def _power(entry: Entry) -> Node:
    p = entry.settings.parameters.power_param
    if p.power != 1:
        refuse(entry.where, "a power of 1", f"{p.power:g}", "use a general runtime for this network")
    return Node("affine", scale=p.scale, shift=p.shift)


def _scale(entry: Entry) -> Node:
    p = entry.settings.parameters.scale_param
    return Node("scale_along", *entry.settings.constants(entry.settings.arrays((1 + p.bias_term,))), axis=p.axis)


def _bias(entry: Entry) -> Node:
    (shift,) = entry.settings.constants(entry.settings.arrays((1,)))
    return Node("scale_along", None, shift, axis=entry.settings.parameters.bias_param.axis)


def _batch_norm(entry: Entry) -> Node:
    layer: _Layer = entry.settings
    mean, variance, count = (as_floats(array) for array in layer.arrays((3,)))
    factor = 1 / count[0] if count[0] else 0.0
    statistics = layer.constants([mean * factor, variance * factor])
    return Node("batch_norm", None, None, *statistics, epsilon=layer.parameters.batch_norm_param.eps)


TABLE: dict[str, Translation] = {
    "pixels": _pixels,
    "convolution": _convolution,
    "pooling": _pooling,
    "innerproduct": _inner_product,
    "tanh": always("curve", kind="tanh"),
    "sigmoid": always("curve", kind="sigmoid"),
    "relu": _relu,
    **dict.fromkeys(("softmax", *_LOSSES), _softmax),
    "argmax": _argmax,
    "flatten": _flatten,
    "reshape": _reshape,
    "power": _power,
    "scale": _scale,
    "bias": _bias,
    "batchnorm": _batch_norm,
    **dict.fromkeys(("split", "dropout"), always("identity")),
}
