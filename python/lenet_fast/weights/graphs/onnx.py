"""ONNX graphs, of any exporter and opset, read with the onnx package."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse, whole
from ...extras import needs
from ..arrays import dtypes
from ..arrays.protobuf import Content, Parts, charge_parts
from ..files import File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.walker import check_count, follow
from ..source import Source
from .onnx_functions import inlined

_OWN_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
#: Sides of images to try where the file leaves them open.
_SIDES = (32, 28)
_CHANNELS = (1, 3)
_DIGITS = 18  # of an offset in a file
#: What is inside onnx.proto's messages, where it is more than names.
_TENSOR: Parts = {
    **dict.fromkeys((4, 9, 10, 12), Content.BYTES),
    **dict.fromkeys((5, 7, 11), Content.NUMBERS),
}
_GRAPH: dict[int, Any] = {5: _TENSOR, 10: Content.BYTES}
_ATTRIBUTE: dict[int, Any] = {4: Content.BYTES, 5: _TENSOR, 6: _GRAPH, 7: Content.BYTES, 8: Content.NUMBERS, 11: _GRAPH}
_NODE: Parts = {5: _ATTRIBUTE, 6: Content.BYTES, 9: {2: Content.BYTES}}
_GRAPH[1] = _NODE
_MODEL: Parts = {6: Content.BYTES, 7: _GRAPH, 14: {2: Content.BYTES}, 25: {7: _NODE, 8: Content.BYTES}}
_TYPES = {
    1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64, 16: np.float32
}  # fmt: skip


def read(file: File) -> Source:
    """Read an ONNX model; external data must lie beside it."""
    onnx = needs("onnx", "onnx", "reading ONNX files")
    with whole("an ONNX model"):
        charge_parts(file.data, _MODEL)
        model = onnx.load_model_from_string(file.data)
    if not model.graph.node:
        refuse("", "an ONNX model", "one without a graph", "the file is truncated or not ONNX")
    return read_model(model, file)


def read_model(model: Any, file: File | None = None) -> Source:
    """Follow the graph of a ModelProto; WeightsError if it is not of the family."""
    onnx = needs("onnx", "onnx", "reading ONNX models")
    with whole("a valid ONNX graph"):
        model = inlined(model)
        graph = _Parser(onnx, model, file).graph()
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    return Source("ONNX", trace=follow(graph), metadata=metadata)


# --- parsing ---


@dataclass(frozen=True)
class _Settings:
    """A node's attributes, and the opset that they are of."""

    attributes: dict[str, Any]
    opset: int

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)


