"""OpenVINO's intermediate representation, versions 10 and 11: a graph as .xml, its constants in the .bin beside it.

The .xml lists layers and, apart from them, edges between their ports. A document type, which can make a parser fetch
files or fill the memory, has no business in it and is refused before anything is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import WeightsError, refuse, whole
from ..arrays.dtypes import MOST_AXES, widened
from ..files import File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.walker import SIDES, follow
from ..source import Source

Port: TypeAlias = "tuple[str, str]"

_LARGEST_XML = 1 << 20  # bytes
_MOST_LAYERS = 500
_TYPES = {
    "f64": "<f8", "f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4", "i16": "<i2", "i8": "|i1", "u64": "<u8",
    "u32": "<u4", "u16": "<u2", "u8": "|u1", "boolean": "|b1", "bf16": "<u2",
}  # fmt: skip


def read(file: File) -> Source:
    """Read an .xml with the .bin of the same name beside it."""
    root = _parsed(file)
    version = root.get("version", "")
    if version not in ("10", "11"):
        way_out = "convert the model again with a current OpenVINO"
        refuse("", "version 10 or 11 of OpenVINO's format", f"{version[:20]!r}", way_out)
    data = file.companion(Path(file.path).stem + ".bin").data
    with whole("a valid OpenVINO graph"):
        graph = _graph(_layers(root), data)
    return Source("OpenVINO", trace=follow(graph))


def _parsed(file: File) -> ElementTree.Element:
    if len(file.data) > _LARGEST_XML:
        refuse("", "a network's description", f"{len(file.data):,} bytes", "it is another network")
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WeightsError("", "XML in UTF-8", f"something else ({error})") from error
    if re.search(r"<!\s*(DOCTYPE|ENTITY|ELEMENT|ATTLIST|NOTATION)", text, re.IGNORECASE):
        refuse("", "plain XML", "a document type", "OpenVINO writes none, the file is not its own")
    with whole("whole XML", "fetch the file again"):
        charge("visits", text.count("<"))
        return ElementTree.fromstring(text)


# --- parsing ---


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

    def get(self, key: str, default: str = "") -> str:
        return self.attributes.get(key, default)

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
    if len(elements) > _MOST_LAYERS:
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


def _graph(layers: Sequence[_Layer], data: bytes) -> Graph:
    images = [layer for layer in layers if layer.kind == "parameter"]
    if len(images) != 1:
        names = ", ".join(repr(layer.name) for layer in images) or "none"
        refuse("inputs", "one input, the image", names, "convert the network alone")
    constants: dict[Hashable, Constant] = {}
    entries: list[Entry] = []
    outputs: list[Port] = []
    for layer in layers:
        if layer.kind == "result":
            outputs += layer.sources.values()
        elif layer.kind == "const":
            constants[_output(layer)] = _constant(layer, data)
        elif layer.kind != "parameter":
            entries.append(_entry(layer))
    return Graph("OpenVINO", _image(images[0]), entries, TABLE, constants, outputs, must_end_in_scores=True)


def _image(layer: _Layer) -> Image:
    """The input, and the shapes that it may have; several where the file leaves sizes open."""
    shape = layer.get("shape")
    sizes = [int(n) if re.fullmatch(r"\s*\d{1,9}\s*", n) else 0 for n in shape.split(",")]
    if not 3 <= len(sizes) <= 5:
        refuse(layer.name, "an image (n, channels, height, width)", f"shape {shape!r}", "give its shape")
    shapes = [tuple(sizes)] if all(sizes[1:]) else _guesses(sizes)
    return Image(_output(layer), layer.name, shapes, layer.get("element_type") == "u8")


def _guesses(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    fitting: list[tuple[int, ...]] = []
    for side, channels, last in product(SIDES, (1, 3), (False, True)):
        guess = (side, side, channels) if last else (channels, side, side)
        shape = (sizes[0], *guess)
        if len(shape) == len(sizes) and all(n in (0, g) for n, g in zip(sizes[1:], guess, strict=True)):
            fitting.append(shape)
    return fitting


def _output(layer: _Layer) -> Port:
    """The port of a layer's one output; of TopK's two the labels."""
    place = 1 if layer.kind == "topk" else 0
    if len(layer.outputs) <= place:
        refuse(layer.name, "an output", "none", "the file is damaged")
    return layer.number, layer.outputs[place]


def _entry(layer: _Layer) -> Entry:
    missing = [port for port in layer.ports if port not in layer.sources]
    if missing or not layer.ports:
        found = f"port {missing[:1]} that nothing feeds"
        refuse(layer.name, "inputs computed before", found, "the file is damaged")
    inputs, output = tuple(layer.sources[port] for port in layer.ports), _output(layer)
    others = tuple((layer.number, port) for port in layer.outputs if port != output[1])
    return Entry(layer.kind, layer.name, inputs, output, layer, others, layer.typed)


def _constant(layer: _Layer, data: bytes) -> Constant:
    return Constant(layer.name, lambda: _array(layer, data))


def _array(layer: _Layer, data: bytes) -> NDArray[Any]:
    kind = layer.get("element_type")
    if kind not in _TYPES:
        refuse(layer.name, "constants of whole bytes", f"{kind!r}", "convert the model without compressing weights")
    shape, dtype = layer.numbers("shape")[: MOST_AXES + 1], np.dtype(_TYPES[kind])
    begin, size = int(layer.attributes["offset"]), int(layer.attributes["size"])
    if min(shape, default=0) < 0 or len(shape) > MOST_AXES or prod(shape) * dtype.itemsize != size:
        refuse(layer.name, f"a constant of {size} bytes", f"shape {shape} of {kind}", "the file is damaged")
    if not 0 <= begin <= begin + size <= len(data):
        found = f"{len(data)} in the .bin"
        refuse(layer.name, f"bytes {begin} to {begin + size}", found, "it is another model's")
    values = np.frombuffer(data, dtype, prod(shape), begin).reshape(shape)
    return widened(values) if kind == "bf16" else values


# --- operators ---


def _pads(layer: _Layer) -> tuple[int, ...] | str:
    mode = layer.get("auto_pad", "explicit").lower()
    if mode == "valid":
        return (0, 0, 0, 0)
    if mode in ("same_upper", "same_lower"):
        return mode
    return (*layer.numbers("pads_begin", (0, 0)), *layer.numbers("pads_end", (0, 0)))


def _conv(kernel_axes: str) -> Translation:
    def translate(entry: Entry) -> Node:
        layer: _Layer = entry.settings
        strides, dilations = layer.numbers("strides", (1, 1)), layer.numbers("dilations", (1, 1))
        return Node("conv", kernel_axes=kernel_axes, pads=_pads(layer), strides=strides, dilations=dilations)

    return translate


def _pool(kind: str) -> Translation:
    def translate(entry: Entry) -> Node:
        layer: _Layer = entry.settings
        window, strides = layer.numbers("kernel"), layer.numbers("strides", (1, 1))
        dilations, ceil = layer.numbers("dilations"), layer.get("rounding_type", "floor").lower().startswith("ceil")
        return Node(
            "pool", kind=kind, window=window, strides=strides, pads=_pads(layer), dilations=dilations, ceil=ceil
        )

    return translate


def _matmul(entry: Entry) -> Node:
    layer: _Layer = entry.settings
    return Node("matmul", transpose_a=layer.flag("transpose_a"), transpose_b=layer.flag("transpose_b"))


def _softmax(entry: Entry) -> Node:
    return Node("softmax", axis=int(entry.settings.get("axis", "1")))


def _top_k(entry: Entry) -> Node:
    mode = entry.settings.get("mode")
    if mode not in ("max", "min"):
        refuse(entry.where, "the label of the largest score", f"mode {mode!r}", "leave TopK out")
    return Node("best", kind=f"arg{mode}")


def _batch_norm(entry: Entry) -> Node:
    layer: _Layer = entry.settings
    return Node("batch_norm", epsilon=float(layer.get("epsilon", layer.get("eps", "0"))))


def _clamp(entry: Entry) -> Node:
    low, high = (float(entry.settings.attributes[key]) for key in ("min", "max"))
    return Node("clip", low=low, high=high)


def _convert(entry: Entry) -> Node:
    kind = entry.settings.get("destination_type").lower()
    return Node("cast", dtype=np.float32 if kind == "bf16" else _TYPES[kind])


def _pad(entry: Entry) -> Node:
    return Node("pad", order="apart", mode=entry.settings.get("pad_mode", "constant"))


def _reshape(entry: Entry) -> Node:
    return Node("reshape", zeros="first" if entry.settings.flag("special_zero") else "")


def _reduced(op: str) -> Translation:
    return lambda entry: Node(op, keep=entry.settings.flag("keep_dims"))


def _strided_slice(entry: Entry) -> Node:
    layer: _Layer = entry.settings
    masks = {name: layer.numbers(name) for name in ("begin_mask", "end_mask")}
    shrinks = layer.numbers("shrink_axis_mask")
    adds_axes = any((*layer.numbers("new_axis_mask"), *layer.numbers("ellipsis_mask")))
    return Node("strided_slice", **masks, shrink_mask=shrinks, adds_axes=adds_axes)


def _gather(entry: Entry) -> Node:
    return Node("gather", axis=None if len(entry.inputs) > 2 else 0)


def _concat(entry: Entry) -> Node:
    return Node("concat", axis=int(entry.settings.attributes["axis"]))


TABLE: dict[str, Translation] = {
    "convolution": _conv("OIHW"),
    "groupconvolution": _conv("GOIHW"),
    "maxpool": _pool("max"),
    "avgpool": _pool("average"),
    "reducemean": _reduced("mean"),
    "reducesum": _reduced("sum"),
    "reduceprod": _reduced("product"),
    "matmul": _matmul,
    "batchnorminference": _batch_norm,
    "add": always("add"),
    "subtract": always("subtract"),
    "multiply": always("multiply"),
    "divide": always("divide"),
    "negative": always("negate"),
    "power": always("power"),
    "sqrt": always("sqrt"),
    "maximum": always("maximum"),
    "squareddifference": always("squared_difference"),
    "tanh": always("curve", kind="tanh"),
    "sigmoid": always("curve", kind="sigmoid"),
    "relu": always("curve", kind="relu"),
    "prelu": always("curve", kind="leaky_relu", slope=None),
    "clamp": _clamp,
    **dict.fromkeys("elu selu gelu softplus swish hswish hsigmoid mish hardsigmoid".split(), always("other_curve")),
    "softmax": _softmax,
    "logsoftmax": _softmax,
    "topk": _top_k,
    "pad": _pad,
    "convert": _convert,
    "reshape": _reshape,
    "transpose": always("transpose"),
    "squeeze": always("squeeze"),
    "unsqueeze": always("unsqueeze"),
    "stridedslice": _strided_slice,
    "gather": _gather,
    "concat": _concat,
    "shapeof": always("shape"),
}
