"""TensorFlow Lite models: flatbuffers, read with the tflite package; images are (n, rows, columns, channels).

Integer weights are brought back to floats by their scale and zero point; what a fully quantised model computes in eight
bits is computed in floats here, so its outputs differ from the original's by its own quantisation error.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError, brief
from ..extras import needs
from . import pickled
from .files import File
from .source import Source
from .trace import Flow, Trace, refuse, same_padding

Value: TypeAlias = "Flow | NDArray[Any] | None"

_MOST = 4096  # tensors, operators, axes' values: a LeNet has some dozens
_LARGEST = 1 << 22
_TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"}
_UINT8, _INT8 = 3, 9
_FUSED = {0: None, 1: "relu", 4: "tanh"}  # ActivationFunctionType
_CURVES = {"TANH": "tanh", "LOGISTIC": "sigmoid", "RELU": "relu"}
_IDENTITIES = ("QUANTIZE", "DEQUANTIZE", "CAST")


def looks_like(data: bytes) -> bool:
    """Whether this is a TFLite model: its identifier lies behind the first offset."""
    return data[4:8] == b"TFL3"


def read(file: File) -> Source:
    """Read a TFLite model."""
    tflite = needs("tflite", "tflite", "reading TFLite files")
    try:
        graph = _Graph(tflite, file.data)
        graph.follow()
    except WeightsError as error:
        raise WeightsError(f"{file}: {error}") from error
    except (*pickled.ERRORS, struct.error, StopIteration) as error:
        raise WeightsError(f"{file}: wanted a whole TFLite model, found a damaged one ({brief(error)})") from error
    return Source("TFLite", trace=graph.trace)


class _Graph:
    """The first subgraph of a model, followed operator by operator."""

    def __init__(self, tflite: Any, data: bytes) -> None:
        self.tflite = tflite
        self.model = tflite.Model.GetRootAsModel(data, 0)
        if self.model.SubgraphsLength() != 1:
            refuse("model", "one graph", f"{self.model.SubgraphsLength()}", "the file is damaged or has control flow")
        self.graph = self.model.Subgraphs(0)
        _few("tensors", self.graph.TensorsLength())
        _few("operators", self.graph.OperatorsLength())
        self.names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
        self.trace = Trace()
        self.values: dict[int, Value] = {-1: None}

    def follow(self) -> None:
        """Trace the operators, which lie in the order of computation."""
        inputs = self._numbers(self.graph, "Inputs")
        if len(inputs) != 1:
            refuse("inputs", "one input, the image", f"{len(inputs)}", "export the network alone")
        image = self._tensor(inputs[0])
        shape = [int(n) for n in image.ShapeAsNumpy()]
        if len(shape) == 3 and shape[-1] in (1, 3) and shape[0] > 4:
            shape = [1, *shape]
        self.trace.batch = max(1, shape[0])
        flow = self.trace.image(shape, "input")
        self.trace.uint8 = image.Type() in (_UINT8, _INT8)
        self.values[inputs[0]] = flow
        if image.Type() == _INT8 or (image.Type() == _UINT8 and self._scales(image)):
            self.values[inputs[0]] = self._dequantised_image(image, flow)
        for i in range(self.graph.OperatorsLength()):
            self._operator(self.graph.Operators(i), i)
        outputs = self._numbers(self.graph, "Outputs")
        if not any(isinstance(self.values.get(o), Flow) for o in outputs):
            refuse("outputs", "an output that depends on the image", "none", "the graph is damaged")

    def _dequantised_image(self, image: Any, flow: Flow) -> Flow:
        """What eight bits of the input stand for: (v - zero) * scale, v being a pixel 0..255, or one less 128."""
        (scale, zero) = self._scales(image) or (np.ones(1), np.zeros(1))
        shift = 128 if image.Type() == _INT8 else 0
        return self.trace.affine(flow, float(scale[0]), -float(scale[0]) * (float(zero[0]) + shift), "input")

    def _numbers(self, owner: Any, field: str) -> list[int]:
        _few(field, getattr(owner, f"{field}Length")())
        values = getattr(owner, f"{field}AsNumpy")()
        return [] if isinstance(values, int) else [int(n) for n in values]

    def _tensor(self, number: int) -> Any:
        if not 0 <= number < self.graph.TensorsLength():
            raise ValueError(f"tensor {number} of {self.graph.TensorsLength()}")
        return self.graph.Tensors(number)

    def _scales(self, tensor: Any) -> tuple[NDArray[Any], NDArray[Any]] | None:
        quantised = tensor.Quantization()
        if quantised is None or not quantised.ScaleLength():
            return None
        scale, zero = np.asarray(quantised.ScaleAsNumpy(), np.float64), quantised.ZeroPointAsNumpy()
        return scale, np.zeros_like(scale) if isinstance(zero, int) else np.asarray(zero, np.float64)

    def _value(self, number: int) -> Value:
        """A tensor's value: on its way, or a constant of the file as floats."""
        if number not in self.values:
            tensor = self._tensor(number)
            buffer = self.model.Buffers(tensor.Buffer())
            if tensor.Buffer() >= self.model.BuffersLength() or buffer is None or not buffer.DataLength():
                raise ValueError(f"tensor {number} is used before it is computed")
            self.values[number] = self._constant(tensor, buffer)
        return self.values[number]

    def _constant(self, tensor: Any, buffer: Any) -> NDArray[Any]:
        if tensor.Sparsity() is not None:
            refuse(self._name(tensor), "dense weights", "sparse ones", "convert without sparsity")
        shape = [] if isinstance(tensor.ShapeAsNumpy(), int) else [int(n) for n in tensor.ShapeAsNumpy()]
        kind = np.dtype(_TYPES[tensor.Type()])
        data = np.asarray(buffer.DataAsNumpy(), np.uint8).tobytes()
        if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(data):
            raise ValueError(f"{len(data):,} bytes for shape {shape}")
        values = np.frombuffer(data, kind).reshape(shape)
        scales = self._scales(tensor)
        if scales is None or values.dtype.kind not in "iu":
            return values
        scale, zero = scales
        if scale.size > 1:
            axes = [1] * values.ndim
            axes[tensor.Quantization().QuantizedDimension()] = -1
            scale, zero = scale.reshape(axes), zero.reshape(axes)
        return np.asarray((values - zero) * scale)

    def _name(self, tensor: Any) -> str:
        return (tensor.Name() or b"").decode("utf-8", "replace")[:100]

    def _operator(self, operator: Any, number: int) -> None:
        code = self.model.OperatorCodes(operator.OpcodeIndex())
        if operator.OpcodeIndex() >= self.model.OperatorCodesLength():
            raise ValueError(f"operator code {operator.OpcodeIndex()}")
        kind = self.names.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "unknown")
        numbers = self._numbers(operator, "Inputs")
        outputs = self._numbers(operator, "Outputs")
        if kind == "CUSTOM" or not outputs:
            refuse(
                f"operator {number}",
                "an operator of TFLite itself",
                f"{kind} {code.CustomCode()!r}",
                "convert without it",
            )
        where = f"{kind} {self._name(self._tensor(outputs[0]))!r}"
        inputs = [self._value(n) for n in numbers]
        names = tuple(
            self._name(self._tensor(n)) for n, v in zip(numbers, inputs, strict=True) if isinstance(v, np.ndarray)
        )
        if not any(isinstance(value, Flow) for value in inputs):
            self.values[outputs[0]] = _computed(kind, inputs, where)
            return
        self.values[outputs[0]] = self._flow(kind, operator, inputs, names, where)

    def _flow(self, kind: str, operator: Any, inputs: list[Value], names: tuple[str, ...], where: str) -> Value:
        flows = [value for value in inputs if isinstance(value, Flow)]
        if len(flows) > 1 and not (kind == "MUL" and flows[0] is flows[1]):
            refuse(
                where,
                "layers in one row",
                "an operator that joins two branches",
                "residual and branching graphs are not supported",
            )
        flow = flows[0]
        if kind in _IDENTITIES:
            return flow
        if kind in _CURVES:
            return self.trace.curve(flow, _CURVES[kind], where)
        if kind == "SHAPE":
            return np.array(flow.shape, np.int64)
        method: Callable[..., Value] | None = getattr(self, f"_op_{kind.lower()}", None)
        if method is None:
            refuse(where, "an operation of the LeNet family", kind, "use a general runtime for this network")
        return method(flow, inputs, operator, names, where)

    def _options(self, operator: Any, name: str) -> Any:
        options, table = getattr(self.tflite, name)(), operator.BuiltinOptions()
        if table is None:
            raise ValueError(f"an operator without {name}")
        options.Init(table.Bytes, table.Pos)
        return options

    def _fused(self, flow: Flow, options: Any, where: str) -> Flow:
        code = options.FusedActivationFunction()
        if code not in _FUSED:
            refuse(
                where,
                "tanh, scaled tanh, sigmoid, relu or none",
                "another activation (relu6, perhaps)",
                "other activations are not supported",
            )
        kind = _FUSED[code]
        return self.trace.curve(flow, kind, where) if kind else flow

    def _op_conv_2d(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        options = self._options(operator, "Conv2DOptions")
        kernel = np.asarray(inputs[1])
        strides = (options.StrideH(), options.StrideW())
        result = self.trace.conv(
            flow, kernel.transpose(0, 3, 1, 2), inputs[2] if len(inputs) > 2 else None, where,  # type: ignore[arg-type]
            pads=_pads(options, flow.shape[1:3], kernel.shape[1:3], strides), strides=strides,
            dilations=(options.DilationHFactor(), options.DilationWFactor()), channels_last=True, tensors=names,
        )  # fmt: skip
        return self._fused(result, options, where)

    def _op_depthwise_conv_2d(
        self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str
    ) -> Flow:
        """With one input map it is a plain convolution, and converters write it so."""
        options = self._options(operator, "DepthwiseConv2DOptions")
        kernel = np.asarray(inputs[1])
        strides = (options.StrideH(), options.StrideW())
        groups = flow.shape[-1]
        weight = kernel[0].transpose(2, 0, 1)[:, None]
        result = self.trace.conv(
            flow, weight, inputs[2] if len(inputs) > 2 else None, where,  # type: ignore[arg-type]
            pads=_pads(options, flow.shape[1:3], kernel.shape[1:3], strides), strides=strides, groups=groups,
            dilations=(options.DilationHFactor(), options.DilationWFactor()), channels_last=True, tensors=names,
        )  # fmt: skip
        return self._fused(result, options, where)

    def _pool(self, kind: str, flow: Flow, operator: Any, where: str) -> Flow:
        options = self._options(operator, "Pool2DOptions")
        window = (options.FilterHeight(), options.FilterWidth())
        strides = (options.StrideH(), options.StrideW())
        pads = _pads(options, flow.shape[1:3], window, strides)
        return self._fused(
            self.trace.pool(flow, kind, where, window=window, strides=strides, pads=pads, channels_last=True),
            options,
            where,
        )

    def _op_max_pool_2d(
        self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str
    ) -> Flow:
        return self._pool("max", flow, operator, where)

    def _op_average_pool_2d(
        self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str
    ) -> Flow:
        return self._pool("average", flow, operator, where)

    def _op_fully_connected(
        self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str
    ) -> Flow:
        bias = inputs[2] if len(inputs) > 2 else None
        result = self.trace.dense(flow, inputs[1], bias, where, names)  # type: ignore[arg-type]
        return self._fused(result, self._options(operator, "FullyConnectedOptions"), where)

    def _op_add(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        result = self.trace.affine(flow, 1.0, _other(flow, inputs), where, names)
        return self._fused(result, self._options(operator, "AddOptions"), where)

    def _op_sub(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        other = _other(flow, inputs)
        if math.prod(np.broadcast_shapes(flow.shape, other.shape)) > flow.index.size:
            return self.trace.difference(flow, other, where)
        sign = 1.0 if inputs[0] is flow else -1.0
        result = self.trace.affine(flow, sign, -sign * other, where, names)
        return self._fused(result, self._options(operator, "SubOptions"), where)

    def _op_mul(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        if inputs[0] is inputs[1]:
            return self._squared(flow, where)
        result = self.trace.affine(flow, _other(flow, inputs), 0.0, where, names)
        return self._fused(result, self._options(operator, "MulOptions"), where)

    def _op_div(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        if inputs[0] is not flow:
            refuse(where, "a division of the maps by a number", "one by the maps", "this is no LeNet")
        result = self.trace.affine(flow, 1 / _other(flow, inputs), 0.0, where, names)
        return self._fused(result, self._options(operator, "DivOptions"), where)

    def _op_neg(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        return self.trace.affine(flow, -1.0, 0.0, where)

    def _squared(self, flow: Flow, where: str) -> Flow:
        if flow.codes is None or flow.squared:
            refuse(where, "an operation of the LeNet family", "a square", "use a general runtime for this network")
        return Flow(flow.index, flow.stage, flow.fill, flow.codes, squared=True)

    def _op_square(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        return self._squared(flow, where)

    def _op_squared_difference(
        self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str
    ) -> Flow:
        return self._squared(self.trace.difference(flow, _other(flow, inputs), where), where)

    def _op_sum(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        axes = [int(a) % flow.index.ndim for a in np.ravel(np.asarray(inputs[1]))]
        return self.trace.distances(flow, axes, where)

    def _op_mean(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        keep = bool(self._options(operator, "ReducerOptions").KeepDims())
        return self.trace.mean(flow, [int(a) for a in np.ravel(np.asarray(inputs[1]))], keep, where)

    def _op_softmax(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        return self.trace.softmax(flow, -1, where)

    _op_log_softmax = _op_softmax

    def _op_arg_max(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        return self.trace.decide(flow, "argmax", where)

    def _op_arg_min(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        return self.trace.decide(flow, "argmin", where)

    def _op_reshape(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        if len(inputs) > 1 and isinstance(inputs[1], np.ndarray):
            shape = [int(n) for n in np.ravel(inputs[1])]
        else:
            options = self._options(operator, "ReshapeOptions")
            shape = [int(n) for n in options.NewShapeAsNumpy()]
        return self.trace.reshape(flow, shape, where)

    def _op_expand_dims(
        self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str
    ) -> Flow:
        return flow.rearranged(np.expand_dims(flow.index, int(np.ravel(np.asarray(inputs[1]))[0])))

    def _op_squeeze(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        axes = self._numbers(self._options(operator, "SqueezeOptions"), "SqueezeDims")
        return flow.rearranged(flow.index.squeeze(tuple(axes) if axes else None))

    def _op_transpose(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        return flow.rearranged(flow.index.transpose([int(a) for a in np.ravel(np.asarray(inputs[1]))]))

    def _op_pad(self, flow: Flow, inputs: list[Value], operator: Any, names: tuple[str, ...], where: str) -> Flow:
        value = float(np.ravel(np.asarray(inputs[2]))[0]) if len(inputs) > 2 else 0.0
        widths = [(int(a), int(b)) for a, b in np.asarray(inputs[1]).reshape(-1, 2)]
        return self.trace.pad(flow, widths, value, where)

    _op_padv2 = _op_pad


def _few(what: str, count: int) -> None:
    if count > _MOST:
        raise ValueError(f"{count:,} {what}")


def _other(flow: Flow, inputs: Sequence[Value]) -> NDArray[np.float64]:
    return np.asarray(next(v for v in inputs if isinstance(v, np.ndarray)), np.float64)


def _pads(
    options: Any, size: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right): SAME is 0, VALID is 1."""
    if options.Padding() == 1:
        return 0, 0, 0, 0
    return same_padding(size, window, strides)


def _computed(kind: str, inputs: list[Value], where: str) -> NDArray[Any]:
    """An operator on constants: shapes taken apart and put together, weights converted."""
    arrays = [np.asarray(value) for value in inputs if value is not None]
    if kind in _IDENTITIES:
        return arrays[0]
    if kind == "PACK":
        return np.stack(arrays)
    if kind == "CONCATENATION":
        return np.concatenate([np.atleast_1d(a) for a in arrays])
    if kind == "STRIDED_SLICE":
        begin, end = int(np.ravel(arrays[1])[0]), int(np.ravel(arrays[2])[0])
        return np.asarray(arrays[0][begin] if end == begin + 1 else arrays[0][begin : end or None])
    if kind == "TRANSPOSE":
        return np.asarray(arrays[0].transpose([int(a) for a in arrays[1]]))
    if kind == "RESHAPE":
        return np.asarray(arrays[0].reshape([int(n) for n in np.ravel(arrays[1])]))
    refuse(
        where,
        "constants that are stored or moved",
        f"constants computed by {kind}",
        "convert again with constants folded",
    )
