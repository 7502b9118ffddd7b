"""OpenVINO's intermediate representation, versions 10 and 11: a graph as .xml, its constants in the .bin beside it.

The .xml lists layers and, apart from them, edges between their ports. A document type, which can make a parser fetch
files or fill the memory, has no business in it and is refused before anything is parsed. What OpenVINO computes on
constants (weights behind Convert or Multiply, shapes taken apart and put together) is computed here with NumPy; the
rest goes to `Trace`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from .files import File
from .guess import MOST_LAYERS, SIDES, followed
from .source import Source
from .trace import Flow, Trace, refuse, same_padding

Value: TypeAlias = "Flow | NDArray[Any]"
Port: TypeAlias = "tuple[str, str]"

_LARGEST_XML = 1 << 22  # bytes
_LARGEST_CONSTANT = 1 << 22  # values that an operation on constants may make
_LARGEST_WORK = 1 << 25  # values that all of them may make
_START = re.compile(rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*\?>)?\s*<net\s[^>]*\bversion=")
_TYPES = {
    "f64": "<f8", "f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "i16": "<i2", "i8": "|i1", "u64": "<u8",
    "u32": "<u4", "u16": "<u2", "u8": "|u1", "boolean": "|b1", "bf16": "<u2",
}  # fmt: skip
_CURVES = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu"}
_OTHER_CURVES = ("prelu", "elu", "selu", "gelu", "softplus", "swish", "hswish", "hsigmoid", "mish", "hardsigmoid")


def looks_like(data: bytes) -> bool:
    """Whether this may be the .xml of an OpenVINO model."""
    return _START.match(data[:4096]) is not None


def read(file: File) -> Source:
    """Read an .xml with the .bin of the same name beside it."""
    root = _parsed(file)
    version = root.get("version", "")
    if version not in ("10", "11"):
        raise WeightsError(
            f"{file}: wanted version 10 or 11 of OpenVINO's format, found {version[:20]!r}; "
            "convert the model again with a current OpenVINO"
        )
    data = file.companion(Path(file.path).stem + ".bin").data
    try:
        layers = _layers(root)
        candidates = _candidates(layers)
    except (WeightsError, ValueError, LookupError) as error:
        raise WeightsError(f"{file}: wanted a valid OpenVINO graph, found a contradiction in it ({error})") from error

    def follow(trace: Trace, sizes: Sequence[int]) -> None:
        _Graph(trace, layers, data).follow(sizes)

    return Source("OpenVINO", trace=followed(str(file), "OpenVINO", follow, candidates))


def _parsed(file: File) -> ElementTree.Element:
    if len(file.data) > _LARGEST_XML:
        raise WeightsError(
            f"{file}: wanted a network's description, found {len(file.data):,} bytes; it is another network"
        )
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{file}: wanted XML in UTF-8, found something else ({error})") from error
    if re.search(r"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", text, re.IGNORECASE):
        raise WeightsError(
            f"{file}: wanted plain XML, found a document type; OpenVINO writes none, the file is not its own"
        )
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise WeightsError(f"{file}: wanted whole XML, found damage ({error}); fetch the file again") from error


@dataclass
class _Layer:
    """A layer, its attributes, and which layer's port each of its inputs comes from."""

    number: str
    name: str
    typed: str
    attributes: dict[str, str]
    ports: list[str]
    outputs: list[str]
    sources: dict[str, Port] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.typed.lower()

    def numbers(self, key: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """An attribute that lists whole numbers."""
        text = self.attributes.get(key, "")
        return tuple(int(n) for n in text.split(",")) if text.strip() else tuple(default)

    def flag(self, key: str) -> bool:
        return self.attributes.get(key, "false").lower() in ("true", "1")


def _layers(root: ElementTree.Element) -> list[_Layer]:
    """All layers, each behind those that it reads."""
    layers: dict[str, _Layer] = {}
    elements = root.findall("./layers/layer")
    if len(elements) > MOST_LAYERS:
        raise ValueError(f"{len(elements):,} layers, it is another network")
    for element in elements:
        data = element.find("data")
        ports, outputs = ([p.get("id", "") for p in element.findall(f"./{side}/port")] for side in ("input", "output"))
        number, typed = element.attrib["id"], element.attrib["type"]
        attributes = {} if data is None else dict(data.attrib)
        if number in layers:
            raise ValueError(f"two layers {number!r}")
        layers[number] = _Layer(number, element.get("name") or typed, typed, attributes, ports, outputs)
    for edge in root.findall("./edges/edge"):
        source = (edge.attrib["from-layer"], edge.attrib["from-port"])
        if source[0] not in layers or edge.attrib["to-layer"] not in layers:
            raise ValueError(f"an edge from {source[0]!r} to {edge.attrib['to-layer']!r}")
        layers[edge.attrib["to-layer"]].sources[edge.attrib["to-port"]] = source
    before = {n: {source[0] for source in layer.sources.values()} for n, layer in layers.items()}
    try:
        return [layers[n] for n in TopologicalSorter(before).static_order()]
    except CycleError as error:
        raise ValueError("layers in a circle") from error


def _candidates(layers: Sequence[_Layer]) -> list[tuple[int, ...]]:
    """The shapes that the image may have; several where the file leaves sizes open."""
    images = [layer for layer in layers if layer.kind == "parameter"]
    if len(images) != 1:
        names = ", ".join(repr(layer.name) for layer in images) or "none"
        refuse("inputs", "one input, the image", names, "convert the network alone")
    shape = images[0].attributes.get("shape", "")
    sizes = [int(n) if re.fullmatch(r"\s*\d{1,9}\s*", n) else 0 for n in shape.split(",")]
    if not 3 <= len(sizes) <= 5:
        refuse(images[0].name, "an image (n, channels, height, width)", f"shape {shape!r}", "give its shape")
    if all(sizes[1:]):
        return [tuple(sizes)]
    fitting: list[tuple[int, ...]] = []
    for side, channels, last in product(SIDES, (1, 3), (False, True)):
        guess = (side, side, channels) if last else (channels, side, side)
        whole = (sizes[0], *guess)
        if len(whole) == len(sizes) and all(n in (0, g) for n, g in zip(sizes[1:], guess, strict=True)):
            fitting.append(whole)
    return fitting


class _Graph:
    """One pass over the layers."""

    def __init__(self, trace: Trace, layers: Sequence[_Layer], data: bytes) -> None:
        self.trace, self.layers, self.data = trace, layers, data
        self.values: dict[Port, Value] = {}
        self.names: dict[int, str] = {}  # of constants, by identity
        self.work = 0
        self.codes: tuple[str, ...] = ()

    def follow(self, sizes: Sequence[int]) -> None:
        """Trace everything that the results depend on, for images of these sizes."""
        wanted = self._wanted()
        for layer in self.layers:
            if layer.number not in wanted or layer.kind == "result":
                continue
            if layer.kind == "parameter":
                self.trace.batch = max(1, sizes[0])
                self.trace.uint8 = layer.attributes.get("element_type") == "u8"
                self._put(layer, self.trace.image(sizes, layer.name))
            else:
                self._put(layer, self._value(layer))
        results = [source for y in self.layers if y.kind == "result" for source in y.sources.values()]
        if not any(isinstance(self.values.get(source), Flow) for source in results):
            refuse("outputs", "an output that depends on the image", "none", "the graph is damaged")

    def _wanted(self) -> set[str]:
        wanted = {layer.number for layer in self.layers if layer.kind == "result"}
        for layer in reversed(self.layers):
            if layer.number in wanted:
                wanted.update(number for number, _ in layer.sources.values())
        return wanted

    def _put(self, layer: _Layer, value: Value) -> None:
        place = 1 if layer.kind == "topk" else 0
        if len(layer.outputs) <= place:
            refuse(layer.name, "an output", "none", "the file is damaged")
        self.values[layer.number, layer.outputs[place]] = value
        if isinstance(value, np.ndarray):
            self.names.setdefault(id(value), layer.name)

    # --- layers ---

    def _value(self, layer: _Layer) -> Value:
        if layer.kind == "const":
            return self._stored(layer)
        missing = [port for port in layer.ports if layer.sources.get(port) not in self.values]
        if missing or not layer.ports:
            refuse(
                layer.name, "inputs computed before", f"port {missing[:1]} that nothing feeds", "the file is damaged"
            )
        inputs = [self.values[layer.sources[port]] for port in layer.ports]
        flows = [value for value in inputs if isinstance(value, Flow)]
        if not flows:
            return self._constant(layer, [np.asarray(value) for value in inputs])
        if layer.kind == "shapeof":
            return np.array(flows[0].shape, np.int64)
        return self._operation(layer, inputs)

    def _stored(self, layer: _Layer) -> NDArray[Any]:
        kind = layer.attributes.get("element_type", "")
        if kind not in _TYPES:
            refuse(layer.name, "constants of whole bytes", f"{kind!r}", "convert the model without compressing weights")
        shape, dtype = layer.numbers("shape"), np.dtype(_TYPES[kind])
        begin, size = int(layer.attributes["offset"]), int(layer.attributes["size"])
        if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != size or prod(shape) > _LARGEST_CONSTANT:
            refuse(layer.name, f"a constant of {size} bytes", f"shape {shape} of {kind}", "the file is damaged")
        if not 0 <= begin <= begin + size <= len(self.data):
            refuse(
                layer.name, f"bytes {begin} to {begin + size}", f"{len(self.data)} in the .bin", "it is another model's"
            )
        values = np.frombuffer(self.data, dtype, prod(shape), begin).reshape(shape)
        if kind == "bf16":
            self._count(values.size)
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values

    def _count(self, values: int) -> None:
        self.work += values
        if values > _LARGEST_CONSTANT or self.work > _LARGEST_WORK:
            raise ValueError(f"constants of {values:,} values and more")

    def _constant(self, layer: _Layer, inputs: list[NDArray[Any]]) -> NDArray[Any]:
        """One operation on constants only."""
        function = _CONSTANTS.get(layer.kind)
        if function is None:
            refuse(
                layer.name, "constants that are stored or moved", f"some computed by {layer.typed}", "fold them first"
            )
        self._count(_size(layer.kind, inputs))
        result = np.asarray(function(inputs, layer))
        self.names.setdefault(id(result), self.names.get(id(inputs[0]), layer.name))
        return result

    def _operation(self, layer: _Layer, inputs: list[Value]) -> Flow:
        """One operation that the image's values pass through."""
        if self.trace.decision and layer.kind in ("squeeze", "unsqueeze", "reshape"):
            return self._flow(layer, inputs)  # labels in another shape
        if layer.kind in _CURVES:
            return self.trace.curve(self._flow(layer, inputs), _CURVES[layer.kind], layer.name)
        if layer.kind in _OTHER_CURVES:
            refuse(layer.name, "tanh, scaled tanh, sigmoid, relu or none", layer.typed, "train with one of these")
        method: Callable[[_Layer, list[Value]], Flow] | None = getattr(self, f"_on_{layer.kind}", None)
        if method is None:
            refuse(
                layer.name, "an operation of the LeNet family", layer.typed, "use a general runtime for this network"
            )
        return method(layer, inputs)

    def _flow(self, layer: _Layer, inputs: Sequence[Value]) -> Flow:
        """The first input, which must depend on the image; others must not."""
        if not isinstance(inputs[0], Flow) or any(isinstance(value, Flow) for value in inputs[1:]):
            found = f"{layer.typed} of two branches"
            refuse(layer.name, "layers in one row", found, "residual and branching graphs are not supported")
        return inputs[0]

    def _with_constant(self, layer: _Layer, inputs: Sequence[Value]) -> tuple[Flow, NDArray[Any]]:
        one, other = inputs
        first, second = (one, other) if isinstance(one, Flow) else (other, one)
        return self._flow(layer, (first, second)), np.asarray(second, np.float64)

    def _named(self, inputs: Sequence[Value]) -> tuple[str, ...]:
        return tuple(self.names[id(v)] for v in inputs if id(v) in self.names)

    # --- layers of maps ---

    def _on_convolution(self, layer: _Layer, inputs: list[Value]) -> Flow:
        return self._conv(layer, inputs, np.asarray(inputs[1]), 1)

    def _on_groupconvolution(self, layer: _Layer, inputs: list[Value]) -> Flow:
        weight = np.asarray(inputs[1])
        return self._conv(layer, inputs, weight.reshape(-1, *weight.shape[2:]), weight.shape[0])

    def _conv(self, layer: _Layer, inputs: list[Value], weight: NDArray[Any], groups: int) -> Flow:
        flow, strides = self._flow(layer, inputs), layer.numbers("strides", (1, 1))
        pads = _pads(layer, weight.shape[2:], strides, flow.shape[2:])
        return self.trace.conv(
            flow, weight, None, layer.name, pads=pads, strides=strides, dilations=layer.numbers("dilations", (1, 1)),
            groups=groups, tensors=self._named(inputs[1:]),
        )  # fmt: skip

    def _pool(self, kind: str, layer: _Layer, inputs: list[Value]) -> Flow:
        flow, window = self._flow(layer, inputs), layer.numbers("kernel")
        strides = layer.numbers("strides", (1, 1))
        if any(n != 1 for n in layer.numbers("dilations")):
            refuse(layer.name, "no dilation", layer.attributes["dilations"], "dilated pooling is not supported")
        pads = _pads(layer, window, strides, flow.shape[2:])
        rounded_up = layer.attributes.get("rounding_type", "floor").lower().startswith("ceil")
        return self.trace.pool(flow, kind, layer.name, window=window, strides=strides, pads=pads, ceil=rounded_up)

    def _on_maxpool(self, layer: _Layer, inputs: list[Value]) -> Flow:
        return self._pool("max", layer, inputs)

    def _on_avgpool(self, layer: _Layer, inputs: list[Value]) -> Flow:
        return self._pool("average", layer, inputs)

    def _on_pad(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        if (mode := layer.attributes.get("pad_mode", "constant")) != "constant":
            refuse(layer.name, "padding with a constant", mode, "pad with zeros")
        before, after = (np.ravel(np.asarray(v)).astype(np.int64).tolist() for v in inputs[1:3])
        value = float(np.asarray(inputs[3])) if len(inputs) > 3 else 0.0
        return self.trace.pad(flow, list(zip(before, after, strict=True)), value, layer.name)

    def _on_reducemean(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        return self.trace.mean(flow, _axes(inputs[1]), layer.flag("keep_dims"), layer.name)

    # --- full connections and what follows ---

    def _on_matmul(self, layer: _Layer, inputs: list[Value]) -> Flow:
        if isinstance(inputs[1], Flow):
            flow, weight = self._flow(layer, inputs[::-1]), np.asarray(inputs[0])
            single = flow.shape[-1] == 1 or layer.flag("transpose_b")
            weight, turned = (weight.T if layer.flag("transpose_a") else weight), not single
        else:
            flow, weight = self._flow(layer, inputs), np.asarray(inputs[1])
            weight, turned = (
                (weight if layer.flag("transpose_b") else np.swapaxes(weight, -1, -2)),
                layer.flag("transpose_a"),
            )
        if turned:
            refuse(layer.name, "images as rows", "a transposed product", "convert without it")
        return self.trace.dense(flow, weight.reshape(weight.shape[-2:]), None, layer.name, self._named(inputs))

    def _on_softmax(self, layer: _Layer, inputs: list[Value]) -> Flow:
        return self.trace.softmax(self._flow(layer, inputs), int(layer.attributes.get("axis", "1")), layer.name)

    _on_logsoftmax = _on_softmax

    def _on_topk(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        if layer.attributes.get("mode") not in ("max", "min") or np.ravel(np.asarray(inputs[1])).tolist() != [1]:
            refuse(layer.name, "the label of the largest score", "several labels", "leave TopK out")
        return self.trace.decide(flow, f"arg{layer.attributes['mode']}", layer.name)

    # --- element by element ---

    def _on_add(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow, other = self._with_constant(layer, inputs)
        return self._shifted(layer, inputs, flow, other)

    def _shifted(self, layer: _Layer, inputs: list[Value], flow: Flow, shift: NDArray[Any]) -> Flow:
        """A sum, which is the start of RBF units where it makes several values of every one."""
        if prod(np.broadcast_shapes(flow.shape, shift.shape)) > flow.index.size:
            self.codes = self._named(inputs)
            return self.trace.difference(flow, -shift, layer.name)
        return self.trace.affine(flow, 1.0, shift, layer.name, self._named(inputs))

    def _on_multiply(self, layer: _Layer, inputs: list[Value]) -> Flow:
        if inputs[0] is inputs[1] and isinstance(inputs[0], Flow):
            return self._on_power(layer, [inputs[0], np.array(2.0)])
        flow, other = self._with_constant(layer, inputs)
        return self.trace.affine(flow, other, 0.0, layer.name, self._named(inputs))

    def _on_divide(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        return self.trace.affine(flow, 1 / np.asarray(inputs[1], np.float64), 0.0, layer.name, self._named(inputs))

    def _on_subtract(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow, other = self._with_constant(layer, inputs)
        if inputs[0] is flow:
            return self._shifted(layer, inputs, flow, -other)
        return self.trace.affine(flow, -1.0, other, layer.name, self._named(inputs))

    def _on_squareddifference(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow, other = self._with_constant(layer, inputs)
        self.codes = self._named(inputs)
        return self._on_power(layer, [self.trace.difference(flow, other, layer.name), np.array(2.0)])

    def _on_power(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        if flow.codes is None or flow.squared or np.ravel(np.asarray(inputs[1])).tolist() != [2]:
            refuse(layer.name, "an operation of the LeNet family", "a power", "use a general runtime for this network")
        return Flow(flow.index, flow.stage, flow.fill, flow.codes, squared=True)

    def _on_reducesum(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        axes = [axis % flow.index.ndim for axis in _axes(inputs[1])]
        return self.trace.distances(flow, axes, layer.name, self.codes)

    def _on_negative(self, layer: _Layer, inputs: list[Value]) -> Flow:
        return self.trace.affine(self._flow(layer, inputs), -1.0, 0.0, layer.name)

    def _on_batchnorminference(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = next(value for value in inputs if isinstance(value, Flow))
        others = [value for value in inputs if isinstance(value, np.ndarray)]
        gamma, beta, mean, variance = (np.asarray(value, np.float64) for value in others)
        scale = gamma / np.sqrt(variance + float(layer.attributes.get("epsilon", layer.attributes.get("eps", "0"))))
        axes = (-1, *[1] * (flow.index.ndim - 2))
        shift = (beta - mean * scale).reshape(axes)
        return self.trace.affine(flow, scale.reshape(axes), shift, layer.name, self._named(others))

    def _on_clamp(self, layer: _Layer, inputs: list[Value]) -> Flow:
        low, high = (float(layer.attributes[key]) for key in ("min", "max"))
        if low != 0 or not high > 1e30:
            refuse(
                layer.name, "tanh, scaled tanh, sigmoid, relu or none", f"Clamp from {low:g} to {high:g}", "use ReLU"
            )
        return self.trace.curve(self._flow(layer, inputs), "relu", layer.name)

    def _on_maximum(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow, other = self._with_constant(layer, inputs)
        if other.any():
            refuse(layer.name, "tanh, scaled tanh, sigmoid, relu or none", "a maximum with other than 0", "use ReLU")
        return self.trace.curve(flow, "relu", layer.name)

    # --- what moves values ---

    def _on_convert(self, layer: _Layer, inputs: list[Value]) -> Flow:
        kind = layer.attributes.get("destination_type", "")
        if kind.lower() not in ("f16", "f32", "f64", "bf16") and not self.trace.decision:
            refuse(layer.name, "real numbers", f"a conversion to {kind}", "convert the model without it")
        return self._flow(layer, inputs)

    def _on_reshape(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        self._count(flow.index.size)
        sizes = [int(n) for n in np.ravel(np.asarray(inputs[1]))]
        if layer.flag("special_zero"):
            sizes = [n or flow.shape[i] for i, n in enumerate(sizes)]
        return self.trace.reshape(flow, sizes, layer.name)

    def _moved(self, layer: _Layer, inputs: list[Value]) -> Flow:
        flow = self._flow(layer, inputs)
        if flow.codes is not None:
            refuse(layer.name, "a sum of squared differences", layer.typed, "this is no LeNet")
        arrays = [flow.index, *(np.asarray(value) for value in inputs[1:])]
        self._count(_size(layer.kind, arrays))
        return flow.rearranged(np.asarray(_CONSTANTS[layer.kind](arrays, layer), np.int64))

    _on_transpose = _on_squeeze = _on_unsqueeze = _on_stridedslice = _moved


def _pads(layer: _Layer, window: Sequence[int], strides: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    """Top, left, bottom, right."""
    mode = layer.attributes.get("auto_pad", "explicit").lower()
    if mode == "valid":
        return (0, 0, 0, 0)
    if mode in ("same_upper", "same_lower"):
        return same_padding(size, window, strides, before=mode == "same_lower")
    pads = (*layer.numbers("pads_begin", (0, 0)), *layer.numbers("pads_end", (0, 0)))
    if len(pads) != 4:
        refuse(layer.name, "two dimensions", f"padding {pads}", "1-d and 3-d layers are not supported")
    return pads


def _axes(value: Value) -> list[int]:
    return [int(axis) for axis in np.ravel(np.asarray(value))]


# --- constants ---


def _size(kind: str, inputs: Sequence[NDArray[Any]]) -> int:
    """How many values an operation on constants makes at most."""
    if kind in ("add", "subtract", "multiply", "divide", "power"):
        return prod(np.broadcast_shapes(*(value.shape for value in inputs)))
    if kind == "gather":
        return inputs[0].size * inputs[1].size
    return sum(value.size for value in inputs)


def _converted(inputs: list[NDArray[Any]], layer: _Layer) -> NDArray[Any]:
    kind = layer.attributes.get("destination_type", "").lower()
    return inputs[0].astype(np.float32 if kind == "bf16" else _TYPES[kind])


def _reshaped(inputs: list[NDArray[Any]], layer: _Layer) -> NDArray[Any]:
    sizes = [int(n) for n in np.ravel(inputs[1])]
    if layer.flag("special_zero"):
        sizes = [n or inputs[0].shape[i] for i, n in enumerate(sizes)]
    return inputs[0].reshape(sizes)


def _squeezed(inputs: list[NDArray[Any]], layer: _Layer) -> NDArray[Any]:
    return np.squeeze(inputs[0], tuple(_axes(inputs[1])) if len(inputs) > 1 else None)


def _unsqueezed(inputs: list[NDArray[Any]], layer: _Layer) -> NDArray[Any]:
    return np.expand_dims(inputs[0], tuple(_axes(inputs[1])))


def _gathered(inputs: list[NDArray[Any]], layer: _Layer) -> NDArray[Any]:
    axis = int(np.ravel(inputs[2])[0]) if len(inputs) > 2 else 0
    return np.take(inputs[0], inputs[1].astype(np.int64), axis)


def _sliced(inputs: list[NDArray[Any]], layer: _Layer) -> NDArray[Any]:
    begins, ends = _axes(inputs[1]), _axes(inputs[2])
    steps = _axes(inputs[3]) if len(inputs) > 3 else [1] * len(begins)
    kinds = ("begin", "end", "new_axis", "shrink_axis", "ellipsis")
    masks = {kind: (*layer.numbers(f"{kind}_mask"), *[0] * len(begins)) for kind in kinds}
    if any(masks["new_axis"]) or any(masks["ellipsis"]):
        raise ValueError("a slice that adds axes")
    cut: list[slice | int] = []
    for i, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        whole = slice(None if masks["begin"][i] else begin, None if masks["end"][i] else end, step)
        cut.append(begin if masks["shrink_axis"][i] else whole)
    return np.asarray(inputs[0][tuple(cut)])


_CONSTANTS: dict[str, Callable[[list[NDArray[Any]], _Layer], Any]] = {
    "convert": _converted,
    "reshape": _reshaped,
    "transpose": lambda i, y: np.transpose(i[0], _axes(i[1]) or None),
    "squeeze": _squeezed,
    "unsqueeze": _unsqueezed,
    "gather": _gathered,
    "stridedslice": _sliced,
    "concat": lambda i, y: np.concatenate(i, int(y.attributes["axis"])),
    "shapeof": lambda i, y: np.array(i[0].shape, np.int64),
    "add": lambda i, y: i[0] + i[1],
    "subtract": lambda i, y: i[0] - i[1],
    "multiply": lambda i, y: i[0] * i[1],
    "divide": lambda i, y: i[0] // i[1] if i[0].dtype.kind in "iu" else i[0] / i[1],
    "power": lambda i, y: np.power(i[0], i[1]),
    "sqrt": lambda i, y: np.sqrt(i[0]),
    "reduceprod": lambda i, y: np.prod(i[0], tuple(_axes(i[1])), keepdims=y.flag("keep_dims")),
}
