"""ONNX graphs, of any exporter and opset: read with the onnx package, followed operator by operator.

What only moves or converts constants (weights behind Transpose, Reshape, Identity, Cast, DequantizeLinear; shapes taken
apart and put together) is computed here with NumPy; the rest goes to `Trace`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError, brief
from ..extras import needs
from .files import File
from .source import Source
from .trace import Flow, Trace, refuse, same_padding

Value: TypeAlias = "Flow | NDArray[Any] | None"

_LARGEST_CONSTANT = 1 << 22  # values that an operation on constants may make
_CURVES = {"Tanh": "tanh", "Sigmoid": "sigmoid", "Relu": "relu"}
_OTHER_CURVES = [
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Selu",
    "Celu",
    "Softplus",
    "Softsign",
    "HardSigmoid",
    "HardSwish",
    "Gelu",
    "Mish",
    "ThresholdedRelu",
    "Swish",
    "Abs",
    "Sin",
]
_IDENTITIES = ("Identity", "Dropout", "CastLike")
_KEY = "lenet_fast"


def looks_like(data: bytes) -> bool:
    """Whether this may be an ONNX model: a protobuf that begins with field 1, the IR version."""
    return (
        len(data) > 8
        and data[0] == 0x08
        and 0 < data[1] < 64
        and data[2] in (0x12, 0x1A, 0x22, 0x2A, 0x32, 0x3A, 0x42, 0x72)
    )


def read(file: File) -> Source:
    """Read an ONNX model; external data must lie beside it."""
    onnx = needs("onnx", "onnx", "reading ONNX files")
    try:
        model = onnx.load_model_from_string(file.data)
    except Exception as error:  # whatever protobuf raises for damage
        raise WeightsError(f"{file}: wanted an ONNX model, found a damaged one ({brief(error)})") from error
    if not model.graph.node:
        raise WeightsError(
            f"{file}: wanted an ONNX model, found one without a graph; the file is truncated or not ONNX"
        )
    return read_model(model, str(file), file)


def read_model(model: Any, name: str, file: File | None = None) -> Source:
    """Follow the graph of a ModelProto; WeightsError, beginning with `name`, if it is not of the family."""
    onnx = needs("onnx", "onnx", "reading ONNX models")
    if len(model.functions):
        onnx.checker.check_model(model)
        model = onnx.inliner.inline_local_functions(model)
    try:
        graph = _Graph(onnx, model, file)
        graph.follow()
    except WeightsError as error:
        raise WeightsError(f"{name}: {error}") from error
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        OverflowError,
        MemoryError,
        ArithmeticError,
    ) as error:
        raise WeightsError(
            f"{name}: wanted a valid ONNX graph, found a contradiction in it ({brief(error)})"
        ) from error
    metadata = {prop.key: prop.value for prop in model.metadata_props}
    return Source("ONNX", trace=graph.trace, metadata=metadata)


class _Graph:
    """One pass over the nodes, which ONNX keeps in an order in which they can be computed."""

    def __init__(self, onnx: Any, model: Any, file: File | None) -> None:
        self.onnx, self.graph, self.file = onnx, model.graph, file
        self.opset = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)
        self.trace = Trace()
        self.values: dict[str, Value] = {"": None}
        self.names: dict[int, str] = {}  # of constants, by identity

    def follow(self) -> None:
        """Trace everything that the graph's outputs depend on."""
        for tensor in self.graph.initializer:
            self._put(tensor.name, self._array(tensor))
        for tensor in self.graph.sparse_initializer:
            refuse(tensor.values.name, "dense weights", "a sparse tensor", "store it as a dense one")
        images = [i for i in self.graph.input if i.name not in self.values]
        if len(images) != 1:
            names = ", ".join(repr(i.name) for i in images) or "none"
            refuse("inputs", "one input, the image", names, "export the network alone")
        self._image(images[0])
        wanted = self._wanted()
        for node in self.graph.node:
            if any(output in wanted for output in node.output):
                self._node(node)
        if not any(isinstance(self.values.get(output.name), Flow) for output in self.graph.output):
            refuse("outputs", "an output that depends on the image", "none", "the graph is damaged")

    def _wanted(self) -> set[str]:
        wanted = {output.name for output in self.graph.output}
        for node in reversed(self.graph.node):
            if any(output in wanted for output in node.output):
                wanted.update(node.input)
        return wanted

    def _put(self, name: str, value: Value) -> None:
        self.values[name] = value
        if isinstance(value, np.ndarray):
            self.names.setdefault(id(value), name)

    def _array(self, tensor: Any) -> NDArray[Any]:
        if tensor.data_location == self.onnx.TensorProto.EXTERNAL:
            tensor = self._with_external_data(tensor)
        count = math.prod(tensor.dims)
        if min(tensor.dims, default=0) < 0 or count > _LARGEST_CONSTANT:
            refuse(tensor.name, "weights of a LeNet", f"a tensor of shape {tuple(tensor.dims)}", "the file is damaged")
        return np.asarray(self.onnx.numpy_helper.to_array(tensor))

    def _with_external_data(self, tensor: Any) -> Any:
        where = {entry.key: entry.value for entry in tensor.external_data}
        if self.file is None:
            refuse(tensor.name, "weights inside the model", "a reference to a file", "load the file by its path")
        data = self.file.companion(where.get("location", "")).data
        begin = int(where.get("offset", "0"))
        length = int(where.get("length", len(data) - begin))
        if not 0 <= begin <= begin + length <= len(data):
            refuse(tensor.name, f"bytes {begin} to {begin + length} of its file", f"{len(data)}", "fetch it again")
        inside = self.onnx.TensorProto()
        inside.CopyFrom(tensor)
        inside.ClearField("external_data")
        inside.data_location = self.onnx.TensorProto.DEFAULT
        inside.raw_data = data[begin : begin + length]
        return inside

    def _image(self, image: Any) -> None:
        kind = image.type.tensor_type
        sizes = [d.dim_value if d.HasField("dim_value") else 0 for d in kind.shape.dim]
        if len(sizes) < 2:
            refuse(
                image.name,
                "an image (n, channels, height, width)",
                f"an input of shape {tuple(sizes)}",
                "give its shape",
            )
        if len(sizes) == 3 and 0 < sizes[0] <= 4 and min(sizes) > 0:  # one image without n, as CNTK writes it
            sizes = [1, *sizes]
        self.trace.batch = sizes[0] or 1
        if min(sizes[1:]) < 1:
            sizes = self._guessed(sizes)
        self.trace.uint8 = kind.elem_type == self.onnx.TensorProto.UINT8
        self.values[image.name] = self.trace.image(sizes, image.name)

    def _guessed(self, sizes: list[int]) -> list[int]:
        """Free sizes are those that make the graph fit: 28 or 32 of them."""
        for side in (32, 28):
            known = [n or side for n in sizes[1:]]
            if len(known) == 3 and known[0] == side and sizes[3] in (1, 3):
                known[0] = side
            attempt = _Graph.__new__(_Graph)
            attempt.onnx, attempt.graph, attempt.file, attempt.opset = self.onnx, self.graph, self.file, self.opset
            attempt.trace, attempt.values, attempt.names = Trace(sizes[0] or 1), dict(self.values), dict(self.names)
            image = next(i for i in self.graph.input if i.name not in self.values)
            try:
                attempt.values[image.name] = attempt.trace.image([1, *known])
                wanted = attempt._wanted()
                for node in self.graph.node:
                    if any(output in wanted for output in node.output):
                        attempt._node(node)
            except (WeightsError, ValueError, TypeError, IndexError):
                continue
            return [sizes[0], *known]
        refuse("input", "an image of known size", f"shape {tuple(sizes)}", "export the model with a fixed image size")

    # --- nodes ---

    def _node(self, node: Any) -> None:
        where = node.name or f"{node.op_type} {node.output[0]!r}"
        if node.domain not in ("", "ai.onnx", "ai.onnx.ml"):
            refuse(
                where,
                "an operator of ONNX itself",
                f"custom operator {node.domain}.{node.op_type}",
                "export without it",
            )
        if missing := [name for name in node.input if name not in self.values]:
            refuse(where, "inputs computed before", f"{missing[0]!r}, which nothing computes", "the file is damaged")
        inputs = [self.values[name] for name in node.input]
        attributes = {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}
        if not any(isinstance(value, Flow) for value in inputs):
            self._put(node.output[0], self._constant(node.op_type, inputs, attributes, where))
        elif node.op_type == "Shape":
            self._put(node.output[0], np.array(next(v for v in inputs if isinstance(v, Flow)).shape, np.int64))
        else:
            self.values[node.output[0]] = self._operation(node.op_type, inputs, attributes, where)

    def _operation(self, op: str, inputs: list[Value], attributes: dict[str, Any], where: str) -> Value:
        """One operator that the image's values pass through."""
        if op in _CURVES:
            return self.trace.curve(self._flow(inputs, where), _CURVES[op], where)
        if op in _IDENTITIES:
            return self._flow(inputs, where)
        if op in ("QuantizeLinear", "DequantizeLinear", "FakeQuantize", "QLinearConv"):
            refuse(where, "floating-point values", f"{op}, a quantised model", "export the float model")
        if op in _OTHER_CURVES:
            refuse(where, "tanh, scaled tanh, sigmoid, relu or none", op, "other activations are not supported")
        method: Callable[[list[Value], dict[str, Any], str], Value] | None = getattr(self, f"_op_{op}", None)
        if method is None:
            refuse(where, "an operation of the LeNet family", op, "use a general runtime for this network")
        return method(inputs, attributes, where)

    def _flow(self, inputs: Sequence[Value], where: str) -> Flow:
        """The first input, which must depend on the image; others must not."""
        flows = [value for value in inputs if isinstance(value, Flow)]
        if len(flows) != 1 or flows[0] is not inputs[0]:
            refuse(
                where,
                "layers in one row",
                "an operator that joins two branches",
                "residual and branching graphs are not supported",
            )
        return flows[0]

    def _names(self, inputs: Sequence[Value]) -> tuple[str, ...]:
        return tuple(self.names[id(v)] for v in inputs if isinstance(v, np.ndarray) and id(v) in self.names)

    def _op_Conv(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        weight = np.asarray(inputs[1])
        bias = inputs[2] if len(inputs) > 2 else None
        strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
        pads = self._pads(attributes, weight.shape[2:], strides, flow.shape[2:], where)
        return self.trace.conv(
            flow, weight, None if bias is None else np.asarray(bias), where,
            pads=pads, strides=strides, dilations=dilations, groups=attributes.get("group", 1),
            tensors=self._names(inputs[1:]),
        )  # fmt: skip

    def _pads(
        self, attributes: dict[str, Any], window: Sequence[int], strides: Sequence[int], size: Sequence[int], where: str
    ) -> tuple[int, ...]:
        mode = attributes.get("auto_pad", b"NOTSET").decode()
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            return same_padding(size, window, strides, before=mode == "SAME_LOWER")
        pads = tuple(attributes.get("pads", (0, 0, 0, 0))) if mode != "VALID" else (0, 0, 0, 0)
        if len(pads) != 4:
            refuse(where, "two dimensions", f"padding {pads}", "1-d and 3-d layers are not supported")
        return pads

    def _pool(self, kind: str, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        window = attributes.get("kernel_shape", [0, 0])
        strides = attributes.get("strides", [1] * len(window))
        if any(n != 1 for n in attributes.get("dilations", [1])):
            refuse(where, "no dilation", f"{attributes['dilations']}", "dilated pooling is not supported")
        pads = self._pads(attributes, window, strides, flow.shape[2:], where)
        return self.trace.pool(
            flow, kind, where, window=window, strides=strides, pads=pads, ceil=bool(attributes.get("ceil_mode", 0))
        )

    def _op_MaxPool(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._pool("max", inputs, attributes, where)

    def _op_AveragePool(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._pool("average", inputs, attributes, where)

    def _op_GlobalAveragePool(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self.trace.mean(self._flow(inputs, where), (2, 3), True, where)

    _op_GlobalMaxPool = _op_GlobalAveragePool

    def _op_ReduceMean(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        axes = self._axes(inputs, attributes)
        return self.trace.mean(self._flow(inputs, where), axes, bool(attributes.get("keepdims", 1)), where)

    def _op_ReduceSum(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        axes = [axis % flow.index.ndim for axis in self._axes(inputs, attributes)]
        return self.trace.distances(flow, axes, where, self._codes_names)

    _codes_names: tuple[str, ...] = ()

    def _op_ReduceSumSquare(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._op_ReduceSum([self._op_Pow([inputs[0], np.array(2.0)], {}, where), *inputs[1:]], attributes, where)

    def _axes(self, inputs: list[Value], attributes: dict[str, Any]) -> list[int]:
        if len(inputs) > 1 and inputs[1] is not None:
            return [int(a) for a in np.ravel(np.asarray(inputs[1]))]
        return [int(a) for a in attributes.get("axes", [])]

    def _op_Gemm(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        if attributes.get("transA"):
            refuse(where, "images as rows", "transposed ones (transA)", "export without it")
        weight = np.asarray(inputs[1], np.float64)
        weight = (weight if attributes.get("transB") else weight.T) * attributes.get("alpha", 1.0)
        bias = (
            np.asarray(inputs[2], np.float64) * attributes.get("beta", 1.0)
            if len(inputs) > 2 and inputs[2] is not None
            else None
        )
        return self.trace.dense(flow, weight, bias, where, self._names(inputs[1:]))

    def _op_MatMul(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        if isinstance(inputs[0], np.ndarray) and isinstance(inputs[1], Flow) and inputs[1].shape[-1] == 1:
            return self.trace.dense(inputs[1], inputs[0], None, where, self._names(inputs))
        flow = self._flow(inputs, where)
        return self.trace.dense(flow, np.asarray(inputs[1]).T, None, where, self._names(inputs[1:]))

    def _op_BatchNormalization(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        if attributes.get("training_mode"):
            refuse(where, "batch normalisation with stored statistics", "one that computes them", "export in eval mode")
        gamma, beta, mean, variance = (np.asarray(v, np.float64) for v in inputs[1:5])
        scale = gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5))
        axes = (-1, *[1] * (len(flow.shape) - 2))
        shift = beta - mean * scale
        return self.trace.affine(flow, scale.reshape(axes), shift.reshape(axes), where, self._names(inputs[1:5]))

    def _op_Cast(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        if attributes.get("to") not in (1, 10, 11, 16) and not self.trace.decision:
            refuse(where, "floating-point values", "a conversion that rounds them", "export without it")
        return flow

    def _op_ImageScaler(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        bias = np.array(attributes.get("bias", [0.0])).reshape(-1, 1, 1)
        return self.trace.affine(self._flow(inputs, where), attributes.get("scale", 1.0), bias, where)

    def _op_Add(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow, other = self._with_constant(inputs, where)
        return self.trace.affine(flow, 1.0, other, where, self._names([other]))

    _op_Sum = _op_Add

    def _op_Mul(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        if len(inputs) == 2 and inputs[0] is inputs[1] and isinstance(inputs[0], Flow):
            return self._op_Pow([inputs[0], np.array(2.0)], {}, where)
        flow, other = self._with_constant(inputs, where)
        return self.trace.affine(flow, other, 0.0, where, self._names([other]))

    def _op_Div(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        return self.trace.affine(flow, 1 / np.asarray(inputs[1], np.float64), 0.0, where, self._names(inputs[1:]))

    def _op_Sub(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow, other = self._with_constant(inputs, where)
        if math.prod(np.broadcast_shapes(flow.shape, other.shape)) > flow.index.size:
            self._codes_names = self._names([other])
            return self.trace.difference(flow, other, where)
        sign = 1.0 if inputs[0] is flow else -1.0
        return self.trace.affine(flow, sign, -sign * other, where, self._names([other]))

    def _op_Neg(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self.trace.affine(self._flow(inputs, where), -1.0, 0.0, where)

    def _op_Pow(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        if flow.codes is None or flow.squared or np.asarray(inputs[1]).tolist() not in (2, [2]):
            refuse(where, "an operation of the LeNet family", "a power", "use a general runtime for this network")
        return Flow(flow.index, flow.stage, flow.fill, flow.codes, squared=True)

    def _with_constant(self, inputs: list[Value], where: str) -> tuple[Flow, NDArray[Any]]:
        flows = [value for value in inputs if isinstance(value, Flow)]
        constants = [value for value in inputs if isinstance(value, np.ndarray)]
        if len(flows) != 1 or len(constants) != 1:
            refuse(
                where,
                "layers in one row",
                "an operator that joins two branches",
                "residual and branching graphs are not supported",
            )
        return flows[0], np.asarray(constants[0], np.float64)

    def _op_Clip(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        low = attributes.get("min", inputs[1] if len(inputs) > 1 else None)
        high = attributes.get("max", inputs[2] if len(inputs) > 2 else None)
        if low is None or float(np.asarray(low)) != 0 or (high is not None and float(np.asarray(high)) < 1e30):
            refuse(
                where,
                "tanh, scaled tanh, sigmoid, relu or none",
                f"Clip from {low} to {high}",
                "other activations are not supported",
            )
        return self.trace.curve(self._flow(inputs, where), "relu", where)

    def _op_Softmax(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self.trace.softmax(
            self._flow(inputs, where), int(attributes.get("axis", 1 if self.opset < 13 else -1)), where
        )

    _op_LogSoftmax = _op_Softmax

    def _op_ArgMax(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self.trace.decide(self._flow(inputs, where), "argmax", where)

    def _op_ArgMin(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self.trace.decide(self._flow(inputs, where), "argmin", where)

    def _op_Pad(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        if attributes.get("mode", b"constant") != b"constant":
            refuse(where, "padding with a constant", attributes["mode"].decode(), "pad with zeros")
        pads = [
            int(n) for n in (attributes.get("pads") or attributes.get("paddings") or np.ravel(np.asarray(inputs[1])))
        ]
        value = (
            float(np.asarray(inputs[2])) if len(inputs) > 2 and inputs[2] is not None else attributes.get("value", 0.0)
        )
        if len(inputs) > 3 and inputs[3] is not None:
            refuse(where, "padding of all axes", "some axes by number", "export with opset 17 or less")
        half = len(pads) // 2
        return self.trace.pad(flow, list(zip(pads[:half], pads[half:], strict=True)), value, where)

    # --- what only moves values: the same for constants and for the image's values ---

    def _moved(self, op: str, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        if flow.codes is not None:
            refuse(where, "a sum of squared differences", op, "this is no LeNet")
        moved = self._constant(op, [flow.index, *inputs[1:]], attributes, where)
        return flow.rearranged(np.asarray(moved, np.int64))

    def _op_Transpose(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._moved("Transpose", inputs, attributes, where)

    def _op_Squeeze(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._moved("Squeeze", inputs, attributes, where)

    def _op_Unsqueeze(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._moved("Unsqueeze", inputs, attributes, where)

    def _op_Slice(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._moved("Slice", inputs, attributes, where)

    def _op_Flatten(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        return self._moved("Flatten", inputs, attributes, where)

    def _op_Reshape(self, inputs: list[Value], attributes: dict[str, Any], where: str) -> Flow:
        flow = self._flow(inputs, where)
        shape = attributes["shape"] if "shape" in attributes else np.ravel(np.asarray(inputs[1]))
        sizes = [flow.shape[i] if n == 0 and i < len(flow.shape) else int(n) for i, n in enumerate(shape)]
        return self.trace.reshape(flow, sizes, where)

    def _constant(self, op: str, inputs: list[Any], attributes: dict[str, Any], where: str) -> NDArray[Any]:
        """One operator on constants only."""
        function = _CONSTANTS.get(op)
        if function is None:
            refuse(
                where,
                "constants that are stored or moved",
                f"constants computed by {op}",
                "fold constants when exporting",
            )
        if op in ("Constant", "ConstantOfShape"):
            value = attributes.get("value")
            if value is not None:
                attributes = {**attributes, "value": self._array(value)}
        result = np.asarray(function(inputs, attributes))
        if op in ("Identity", "Transpose", "Reshape", "Cast", "Squeeze", "Unsqueeze", "DequantizeLinear") and inputs:
            self.names.setdefault(id(result), self.names.get(id(inputs[0]), where))
        return result


def _axes_of(inputs: list[Any], attributes: dict[str, Any]) -> tuple[int, ...]:
    axes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("axes", ())
    return tuple(int(a) for a in np.ravel(axes))


def _stored(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    for key in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if key in attributes:
            return attributes[key]
    raise ValueError("a constant without a value")


def _filled(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    shape = [int(n) for n in inputs[0]]
    if math.prod(shape) > _LARGEST_CONSTANT:
        raise ValueError(f"a constant of shape {shape}")
    return np.full(shape, np.ravel(attributes.get("value", np.zeros(1, np.float32)))[0])


def _flattened(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    axis = attributes.get("axis", 1)
    x = inputs[0]
    return x.reshape(math.prod(x.shape[:axis]), -1)


def _reshaped(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    shape = attributes["shape"] if "shape" in attributes else inputs[1]
    return inputs[0].reshape([inputs[0].shape[i] if n == 0 else int(n) for i, n in enumerate(shape)])


def _unsqueezed(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    return np.expand_dims(inputs[0], _axes_of(inputs, attributes))


def _sliced(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    if len(inputs) > 1:
        starts, ends = inputs[1], inputs[2]
        axes = inputs[3] if len(inputs) > 3 and inputs[3] is not None else range(len(starts))
        steps = inputs[4] if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    else:
        starts, ends = attributes["starts"], attributes["ends"]
        axes, steps = attributes.get("axes", range(len(starts))), [1] * len(starts)
    cut = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        end = None if int(step) < 0 and int(end) < -inputs[0].shape[int(axis)] else int(end)
        cut[int(axis)] = slice(int(start), end, int(step))
    return inputs[0][tuple(cut)]


def _cast(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    kinds = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
    return inputs[0].astype(kinds[attributes["to"]]) if attributes.get("to") in kinds else inputs[0]


def _dequantised(inputs: list[Any], attributes: dict[str, Any]) -> Any:
    x, scale = inputs[0].astype(np.float64), np.asarray(inputs[1], np.float64)
    zero = np.asarray(inputs[2], np.float64) if len(inputs) > 2 and inputs[2] is not None else np.zeros_like(scale)
    if scale.ndim == 1 and scale.size > 1:
        axes = [1] * x.ndim
        axes[attributes.get("axis", 1)] = -1
        scale, zero = scale.reshape(axes), zero.reshape(axes)
    return (x - zero) * scale


_CONSTANTS: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
    "Constant": _stored,
    "ConstantOfShape": _filled,
    "Identity": lambda i, a: i[0],
    "Cast": _cast,
    "CastLike": lambda i, a: i[0].astype(i[1].dtype),
    "DequantizeLinear": _dequantised,
    "Transpose": lambda i, a: np.transpose(i[0], a.get("perm")),
    "Reshape": _reshaped,
    "Flatten": _flattened,
    "Squeeze": lambda i, a: np.squeeze(i[0], _axes_of(i, a) or None),
    "Unsqueeze": _unsqueezed,
    "Slice": _sliced,
    "Concat": lambda i, a: np.concatenate(i, a["axis"]),
    "Gather": lambda i, a: np.take(i[0], np.asarray(i[1], np.int64), a.get("axis", 0)),
    "Shape": lambda i, a: np.array(i[0].shape, np.int64),
    "Add": lambda i, a: i[0] + i[1],
    "Sub": lambda i, a: i[0] - i[1],
    "Mul": lambda i, a: i[0] * i[1],
    "Div": lambda i, a: i[0] // i[1] if i[0].dtype.kind in "iu" else i[0] / i[1],
    "Neg": lambda i, a: -i[0],
    "Sqrt": lambda i, a: np.sqrt(i[0]),
    "Pow": lambda i, a: np.power(i[0], i[1]),
    "Floor": lambda i, a: np.floor(i[0]),
    "ReduceProd": lambda i, a: np.prod(i[0], axis=_axes_of(i, a) or None, keepdims=bool(a.get("keepdims", 1))),
    "Min": lambda i, a: np.minimum(*i),
    "Max": lambda i, a: np.maximum(*i),
}
