"""TensorFlow Lite models: flatbuffers, read with the tflite package; images are (n, rows, columns, channels).

Integer weights are brought back to floats by their scale and zero point; what a fully quantised model computes in eight
bits is computed in floats here, so its outputs differ from the original's by its own quantisation error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse, whole
from ...extras import needs
from ...operations import ACTIVATIONS
from ..arrays.dtypes import MOST_AXES
from ..files import File
from ..graph.node import Constant, Entry, Graph, Image, Node, Translation, always
from ..graph.walker import MOST_ENTRIES, follow
from ..source import Source

_TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"}
_UINT8, _INT8 = 3, 9
_FUSED = {0: None, 1: "relu", 4: "tanh"}  # ActivationFunctionType
_IMAGE = "image"  # the key of the image before it is dequantised


def read(file: File) -> Source:
    """Read a TFLite model."""
    tflite = needs("tflite", "tflite", "reading TFLite files")
    with whole("a whole TFLite model"):
        return Source("TFLite", trace=follow(_Parser(tflite, file.data).graph()))


# --- parsing ---


@dataclass(frozen=True)
class _Settings:
    """An operator, and the package that knows its options; or what the image's eight bits stand for."""

    tflite: Any
    operator: Any

    def options(self, name: str) -> Any:
        """The table of options of this name."""
        options, table = getattr(self.tflite, name)(), self.operator.BuiltinOptions()
        if table is None:
            raise ValueError(f"an operator without {name}")
        options.Init(table.Bytes, table.Pos)
        return options


class _Parser:
    """From a model's first subgraph, whose operators lie in the order of computation, to a graph of entries."""

    def __init__(self, tflite: Any, data: bytes) -> None:
        self.tflite = tflite
        self.model = tflite.Model.GetRootAsModel(data, 0)
        if self.model.SubgraphsLength() != 1:
            refuse("model", "one graph", f"{self.model.SubgraphsLength()}", "the file is damaged or has control flow")
        self.subgraph = self.model.Subgraphs(0)
        _few("tensors", self.subgraph.TensorsLength())
        _few("operators", self.subgraph.OperatorsLength())
        self.names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}

    def graph(self) -> Graph:
        """All operators; tensors go by their numbers."""
        inputs = _numbers(self.subgraph, "Inputs")
        if len(inputs) != 1:
            refuse("inputs", "one input, the image", f"{len(inputs)}", "export the network alone")
        image = self._tensor(inputs[0])
        entries = [self._dequantised_image(image, inputs[0])]
        entries += [self._entry(self.subgraph.Operators(i), i) for i in range(self.subgraph.OperatorsLength())]
        made = {entry.output for entry in entries}
        used = {key for entry in entries for key in entry.inputs} - made - {_IMAGE, -1}
        constants: dict[Hashable, Constant] = {number: self._constant(number) for number in used}
        constants[-1] = Constant("", lambda: None)
        return Graph("TFLite", self._image(image), entries, TABLE, constants, _numbers(self.subgraph, "Outputs"))

    def _image(self, tensor: Any) -> Image:
        shape = _shape(tensor)
        if len(shape) == 3 and shape[-1] in (1, 3) and shape[0] > 4:
            shape = [1, *shape]
        return Image(_IMAGE, "input", [tuple(shape)], tensor.Type() in (_UINT8, _INT8))

    def _dequantised_image(self, image: Any, number: int) -> Entry:
        """What eight bits of the input stand for: (v - zero) * scale, v being a pixel 0..255, or one less 128."""
        scales = _scales(image)
        if image.Type() != _INT8 and not (image.Type() == _UINT8 and scales):
            return Entry("IDENTITY", "input", (_IMAGE,), number)
        scale, zero = scales or (np.ones(1), np.zeros(1))
        behind = 128 if image.Type() == _INT8 else 0
        factor = float(scale[0])
        return Entry("PIXELS", "input", (_IMAGE,), number, (factor, -factor * (float(zero[0]) + behind)))

    def _tensor(self, number: int) -> Any:
        if not 0 <= number < self.subgraph.TensorsLength():
            raise ValueError(f"tensor {number} of {self.subgraph.TensorsLength()}")
        return self.subgraph.Tensors(number)

    def _constant(self, number: Any) -> Constant:
        tensor = self._tensor(number)

        def load() -> NDArray[Any]:
            buffer = self.model.Buffers(tensor.Buffer())
            if tensor.Buffer() >= self.model.BuffersLength() or buffer is None or not buffer.DataLength():
                raise ValueError(f"tensor {number} is used before it is computed")
            return _array(tensor, buffer)

        return Constant(_name(tensor), load)

    def _entry(self, operator: Any, number: int) -> Entry:
        charge("visits", 50)
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        if operator.OpcodeIndex() >= self.model.OperatorCodesLength():
            raise ValueError(f"operator code {operator.OpcodeIndex()}")
        kind = self.names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "unknown")
        outputs = _numbers(operator, "Outputs")
        if kind == "CUSTOM" or not outputs:
            found = f"{kind} {code.CustomCode()!r}"
            refuse(f"operator {number}", "an operator of TFLite itself", found, "convert without it")
        where = f"{kind} {_name(self._tensor(outputs[0]))!r}"
        inputs, settings = tuple(_numbers(operator, "Inputs")), _Settings(self.tflite, operator)
        return Entry(kind, where, inputs, outputs[0], settings, tuple(outputs[1:]))


