"""Elementary operations as an ONNX model: what ONNX Runtime and OpenVINO read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import helper, numpy_helper

from .elementary import Affine, Conv, Curve, Dense, Distances, Flatten, Operation, Pool, Softmax


class _Graph:
    """Nodes in a row: each `add` feeds the last output, or `x`, to the next node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "images"

    def constant(self, values: ArrayLike, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, op: str, *others: str, x: str | None = None, **attributes: Any) -> str:
        inputs, self.last = [x or self.last, *others], f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [self.last], **attributes))
        return self.last


def onnx_model(operations: Sequence[Operation], shape: tuple[int, int, int]) -> bytes:
    """Return the model, serialised: "images" (n, *shape) float32 -> (n, classes) float32."""
    graph = _Graph()
    for operation in operations:
        _translate(graph, operation)
    image = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["n", *shape])
    output = helper.make_tensor_value_info(graph.last, onnx.TensorProto.FLOAT, ["n", None])
    whole = helper.make_graph(graph.nodes, "network", [image], [output], graph.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _translate(graph: _Graph, operation: Operation) -> None:
    match operation:
        case Conv(weight, bias, padding, stride, groups):
            tensors = graph.constant(weight), graph.constant(bias)
            graph.add("Conv", *tensors, pads=[padding] * 4, strides=[stride] * 2, group=groups)
        case Pool(kind):
            name = "AveragePool" if kind == "average" else "MaxPool"
            graph.add(name, kernel_shape=[2, 2], strides=[2, 2])
        case Affine(scale, shift):
            graph.add("Mul", graph.constant(scale.reshape(-1, 1, 1) if scale.ndim else scale))
            if shift.any():
                graph.add("Add", graph.constant(shift.reshape(-1, 1, 1) if shift.ndim else shift))
        case Curve(kind):
            graph.add({"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}[kind])
        case Flatten():
            graph.add("Flatten")
        case Dense():
            _full_connection(graph, operation)
        case Distances():
            x = graph.last
            product, square = operation.expanded()
            near = _full_connection(graph, product)
            graph.add("Mul", x, x=x)
            _full_connection(graph, square)
            graph.add("Add", near)
        case Softmax():
            graph.add("Softmax", axis=1)


def _full_connection(graph: _Graph, dense: Dense) -> str:
    return graph.add("Gemm", graph.constant(dense.weight), graph.constant(dense.bias), transB=1)
