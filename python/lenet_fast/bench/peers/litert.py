"""LiteRT (TensorFlow Lite) with XNNPACK, its default; the model is written here as a flatbuffer, maps last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from ...model import Model
from ...operations import Affine, Array, Conv, Curve, Dense, Distances, Flatten, Operation, Pool, Softmax
from ...tensors import Floats
from . import Way, writings


class _Graph:
    """Operators in a row, from tensor 0, the images; shapes are of one batch size."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.model = schema.ModelT()
        self.model.version, self.model.buffers, self.model.operatorCodes = 3, [schema.BufferT()], []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators, self.graph.inputs = [], [], [0]
        self.model.subgraphs = [self.graph]
        self.tensor(shape)
        self.last, self.shape = 0, shape

    def tensor(self, shape: tuple[int, ...], values: Array | None = None) -> int:
        """A new tensor's number; a constant where it has values."""
        tensor = schema.TensorT()
        tensor.shape, tensor.buffer = list(shape), 0
        tensor.type, tensor.name = schema.TensorType.FLOAT32, f"t{len(self.graph.tensors)}".encode()
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            tensor.type = schema.TensorType.INT32 if values.dtype == np.int32 else schema.TensorType.FLOAT32
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, values: Array, dtype: Any = np.float32) -> int:
        array = np.ascontiguousarray(values, dtype)
        return self.tensor(array.shape, array)

    def add(self, name: str, shape: tuple[int, ...], *others: int, x: int | None = None, **options: Any) -> int:
        """One operator of the last output, or of `x`, and the others; options go by their names in the schema."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        operator.inputs = [self.last if x is None else x, *others]
        self.last, self.shape = self.tensor(shape), shape
        operator.outputs = [self.last]
        if options:
            kind = options.pop("kind")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, f"{kind}T")()
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        self.model.operatorCodes.append(code)
        self.graph.operators.append(operator)
        return self.last

    def bytes(self) -> bytes:
        self.graph.outputs = [self.last]
        builder = flatbuffers.Builder(0)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _litert_model(operations: Sequence[Operation], shape: tuple[int, int, int], batch: int) -> bytes:
    maps, height, width = shape
    graph = _Graph((batch, height, width, maps))
    order: Array | None = None  # of a flattened vector's values as they lie here, maps last
    for operation, following in zip(operations, [*operations[1:], None], strict=True):
        if isinstance(operation, Flatten):
            if isinstance(following, (Dense, Distances)):
                order = np.arange(np.prod(operation.shape)).reshape(operation.shape).transpose(1, 2, 0).ravel()
            _flatten(graph, maps_first=order is None)
            continue
        if isinstance(operation, (Dense, Distances)) and order is not None:
            operation, order = _reordered(operation, order), None
        _translate(graph, operation)
    return graph.bytes()


def _flatten(graph: _Graph, maps_first: bool) -> None:
    batch, height, width, maps = graph.shape
    if maps_first:
        axes = graph.constant(np.array([0, 3, 1, 2]), np.int32)
        graph.add("TRANSPOSE", (batch, maps, height, width), axes, kind="TransposeOptions")
    shape = (batch, maps * height * width)
    graph.add("RESHAPE", shape, graph.constant(np.array(shape), np.int32))


def _reordered(operation: Dense | Distances, order: Array) -> Dense | Distances:
    if isinstance(operation, Dense):
        return Dense(operation.weight[:, order], operation.bias)
    return Distances(operation.codes[:, order], operation.amplitude)


def _translate(graph: _Graph, operation: Operation) -> None:
    batch, shape = graph.shape[0], graph.shape
    match operation:
        case Conv():
            _convolution(graph, operation)
        case Pool(kind):
            half = (batch, shape[1] // 2, shape[2] // 2, shape[3])
            name = "AVERAGE_POOL_2D" if kind == "average" else "MAX_POOL_2D"
            sizes = {"filterWidth": 2, "filterHeight": 2, "strideW": 2, "strideH": 2}
            graph.add(name, half, kind="Pool2DOptions", padding=schema.Padding.VALID, **sizes)
        case Affine(scale, shift):
            graph.add("MUL", shape, graph.constant(scale), kind="MulOptions")
            if shift.any():
                graph.add("ADD", shape, graph.constant(shift), kind="AddOptions")
        case Curve("leaky_relu", slope):
            graph.add("LEAKY_RELU", shape, kind="LeakyReluOptions", alpha=slope)
        case Curve(kind):
            graph.add({"tanh": "TANH", "sigmoid": "LOGISTIC", "relu": "RELU"}[kind], shape)
        case Dense():
            _full_connection(graph, operation)
        case Distances():
            x = graph.last
            product, square = operation.expanded()
            near = _full_connection(graph, product)
            graph.add("MUL", shape, x, x=x, kind="MulOptions")
            far = _full_connection(graph, square)
            graph.add("ADD", graph.shape, near, x=far, kind="AddOptions")
        case Softmax():
            graph.add("SOFTMAX", shape, kind="SoftmaxOptions", beta=1.0)


def _convolution(graph: _Graph, conv: Conv) -> None:
    batch, height, width, maps = graph.shape
    if conv.padding:
        height, width = height + 2 * conv.padding, width + 2 * conv.padding
        pads = np.array([[0, 0], [conv.padding] * 2, [conv.padding] * 2, [0, 0]])
        graph.add("PAD", (batch, height, width, maps), graph.constant(pads, np.int32), kind="PadOptions")
    size = conv.weight.shape[2]
    shape = (batch, (height - size) // conv.stride + 1, (width - size) // conv.stride + 1, len(conv.weight))
    strides = {"padding": schema.Padding.VALID, "strideW": conv.stride, "strideH": conv.stride}
    bias = graph.constant(conv.bias)
    if conv.groups == 1:
        weight = graph.constant(conv.weight.transpose(0, 2, 3, 1))
        graph.add("CONV_2D", shape, weight, bias, kind="Conv2DOptions", **strides)
    else:
        weight = graph.constant(conv.weight.transpose(1, 2, 3, 0))
        graph.add("DEPTHWISE_CONV_2D", shape, weight, bias, kind="DepthwiseConv2DOptions", depthMultiplier=1, **strides)


def _full_connection(graph: _Graph, dense: Dense) -> int:
    constants = graph.constant(dense.weight), graph.constant(dense.bias)
    return graph.add("FULLY_CONNECTED", (graph.shape[0], len(dense.bias)), *constants, kind="FullyConnectedOptions")


def ways(model: Model, threads: int, batch: int) -> Iterator[Way]:
    """Both writings, without copies on the way in and out but the one into its input tensor."""
    for writing, operations in writings(model):
        content = _litert_model(operations, model.network.input, batch)
        interpreter = Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
        ends = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

        def run(images: Floats, interpreter: Any = interpreter, ends: tuple[int, int] = ends) -> Floats:
            interpreter.set_tensor(ends[0], images)
            interpreter.invoke()
            return interpreter.get_tensor(ends[1])  # type: ignore[no-any-return]

        yield Way(writing, run, lambda images: np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
