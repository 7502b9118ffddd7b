"""Models as ONNX graphs: what ONNX Runtime, OpenVINO and everybody else reads.

The graph takes pixels as the model does, (n, channels, height, width) float32, and scales them itself; the scaling of
uint8 pixels, class names and card travel in the metadata, so that a file that comes back is the same model, bit for
bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..extras import needs
from ..operations import Affine, Conv, Curve, Dense, Distances, Flatten, Operation, Pool, Softmax, plain
from . import description
from .files import replace_file

if TYPE_CHECKING:
    from ..model import Model


def write(path: Path, model: Model) -> None:
    """Write a model to an ONNX file; ValueError if it has no ONNX form."""
    if model.preprocess.per_image:
        raise ValueError(
            f"{path}: wanted a fixed scaling, found one per image, which ONNX export does not have; use .npz"
        )
    scale, shift = (np.array(v) for v in model.preprocess.per_channel(model.network.input[0]))
    pixels = [Affine(scale, shift)] if (scale != 1).any() or shift.any() else []
    text = description.tensors_of(model)[1]
    replace_file(path, onnx_model([*pixels, *plain(model)], model.network.input, metadata=text))


class _Graph:
    """Nodes in a row: each `add` feeds the last output, or `x`, to the next node."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "images"

    def constant(self, values: ArrayLike, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, op: str, *others: str, x: str | None = None, **attributes: Any) -> str:
        inputs, self.last = [x or self.last, *others], f"t{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [self.last], **attributes))
        return self.last


def onnx_model(
    operations: Sequence[Operation],
    shape: tuple[int, int, int],
    *,
    expanded: bool = False,
    metadata: dict[str, str] | None = None,
) -> bytes:
    """Return the model, serialised: "images" (n, *shape) float32 -> (n, classes) float32.

    With `expanded`, RBF distances are two matrix products, which is fastest; else differences, which is most exact.
    """
    onnx = needs("onnx", "onnx", "writing ONNX files")
    helper = onnx.helper
    graph = _Graph(onnx)
    for operation in operations:
        _translate(graph, operation, expanded)
    image = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["n", *shape])
    output = helper.make_tensor_value_info(graph.last, onnx.TensorProto.FLOAT, ["n", None])
    whole = helper.make_graph(graph.nodes, "network", [image], [output], graph.constants)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _translate(graph: _Graph, operation: Operation, expanded: bool) -> None:
    match operation:
        case Conv(weight, bias, padding, stride, groups):
            tensors = graph.constant(weight), graph.constant(bias)
            graph.add("Conv", *tensors, pads=[padding] * 4, strides=[stride] * 2, group=groups)
        case Pool(kind):
            name = "AveragePool" if kind == "average" else "MaxPool"
            graph.add(name, kernel_shape=[2, 2], strides=[2, 2])
        case Affine(scale, shift):
            if (scale != 1).any():
                graph.add("Mul", graph.constant(scale.reshape(-1, 1, 1) if scale.ndim else scale))
            if shift.any():
                graph.add("Add", graph.constant(shift.reshape(-1, 1, 1) if shift.ndim else shift))
        case Curve("leaky_relu", slope):
            graph.add("LeakyRelu", alpha=slope)
        case Curve(kind):
            graph.add({"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}[kind])
        case Flatten():
            graph.add("Flatten")
        case Dense():
            _full_connection(graph, operation)
        case Distances(codes) if not expanded:
            graph.add("Unsqueeze", graph.constant([1], np.int64))
            difference = graph.add("Sub", graph.constant(codes))
            graph.add("Mul", difference)
            graph.add("ReduceSum", graph.constant([2], np.int64), keepdims=0)
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