class _Parser:
    """From a ModelProto to a graph of entries."""

    def __init__(self, onnx: Any, model: Any, file: File | None) -> None:
        self.onnx, self.proto, self.file = onnx, model.graph, file
        self.companion = cache(lambda name: file.companion(name).data if file else b"")  # for many tensors
        self.opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)

    def graph(self) -> Graph:
        """The nodes, which ONNX keeps in an order in which they can be computed."""
        check_count(len(self.proto.node))
        for tensor in self.proto.sparse_initializer:
            refuse(tensor.values.name, "dense weights", "a sparse tensor", "store it as a dense one")
        constants: dict[Hashable, Constant] = {"": Constant("", lambda: None)}
        for tensor in self.proto.initializer:
            constants[tensor.name] = self._constant(tensor.name, tensor)
        images = [i for i in self.proto.input if i.name not in constants]
        if len(images) != 1:
            names = ", ".join(repr(i.name) for i in images) or "none"
            refuse("inputs", "one input, the image", names, "export the network alone")
        outputs = [output.name for output in self.proto.output]
        entries = [self._entry(node) for node in self.proto.node]
        return Graph("ONNX", self._image(images[0]), entries, TABLE, constants, outputs)

    def _constant(self, name: str, tensor: Any) -> Constant:
        return Constant(name, lambda: self._array(tensor))

    def _array(self, tensor: Any) -> NDArray[Any]:
        sizes = tuple(tensor.dims[: dtypes.MOST_AXES + 1])
        if min(sizes, default=0) < 0 or len(sizes) > dtypes.MOST_AXES:
            refuse(tensor.name, "weights of a LeNet", f"a tensor of shape {sizes}", "the file is damaged")
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            return self._external(tensor).reshape(sizes)
        return np.asarray(self.onnx.numpy_helper.to_array(tensor))

    def _external(self, tensor: Any) -> NDArray[Any]:
        """Values in a file beside this one, where they stay."""
        where = {entry.key: entry.value for entry in tensor.external_data}
        if self.file is None:
            refuse(tensor.name, "weights inside the model", "a reference to a file", "load the file by its path")
        data = self.companion(where.get("location", ""))
        begin = int(where.get("offset", "0")[:_DIGITS])
        length = int(where.get("length", f"{len(data) - begin}")[:_DIGITS])
        if not 0 <= begin <= begin + length <= len(data):
            refuse(tensor.name, f"bytes {begin} to {begin + length} of its file", f"{len(data)}", "fetch it again")
        if tensor.data_type == self.onnx.TensorProto.BFLOAT16:
            return dtypes.values(memoryview(data)[begin : begin + length], dtypes.BFLOAT16)
        kind = np.dtype(self.onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        return np.frombuffer(data, kind.newbyteorder("<"), length // kind.itemsize, begin)

    def _image(self, image: Any) -> Image:
        kind = image.type.tensor_type
        sizes = [max(0, d.dim_value) for d in kind.shape.dim] if kind.HasField("shape") else [0] * 4
        if len(sizes) < 2:
            found = f"an input of shape {tuple(sizes)}"
            refuse(image.name, "an image (n, channels, height, width)", found, "give its shape")
        if len(sizes) == 3 and 0 < sizes[0] <= 4 and min(sizes) > 0:  # one image without n, as CNTK writes it
            sizes = [1, *sizes]
        return Image(image.name, image.name, _shapes(sizes), kind.elem_type == self.onnx.TensorProto.UINT8)

    def _entry(self, node: Any) -> Entry:
        attributes = {a.name: self._attribute(a, node.output[0]) for a in node.attribute}
        kind = node.op_type if node.domain in _OWN_DOMAINS else f"custom operator {node.domain}.{node.op_type}"
        output, *others = node.output
        where = node.name or f"{node.op_type} {output!r}"
        others = tuple(name for name in others if name)
        return Entry(kind, where, tuple(node.input), output, _Settings(attributes, self.opset), others)

    def _attribute(self, attribute: Any, output: str) -> Any:
        value = self.onnx.helper.get_attribute_value(attribute)
        return self._constant(output, value) if isinstance(value, self.onnx.TensorProto) else value


def _shapes(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes to try, where 0 leaves a size open: the sides of images, and channels unless they come last."""
    channels = _CHANNELS if len(sizes) == 4 and not sizes[1] and sizes[3] not in _CHANNELS else (0,)
    sides = _SIDES if min(sizes[1:]) < 1 else (0,)
    tried = product(channels, sides)
    return [(sizes[0], sizes[1] or count or side, *(n or side for n in sizes[2:])) for count, side in tried]


# --- operators ---


def _pads(settings: _Settings) -> tuple[int, ...] | str:
    mode = settings.get("auto_pad", b"NOTSET").decode()
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return str(mode.lower())
    return tuple(settings.get("pads", (0, 0, 0, 0))) if mode != "VALID" else (0, 0, 0, 0)


def _conv(entry: Entry) -> Node:
    s: _Settings = entry.settings
    dilations, strides = s.get("dilations", [1, 1]), s.get("strides", [1, 1])
    return Node("conv", pads=_pads(s), strides=strides, dilations=dilations, groups=s.get("group", 1))


def _pool(kind: str) -> Translation:
    def translate(entry: Entry) -> Node:
        s: _Settings = entry.settings
        window = s.get("kernel_shape", [0, 0])
        strides, dilations = s.get("strides", [1] * len(window)), s.get("dilations", [1])
        ceil = bool(s.get("ceil_mode", 0))
        return Node("pool", kind=kind, window=window, strides=strides, pads=_pads(s), dilations=dilations, ceil=ceil)

    return translate


def _gemm(entry: Entry) -> Node:
    s: _Settings = entry.settings
    if s.get("transA"):
        refuse(entry.where, "images as rows", "transposed ones (transA)", "export without it")
    axes = "OI" if s.get("transB") else "IO"
    return Node("dense", axes=axes, alpha=s.get("alpha", 1.0), beta=s.get("beta", 1.0))


def _batch_norm(entry: Entry) -> Node:
    s: _Settings = entry.settings
    return Node("batch_norm", epsilon=s.get("epsilon", 1e-5), training=bool(s.get("training_mode")))


def _image_scaler(entry: Entry) -> Node:
    s: _Settings = entry.settings
    bias = np.array(s.get("bias", [0.0])).reshape(-1, 1, 1)
    return Node("affine", scale=s.get("scale", 1.0), shift=bias)


def _constant(entry: Entry) -> Node:
    s: _Settings = entry.settings
    for key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if (value := s.get(key)) is not None:
            return Node("identity", value if isinstance(value, Constant) else Constant.of(str(entry.output), value))
    raise ValueError("a constant without a value")


def _filled(entry: Entry) -> Node:
    value = entry.settings.get("value")
    return Node("fill", value=np.zeros(1, np.float32) if value is None else value.load())


def _pad(entry: Entry) -> Node:
    s: _Settings = entry.settings
    mode = s.get("mode", b"constant").decode()
    pads: Sequence[int] | None = s.get("pads") or s.get("paddings")
    if not pads:
        return Node("pad", order="begins then ends", mode=mode)
    half = len(pads) // 2
    return Node("pad", widths=list(zip(pads[:half], pads[half:], strict=True)), value=s.get("value"), mode=mode)


def _softmax(entry: Entry) -> Node:
    return Node("softmax", axis=int(entry.settings.get("axis", 1 if entry.settings.opset < 13 else -1)))


def _cast(entry: Entry) -> Node:
    return Node("cast", dtype=_TYPES.get(entry.settings.get("to")))


def _slice(entry: Entry) -> Node:
    s: _Settings = entry.settings
    return Node("slice", begins=s.get("starts"), ends=s.get("ends"), axes=s.get("axes"))


def _renamed(op: str, names: dict[str, str], **defaults: Any) -> Translation:
    """An operator whose attributes only have other names: ours -> ONNX's; what is not given takes its default."""

    def translate(entry: Entry) -> Node:
        given = {ours: entry.settings.get(theirs) for ours, theirs in names.items()}
        return Node(op, **defaults | {ours: value for ours, value in given.items() if value is not None})

    return translate


_KEPT = {"axes": "axes", "keep": "keepdims"}

TABLE: dict[str, Translation] = {
    "Conv": _conv,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("average"),
    "GlobalAveragePool": always("mean", axes=(2, 3), keep=True),
    "GlobalMaxPool": always("mean", axes=(2, 3), keep=True),
    "ReduceMean": _renamed("mean", _KEPT, keep=True),
    "ReduceSum": _renamed("sum", _KEPT),
    "ReduceSumSquare": _renamed("sum", _KEPT, squares=True),
    "ReduceProd": _renamed("product", _KEPT, keep=True),
    "Gemm": _gemm,
    "MatMul": always("matmul"),
    "BatchNormalization": _batch_norm,
    "ImageScaler": _image_scaler,
    "Add": always("add"),
    "Sum": always("add"),
    "Sub": always("subtract"),
    "Mul": always("multiply"),
    "Div": always("divide"),
    "Neg": always("negate"),
    "Pow": always("power"),
    "Sqrt": always("sqrt"),
    "Floor": always("floor"),
    "Min": always("minimum"),
    "Max": always("maximum"),
    "Tanh": always("curve", kind="tanh"),
    "Sigmoid": always("curve", kind="sigmoid"),
    "Relu": always("curve", kind="relu"),
    "LeakyRelu": _renamed("curve", {"slope": "alpha"}, kind="leaky_relu", slope=0.01),
    "PRelu": always("curve", kind="leaky_relu", slope=None),
    "Clip": _renamed("clip", {"low": "min", "high": "max"}),
    **dict.fromkeys(
        "Elu Selu Celu Softplus Softsign HardSigmoid HardSwish Gelu Mish ThresholdedRelu Swish Abs Sin".split(),
        always("other_curve"),
    ),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "ArgMax": always("label", kind="argmax"),
    "ArgMin": always("label", kind="argmin"),
    "Pad": _pad,
    "Transpose": _renamed("transpose", {"axes": "perm"}),
    "Squeeze": _renamed("squeeze", {"axes": "axes"}),
    "Unsqueeze": _renamed("unsqueeze", {"axes": "axes"}),
    "Flatten": _renamed("rows", {"axis": "axis"}),
    "Reshape": _renamed("reshape", {"shape": "shape"}, zeros="first"),
    "Slice": _slice,
    "Gather": _renamed("gather", {"axis": "axis"}),
    "Concat": _renamed("concat", {"axis": "axis"}),
    "Shape": always("shape"),
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Identity": always("identity"),
    "Dropout": always("identity"),
    "Cast": _cast,
    "CastLike": always("cast_like"),
    "DequantizeLinear": _renamed("dequantise", {"axis": "axis"}),
    **dict.fromkeys(("QuantizeLinear", "FakeQuantize", "QLinearConv"), always("quantise")),
}
