"""Caffe: a .caffemodel, or a .prototxt with the .caffemodel of the same name beside it.

Both are a NetParameter of caffe.proto, binary or as text; of its schema only the fields that matter here are written
down below, and the protobuf package does the parsing. Layers are connected by the names of blobs, and a layer may write
over the blob it reads. A .caffemodel holds the network as it was trained, with its data and loss layers: the data layer
tells how raw pixels (0 to 255) were scaled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from ..extras import needs
from .files import File
from .guess import MOST_LAYERS, SIDES, followed
from .source import Source
from .trace import Flow, Trace, refuse

_LARGEST = 1 << 25  # bytes of a .caffemodel, which may hold the gradients too
_MOST_PARTS = 20_000  # fields of its layers
_LARGEST_TEXT = 1 << 20

_TRAIN, _TEST = 0, 1
_ENUMS = {
    "Phase": {"TRAIN": _TRAIN, "TEST": _TEST},
    "PoolMethod": {"MAX": 0, "AVE": 1, "STOCHASTIC": 2},
    "LayerType": {
        "NONE": 0, "ACCURACY": 1, "BNLL": 2, "CONCAT": 3, "CONVOLUTION": 4, "DATA": 5, "DROPOUT": 6,
        "EUCLIDEAN_LOSS": 7, "FLATTEN": 8, "HDF5_DATA": 9, "HDF5_OUTPUT": 10, "IM2COL": 11, "IMAGE_DATA": 12,
        "INFOGAIN_LOSS": 13, "INNER_PRODUCT": 14, "LRN": 15, "MULTINOMIAL_LOGISTIC_LOSS": 16, "POOLING": 17,
        "RELU": 18, "SIGMOID": 19, "SOFTMAX": 20, "SOFTMAX_LOSS": 21, "SPLIT": 22, "TANH": 23, "WINDOW_DATA": 24,
        "ELTWISE": 25, "POWER": 26, "SIGMOID_CROSS_ENTROPY_LOSS": 27, "HINGE_LOSS": 28, "MEMORY_DATA": 29,
        "ARGMAX": 30, "THRESHOLD": 31, "DUMMY_DATA": 32, "SLICE": 33, "MVN": 34, "ABSVAL": 35, "SILENCE": 36,
        "CONTRASTIVE_LOSS": 37, "EXP": 38, "DECONVOLUTION": 39,
    },
}  # fmt: skip
#: Messages and their fields: number, name, "*" if repeated, "+" if packed, type, default.
_SCHEMA = {
    "BlobShape": "1 dim + int64",
    "BlobProto": "1 num int64, 2 channels int64, 3 height int64, 4 width int64, 5 data + float, 7 shape BlobShape, "
    "8 double_data + double",
    "NetParameter": "1 name string, 2 layers * V1LayerParameter, 3 input * string, 4 input_dim * int64, "
    "8 input_shape * BlobShape, 100 layer * LayerParameter",
    "NetStateRule": "1 phase Phase, 2 min_level int32, 3 max_level int32 0, 4 stage * string",
    "TransformationParameter": "1 scale float 1, 3 crop_size uint32, 4 mean_file string, 5 mean_value * float",
    "ArgMaxParameter": "1 out_max_val bool, 2 top_k uint32 1",
    "BatchNormParameter": "3 eps float 1e-5",
    "BiasParameter": "1 axis int32 1",
    "ConvolutionParameter": "1 num_output uint32, 2 bias_term bool true, 3 pad * uint32, 4 kernel_size * uint32, "
    "5 group uint32 1, 6 stride * uint32, 9 pad_h uint32, 10 pad_w uint32, 11 kernel_h uint32, 12 kernel_w uint32, "
    "13 stride_h uint32, 14 stride_w uint32, 16 axis int32 1, 18 dilation * uint32",
    "DataParameter": "2 scale float 1, 3 mean_file string, 5 crop_size uint32",
    "DummyDataParameter": "2 num * uint32, 3 channels * uint32, 4 height * uint32, 5 width * uint32, "
    "6 shape * BlobShape",
    "FlattenParameter": "1 axis int32 1, 2 end_axis int32 -1",
    "InnerProductParameter": "1 num_output uint32, 2 bias_term bool true, 5 axis int32 1, 6 transpose bool",
    "InputParameter": "1 shape * BlobShape",
    "MemoryDataParameter": "1 batch_size uint32, 2 channels uint32, 3 height uint32, 4 width uint32",
    "PoolingParameter": "1 pool PoolMethod, 2 kernel_size * uint32, 3 stride * uint32, 4 pad * uint32, "
    "5 kernel_h uint32, 6 kernel_w uint32, 7 stride_h uint32, 8 stride_w uint32, 9 pad_h uint32, 10 pad_w uint32, "
    "12 global_pooling bool",
    "PowerParameter": "1 power float 1, 2 scale float 1, 3 shift float",
    "ReLUParameter": "1 negative_slope float",
    "ReshapeParameter": "1 shape BlobShape, 2 axis int32, 3 num_axes int32 -1",
    "ScaleParameter": "1 axis int32 1, 2 num_axes int32 1, 4 bias_term bool",
    "SoftmaxParameter": "2 axis int32 1",
    "LayerParameter": "1 name string, 2 type string, 3 bottom * string, 4 top * string, 7 blobs * BlobProto, "
    "8 include * NetStateRule, 9 exclude * NetStateRule, 100 transform_param TransformationParameter, "
    "103 argmax_param ArgMaxParameter, 106 convolution_param ConvolutionParameter, 107 data_param DataParameter, "
    "109 dummy_data_param DummyDataParameter, 117 inner_product_param InnerProductParameter, "
    "119 memory_data_param MemoryDataParameter, 121 pooling_param PoolingParameter, 122 power_param PowerParameter, "
    "123 relu_param ReLUParameter, 125 softmax_param SoftmaxParameter, 133 reshape_param ReshapeParameter, "
    "135 flatten_param FlattenParameter, 139 batch_norm_param BatchNormParameter, 141 bias_param BiasParameter, "
    "142 scale_param ScaleParameter, 143 input_param InputParameter",
    "V1LayerParameter": "2 bottom * string, 3 top * string, 4 name string, 5 type LayerType, 6 blobs * BlobProto, "
    "10 convolution_param ConvolutionParameter, 11 data_param DataParameter, "
    "17 inner_product_param InnerProductParameter, 19 pooling_param PoolingParameter, 21 power_param PowerParameter, "
    "22 memory_data_param MemoryDataParameter, 23 argmax_param ArgMaxParameter, "
    "26 dummy_data_param DummyDataParameter, 30 relu_param ReLUParameter, "
    "32 include * NetStateRule, 33 exclude * NetStateRule, 36 transform_param TransformationParameter, "
    "39 softmax_param SoftmaxParameter",
}  # fmt: skip
_SCALARS = {"double": 1, "float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "uint32": 13}
_MESSAGE, _ENUM = 11, 14

_STORED = ("data", "imagedata", "windowdata")  # sources of pixels from 0 to 255
_SOURCES = (*_STORED, "input", "memorydata", "hdf5data", "dummydata")
_TRAINING_ONLY = (
    "accuracy", "silence", "hdf5output", "euclideanloss", "hingeloss", "sigmoidcrossentropyloss", "infogainloss",
    "multinomiallogisticloss", "contrastiveloss",
)  # fmt: skip
_LOSSES = ("softmaxwithloss", "softmaxloss")
_CURVES = {"tanh": "tanh", "sigmoid": "sigmoid"}
_TEXT = re.compile(
    rb"\s*(#[^\n]*\n\s*)*(name|layers?|input|input_dim|input_shape|force_backward|state|debug_info)\s*[:{]"
)


def looks_like(data: bytes) -> bool:
    """Whether this may be a NetParameter, as text or binary."""
    if _is_text(data):
        return True
    seen: list[int] = []
    try:
        for number, wire, begin, end in islice(_fields(data, 0, len(data)), 50):
            name = number == 1 and (wire != 2 or 1 in seen or any(byte < 32 for byte in data[begin:end][:1000]))
            if name or number not in (1, 2, 3, 4, 5, 6, 7, 8, 100) or wire not in (0, 2):
                return False
            if number in (2, 100):
                return True
            seen.append(number)
    except ValueError:
        pass
    return False


def _is_text(data: bytes) -> bool:
    start = data[:_LARGEST_TEXT]
    return bool(_TEXT.match(start)) and re.search(rb"\blayers?\s*:?\s*\{", start) is not None


def _fields(data: bytes, place: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """A message's fields: number, wire type, and where their content begins and ends; ValueError for damage."""
    while place < end:
        tag, place = _varint(data, place)
        length, begin = _varint(data, place) if tag & 7 in (0, 2) else (_fixed(tag), place)
        place = begin if tag & 7 == 0 else begin + length
        yield tag >> 3, tag & 7, begin, place