def _few(what: str, count: int) -> None:
    if count > MOST_ENTRIES:
        raise ValueError(f"{count:,} {what}")


def _numbers(owner: Any, field: str) -> list[int]:
    count = getattr(owner, f"{field}Length")()
    _few(field, count)
    charge("visits", count)
    values = getattr(owner, f"{field}AsNumpy")()
    return [] if isinstance(values, int) else [int(n) for n in values]


def _shape(tensor: Any) -> list[int]:
    if tensor.ShapeLength() > MOST_AXES:
        raise ValueError(f"a tensor of {tensor.ShapeLength():,} axes")
    return _numbers(tensor, "Shape")


def _name(tensor: Any) -> str:
    name = tensor.Name() or b""
    charge("visits", len(name) // 256)
    return str(name[:400].decode("utf-8", "replace")[:100])


def _scales(tensor: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
    quantised = tensor.Quantization()
    if quantised is None or not quantised.ScaleLength():
        return None
    charge("values", quantised.ScaleLength())
    scale, zero = np.asarray(quantised.ScaleAsNumpy(), np.float64), quantised.ZeroPointAsNumpy()
    return scale, np.zeros_like(scale) if isinstance(zero, int) else np.asarray(zero, np.float64)


def _array(tensor: Any, buffer: Any) -> NDArray[Any]:
    """A constant of the file, as floats where it is quantised."""
    if tensor.Sparsity() is not None:
        refuse(_name(tensor), "dense weights", "sparse ones", "convert without sparsity")
    shape, kind = _shape(tensor), np.dtype(_TYPES[tensor.Type()])
    data = buffer.DataAsNumpy()
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(data):
        raise ValueError(f"{len(data):,} bytes for shape {shape}")
    values = np.frombuffer(data, kind).reshape(shape)
    scales = _scales(tensor)
    if scales is None or values.dtype.kind not in "iu":
        return values
    scale, zero = scales
    if scale.size > 1:
        axes = [1] * values.ndim
        axes[tensor.Quantization().QuantizedDimension()] = -1
        scale, zero = scale.reshape(axes), zero.reshape(axes)
    if np.broadcast_shapes(values.shape, scale.shape, zero.shape) != values.shape:
        raise ValueError(f"scales of shape {scale.shape} for values of shape {values.shape}")
    charge("values", values.size)
    floats = np.asarray(np.subtract(values, zero, dtype=np.float64))
    floats *= scale
    return floats


# --- operators ---


def _fused(node: Node, options: Any, where: str) -> list[Node]:
    """A node, and the activation that its operator has in itself."""
    code = options.FusedActivationFunction()
    if code not in _FUSED:
        way_out = "other activations are not supported"
        refuse(where, ACTIVATIONS, "another activation (relu6, perhaps)", way_out)
    kind = _FUSED[code]
    return [node, Node("curve", kind=kind)] if kind else [node]


def _with_fused(op: str, options: str, read: Callable[[Any], dict[str, Any]] | None = None) -> Translation:
    def translate(entry: Entry) -> list[Node]:
        table = entry.settings.options(options)
        return _fused(Node(op, **read(table) if read else {}), table, entry.where)

    return translate


def _windows(options: Any) -> dict[str, Any]:
    pads = (0, 0, 0, 0) if options.Padding() == 1 else "same_upper"  # SAME is 0, VALID is 1
    return {"pads": pads, "strides": (options.StrideH(), options.StrideW()), "channels_last": True}


def _conv(kernel_axes: str, *, depthwise: bool) -> Callable[[Any], dict[str, Any]]:
    def read(options: Any) -> dict[str, Any]:
        dilations = (options.DilationHFactor(), options.DilationWFactor())
        return {**_windows(options), "dilations": dilations, "kernel_axes": kernel_axes, "depthwise": depthwise}

    return read


def _pool(kind: str) -> Callable[[Any], dict[str, Any]]:
    return lambda o: {**_windows(o), "kind": kind, "window": (o.FilterHeight(), o.FilterWidth())}


def _leaky_relu(entry: Entry) -> Node:
    return Node("curve", kind="leaky_relu", slope=float(entry.settings.options("LeakyReluOptions").Alpha()))


def _mean(entry: Entry) -> Node:
    return Node("mean", keep=bool(entry.settings.options("ReducerOptions").KeepDims()))


def _reshape(entry: Entry) -> Node:
    if len(entry.inputs) > 1:
        return Node("reshape")
    return Node("reshape", shape=_numbers(entry.settings.options("ReshapeOptions"), "NewShape"))


def _squeeze(entry: Entry) -> Node:
    axes = _numbers(entry.settings.options("SqueezeOptions"), "SqueezeDims")
    return Node("squeeze", axes=axes or None)


def _strided_slice(entry: Entry) -> Node:
    options = entry.settings.options("StridedSliceOptions")
    masks = {
        name: [mask >> axis & 1 for axis in range(8)]
        for name, mask in (
            ("begin_mask", options.BeginMask()),
            ("end_mask", options.EndMask()),
            ("shrink_mask", options.ShrinkAxisMask()),
        )
    }
    return Node("strided_slice", **masks, adds_axes=bool(options.NewAxisMask() or options.EllipsisMask()))


def _pixels(entry: Entry) -> Node:
    scale, shift = entry.settings
    return Node("affine", scale=scale, shift=shift)


TABLE: dict[str, Translation] = {
    "PIXELS": _pixels,
    "CONV_2D": _with_fused("conv", "Conv2DOptions", _conv("OHWI", depthwise=False)),
    # With one input map it is a plain convolution, and converters write it so: kernels (1, rows, columns, outputs).
    "DEPTHWISE_CONV_2D": _with_fused("conv", "DepthwiseConv2DOptions", _conv("IHWO", depthwise=True)),
    "MAX_POOL_2D": _with_fused("pool", "Pool2DOptions", _pool("max")),
    "AVERAGE_POOL_2D": _with_fused("pool", "Pool2DOptions", _pool("average")),
    "MEAN": _mean,
    "FULLY_CONNECTED": _with_fused("dense", "FullyConnectedOptions"),
    "ADD": _with_fused("add", "AddOptions"),
    "SUB": _with_fused("subtract", "SubOptions"),
    "MUL": _with_fused("multiply", "MulOptions"),
    "DIV": _with_fused("divide", "DivOptions"),
    "NEG": always("negate"),
    "SQUARE": always("square"),
    "SQUARED_DIFFERENCE": always("squared_difference"),
    "SUM": always("sum"),
    "TANH": always("curve", kind="tanh"),
    "LOGISTIC": always("curve", kind="sigmoid"),
    "RELU": always("curve", kind="relu"),
    "LEAKY_RELU": _leaky_relu,
    "SOFTMAX": always("softmax"),
    "LOG_SOFTMAX": always("softmax"),
    "ARG_MAX": always("label", kind="argmax"),
    "ARG_MIN": always("label", kind="argmin"),
    "PAD": always("pad", order="pairs"),
    "PADV2": always("pad", order="pairs"),
    "RESHAPE": _reshape,
    "TRANSPOSE": always("transpose"),
    "EXPAND_DIMS": always("unsqueeze"),
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "PACK": always("stack"),
    "CONCATENATION": always("concat"),
    "SHAPE": always("shape"),
    **dict.fromkeys(("IDENTITY", "QUANTIZE", "DEQUANTIZE", "CAST"), always("identity")),
}