def _fixed(tag: int) -> int:
    if tag & 7 not in (1, 5):
        raise ValueError(f"a field of type {tag & 7}")
    return 8 if tag & 7 == 1 else 4


def _check_parts(data: bytes) -> None:
    """ValueError for so many small parts that they would take far more memory than bytes."""
    parts = 0
    for number, wire, begin, end in _fields(data, 0, len(data)):
        inside = _fields(data, begin, min(end, len(data))) if number in (2, 100) and wire == 2 else ()
        parts += 1 + sum(1 for _ in islice(inside, _MOST_PARTS))
        if parts > _MOST_PARTS:
            raise ValueError(f"more than {_MOST_PARTS:,} parts")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number and the place behind it."""
    value = 0
    for i, byte in enumerate(data[place : place + 10]):
        value |= (byte & 127) << 7 * i
        if byte < 128:
            return value, place + i + 1
    raise ValueError(f"no number at byte {place:,}")


def read(file: File) -> Source:
    """Read a .caffemodel, or a .prototxt with the .caffemodel of the same name beside it."""
    if _is_text(file.data):
        weights = file.companion(Path(file.path).stem + ".caffemodel")
        trace = _traced(str(file), _parsed_text(file), _parsed(weights))
    else:
        net = _parsed(file)
        trace = _traced(str(file), net, net)
    return Source("Caffe", trace=trace)


def _traced(name: str, net: Any, weights: Any) -> Trace:
    if (count := len(net.layer) + len(net.layers)) > MOST_LAYERS:
        raise WeightsError(f"{name}: wanted a LeNet of some dozen layers, found {count:,}; it is another network")

    def follow(trace: Trace, side: int) -> None:
        _Graph(trace, net, weights).follow(side)

    return followed(name, "Caffe", follow, SIDES)


# --- protobuf ---


def message_class(name: str) -> Any:
    """The class of one of the messages above, such as "NetParameter"."""
    purpose = ("protobuf", "reading Caffe models")
    factory = needs("google.protobuf.message_factory", *purpose)
    return factory.GetMessageClass(_pool().FindMessageTypeByName(f"caffe.{name}"))


@cache
def _pool() -> Any:
    purpose = ("protobuf", "reading Caffe models")
    descriptors = needs("google.protobuf.descriptor_pb2", *purpose)
    schema = descriptors.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, values in _ENUMS.items():
        enum = schema.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in _SCHEMA.items():
        message = schema.message_type.add(name=name)
        for text in fields.split(", "):
            _add_field(message, *text.split())
    pool = needs("google.protobuf.descriptor_pool", *purpose).DescriptorPool()
    pool.AddSerializedFile(schema.SerializeToString())
    return pool


def _add_field(message: Any, number: str, name: str, *rest: str) -> None:
    repeated = rest[0] in ("*", "+")
    kind, *default = rest[1:] if repeated else rest
    field = message.field.add(name=name, number=int(number), label=3 if repeated else 1)
    field.type = _SCALARS.get(kind, _ENUM if kind in _ENUMS else _MESSAGE)
    if kind not in _SCALARS:
        field.type_name = f".caffe.{kind}"
    if default:
        field.default_value = default[0]
    if rest[0] == "+":
        field.options.packed = True


def _parsed(file: File) -> Any:
    if len(file.data) > _LARGEST:
        raise WeightsError(
            f"{file}: wanted a LeNet of a few megabytes, found {len(file.data):,} bytes; it is another network"
        )
    net = message_class("NetParameter")()
    try:
        _check_parts(file.data)
        net.ParseFromString(file.data)
    except Exception as error:  # whatever protobuf raises for damage
        raise WeightsError(f"{file}: wanted a .caffemodel, found a damaged one ({error}); fetch it again") from error
    if not (net.layer or net.layers):
        raise WeightsError(f"{file}: wanted a .caffemodel, found no layers in it; it is truncated or something else")
    return net


def _parsed_text(file: File) -> Any:
    if len(file.data) > _LARGEST_TEXT:
        raise WeightsError(
            f"{file}: wanted a network's description, found {len(file.data):,} bytes; load the .caffemodel"
        )
    text_format = needs("google.protobuf.text_format", "protobuf", "reading Caffe models")
    net = message_class("NetParameter")()
    try:
        text_format.Parse(file.data.decode(), net, allow_unknown_field=True)
    except Exception as error:  # whatever protobuf raises for damage
        raise WeightsError(
            f"{file}: wanted a network in protobuf's text format, found a mistake in it ({error})"
        ) from error
    if not (net.layer or net.layers):
        raise WeightsError(f"{file}: wanted the layers of a network, found none; a solver's .prototxt is no network")
    return net


# --- layers ---


@dataclass(frozen=True)
class _Layer:
    """A layer of either generation; `kind` is its type in one spelling, `typed` in the file's."""

    name: str
    kind: str
    typed: str
    parameters: Any

    @property
    def bottoms(self) -> list[str]:
        return list(self.parameters.bottom)

    @property
    def tops(self) -> list[str]:
        return list(self.parameters.top)

    def runs_in(self, phase: int) -> bool:
        included, excluded = self.parameters.include, self.parameters.exclude
        return any(_met(r, phase) for r in included) if len(included) else not any(_met(r, phase) for r in excluded)


def _met(rule: Any, phase: int) -> bool:
    in_phase = not rule.HasField("phase") or rule.phase == phase
    return bool(in_phase) and not len(rule.stage) and rule.min_level <= 0 <= rule.max_level


def _layers(net: Any) -> list[_Layer]:
    """The layers of one phase: of testing, or of training where only that has images."""
    everything = [_layer(p, p.type) for p in net.layer]
    everything += [_layer(p, _name_of_type(p.type)) for p in net.layers]
    chosen: list[_Layer] = []
    for phase in (_TEST, _TRAIN):
        chosen = [layer for layer in everything if layer.runs_in(phase)]
        if len(net.input) or any(layer.kind in _SOURCES for layer in chosen):
            break
    decided = any(layer.kind in ("softmax", "argmax") for layer in chosen)
    return [y for y in chosen if y.kind not in _TRAINING_ONLY and not (decided and y.kind in _LOSSES)]


def _layer(parameters: Any, typed: str) -> _Layer:
    return _Layer(parameters.name or typed, typed.replace("_", "").lower(), typed, parameters)


def _name_of_type(number: int) -> str:
    names = {value: name for name, value in _ENUMS["LayerType"].items()}
    return names[number] if number else "NONE, as files before 2014 have it"


def _blob(blob: Any, where: str) -> NDArray[np.float64]:
    values = np.asarray(blob.double_data if len(blob.double_data) else blob.data, np.float64)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    if min(shape, default=0) < 0 or prod(shape) != values.size:
        refuse(where, f"weights of shape {shape}", f"{values.size} values", "the file is damaged")
    return values


def _pair(many: Sequence[int], one: tuple[int, int], default: int) -> tuple[int, int]:
    """Height and width of what is given for both at once, or one by one, or not at all."""
    if any(one):
        return one
    values = list(many) or [default]
    if len(values) > 2:
        raise ValueError(f"{len(values)} values for two axes")
    return int(values[0]), int(values[-1])


class _Graph:
    """One pass over the layers, which Caffe keeps in the order in which they run."""

    def __init__(self, trace: Trace, net: Any, weights: Any) -> None:
        self.trace, self.net = trace, net
        self.layers = _layers(net)
        self.blobs = {p.name: p.blobs for p in (*weights.layers, *weights.layer) if len(p.blobs)}
        self.values: dict[str, Flow | None] = {}  # None for labels

    def follow(self, side: int) -> None:
        """Trace all layers; `side` is the height and width of images where the file does not say them."""
        if len(self.net.input):
            self.values = dict.fromkeys(self.net.input)
            self._put(self.net.input[0], self._declared(), side, self.net.input[0])
        for layer in self.layers:
            if layer.kind in _SOURCES:
                self._source(layer, side)
            else:
                self._operation(layer)

    # --- images ---

    def _declared(self) -> list[int]:
        if len(self.net.input_shape):
            return list(self.net.input_shape[0].dim)
        return list(self.net.input_dim[:4])

    def _source(self, layer: _Layer, side: int) -> None:
        if any(isinstance(value, Flow) for value in self.values.values()):
            refuse(layer.name, "one input, the image", "another", "leave it out")
        self.values.update(dict.fromkeys(layer.tops))
        flow = self._put(layer.tops[0], _shape_of_source(layer), side, layer.name)
        self.values[layer.tops[0]] = self._scaled(flow, layer)

    def _put(self, top: str, sizes: list[int], side: int, where: str) -> Flow:
        if len(sizes) < 2 or min(sizes[1:]) < 1:
            crop = sizes[-1] if sizes else 0
            sizes = [1, self._channels(), crop or side, crop or side]
        self.trace.batch = max(1, sizes[0])
        flow = self.trace.image(sizes, where)
        self.values[top] = flow
        return flow

    def _channels(self) -> int:
        for layer in self.layers:
            if layer.kind == "convolution" and self.blobs.get(layer.name):
                parameters = layer.parameters.convolution_param
                rows, columns = self._kernel(parameters)
                outputs = max(1, parameters.num_output * rows * columns)
                return max(1, int(len(self.blobs[layer.name][0].data) * parameters.group // outputs))
        return 1

    def _scaled(self, flow: Flow, layer: _Layer) -> Flow:
        """What a data layer does to raw pixels."""
        transform, data = layer.parameters.transform_param, layer.parameters.data_param
        if transform.mean_file or data.mean_file:
            refuse(
                layer.name, "a mean value per channel", f"a mean image, {(transform.mean_file or data.mean_file)!r}",
                "take the transformation out of the data layer and subtract the mean from the images yourself",
            )  # fmt: skip
        scale = transform.scale if transform.HasField("scale") else data.scale
        mean = np.array(transform.mean_value or [0.0], np.float64).reshape(-1, 1, 1)
        self.trace.uint8 = layer.kind in _STORED or scale != 1 or bool(mean.any())
        return self.trace.affine(flow, scale, -mean * scale, layer.name)

    # --- layers ---

    def _operation(self, layer: _Layer) -> None:
        if missing := [name for name in layer.bottoms if name not in self.values]:
            refuse(
                layer.name, "inputs computed before", f"{missing[0]!r}, which nothing computes", "the file is damaged"
            )
        inputs = [self.values[name] for name in layer.bottoms]
        flows = [value for value in inputs if value is not None]
        method: Callable[[Flow, _Layer], Flow] | None = getattr(self, f"_on_{layer.kind}", None)
        if method is None and layer.kind not in _CURVES:
            refuse(
                layer.name, "a layer of the LeNet family", f"{layer.typed}", "use a general runtime for this network"
            )
        if len(flows) != 1 or inputs[0] is not flows[0]:
            found = "a layer of labels only" if not flows else "a layer that joins two branches"
            refuse(layer.name, "layers in one row", found, "residual and branching networks are not supported")
        if method is None:
            result = self.trace.curve(flows[0], _CURVES[layer.kind], layer.name)
        else:
            result = method(flows[0], layer)
        self.values.update(dict.fromkeys(layer.tops, result))

    def _weights(self, layer: _Layer, wanted: Iterable[int]) -> tuple[list[NDArray[np.float64]], tuple[str, ...]]:
        """A layer's blobs, of which there must be as many as one of `wanted`, and their names."""
        blobs = self.blobs.get(layer.name, ())
        if len(blobs) not in wanted:
            refuse(
                layer.name, f"{max(wanted)} arrays of weights", f"{len(blobs)}", "the .caffemodel is of another network"
            )
        names = tuple(f"{layer.name}[{i}]" for i in range(len(blobs)))
        return [_blob(blob, layer.name) for blob in blobs], names

    def _kernel(self, parameters: Any) -> tuple[int, int]:
        return _pair(parameters.kernel_size, (parameters.kernel_h, parameters.kernel_w), 0)

    def _on_convolution(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.convolution_param
        (weight, *bias), names = self._weights(layer, (1 + p.bias_term,))
        kernel = self._kernel(p)
        if not p.num_output or not all(kernel) or weight.size % (p.num_output * prod(kernel)) or p.axis % 4 != 1:
            refuse(layer.name, f"kernels of {kernel}", f"{weight.size} values", "the file contradicts itself")
        pads = _pair(p.pad, (p.pad_h, p.pad_w), 0)
        return self.trace.conv(
            flow, weight.reshape(p.num_output, -1, *kernel), bias[0] if bias else None, layer.name, pads=(*pads, *pads),
            strides=_pair(p.stride, (p.stride_h, p.stride_w), 1), dilations=_pair(p.dilation, (0, 0), 1),
            groups=p.group, tensors=names,
        )  # fmt: skip

    def _on_pooling(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.pooling_param
        if p.pool not in (0, 1):
            refuse(layer.name, "average or max pooling", "stochastic pooling", "it is not supported")
        window, strides = self._kernel(p), _pair(p.stride, (p.stride_h, p.stride_w), 1)
        if p.global_pooling:
            window = strides = (flow.shape[-2], flow.shape[-1])
        pads = _pair(p.pad, (p.pad_h, p.pad_w), 0)
        return self.trace.pool(
            flow, ("max", "average")[p.pool], layer.name, window=window, strides=strides, pads=(*pads, *pads), ceil=True
        )

    def _on_innerproduct(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.inner_product_param
        (weight, *bias), names = self._weights(layer, (1 + p.bias_term,))
        if not p.num_output or weight.size % p.num_output or p.axis % flow.index.ndim != 1:
            refuse(layer.name, f"{p.num_output} rows", f"{weight.size} values", "the file contradicts itself")
        weight = weight.reshape(-1, p.num_output).T if p.transpose else weight.reshape(p.num_output, -1)
        return self.trace.dense(flow, weight, bias[0] if bias else None, layer.name, names)

    def _on_relu(self, flow: Flow, layer: _Layer) -> Flow:
        if slope := layer.parameters.relu_param.negative_slope:
            refuse(
                layer.name, "tanh, scaled tanh, sigmoid, relu or none", f"ReLU with slope {slope:g}", "use plain ReLU"
            )
        return self.trace.curve(flow, "relu", layer.name)

    def _on_softmax(self, flow: Flow, layer: _Layer) -> Flow:
        return self.trace.softmax(flow, layer.parameters.softmax_param.axis, layer.name)

    _on_softmaxwithloss = _on_softmaxloss = _on_softmax

    def _on_argmax(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.argmax_param
        if p.out_max_val or p.top_k != 1:
            refuse(layer.name, "the label of the largest score", "several labels, or scores too", "leave ArgMax out")
        return self.trace.decide(flow, "argmax", layer.name)

    def _on_split(self, flow: Flow, layer: _Layer) -> Flow:
        return flow

    _on_dropout = _on_split

    def _on_flatten(self, flow: Flow, layer: _Layer) -> Flow:
        p = getattr(layer.parameters, "flatten_param", None)
        axis, end = (
            (p.axis % flow.index.ndim, p.end_axis % flow.index.ndim) if p is not None else (1, flow.index.ndim - 1)
        )
        shape = flow.shape
        return self.trace.reshape(flow, (*shape[:axis], prod(shape[axis : end + 1]), *shape[end + 1 :]), layer.name)

    def _on_reshape(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.reshape_param
        if p.axis not in (0, 1) or p.num_axes != -1:
            refuse(layer.name, "a reshape of all axes", f"one of some (axis {p.axis})", "use Flatten")
        sizes = [n or flow.shape[p.axis + i] for i, n in enumerate(p.shape.dim)]
        return self.trace.reshape(flow, (*flow.shape[: p.axis], *sizes), layer.name)

    def _on_power(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.power_param
        if p.power != 1:
            refuse(layer.name, "a power of 1", f"{p.power:g}", "use a general runtime for this network")
        return self.trace.affine(flow, p.scale, p.shift, layer.name)

    def _on_scale(self, flow: Flow, layer: _Layer) -> Flow:
        p = layer.parameters.scale_param
        (scale, *shift), names = self._weights(layer, (1 + p.bias_term,))
        per_map = [_along(values, flow, p.axis) for values in (scale, *shift)]
        return self.trace.affine(flow, per_map[0], per_map[1] if shift else 0.0, layer.name, names)

    def _on_bias(self, flow: Flow, layer: _Layer) -> Flow:
        (shift,), names = self._weights(layer, (1,))
        return self.trace.affine(flow, 1.0, _along(shift, flow, layer.parameters.bias_param.axis), layer.name, names)

    def _on_batchnorm(self, flow: Flow, layer: _Layer) -> Flow:
        (mean, variance, count), names = self._weights(layer, (3,))
        factor = 1 / count[0] if count[0] else 0.0
        scale = 1 / np.sqrt(variance * factor + layer.parameters.batch_norm_param.eps)
        shift = -mean * factor * scale
        return self.trace.affine(flow, _along(scale, flow, 1), _along(shift, flow, 1), layer.name, names)


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


def _along(values: NDArray[np.float64], flow: Flow, axis: int) -> NDArray[np.float64]:
    """Values in a shape that broadcasts along one axis."""
    if values.size == 1:
        return values.reshape(())
    return values.reshape(-1, *[1] * (flow.index.ndim - 1 - axis % flow.index.ndim))
