"""The classic network as ONNX graphs, so that ONNX Runtime can be measured with the same weights.

Two ways to write it, since a peer is measured at its best: `plain` is the network layer by layer; `folded` moves every
constant it can into the weights (slope and amplitude of the squashing function, the subsampling coefficients as a
grouped 2x2 convolution with stride 2) and computes RBF distances as one matrix product, |x|^2 + |w|^2 - 2 x.w.
Both take scaled float32 images (n, 1, 32, 32).
"""

from __future__ import annotations

from typing import Any

import lenet_fast
import numpy as np
import onnx
from onnx import helper, numpy_helper

AMPLITUDE, SLOPE = 1.7159, 2 / 3


class Graph:
    """Nodes in a row: each `add` feeds the last output, or `x`, to the next node."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "images"

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, op: str, *others: str, x: str | None = None, **attributes: Any) -> str:
        inputs, self.last = [x or self.last, *others], f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [self.last], **attributes))
        return self.last

    def bytes(self) -> bytes:
        ends = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
            for name, shape in (("images", ["n", 1, 32, 32]), (self.last, ["n", 10]))
        ]
        graph = helper.make_graph(self.nodes, "lenet5_1998", ends[:1], ends[1:], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def plain(model: lenet_fast.Model) -> bytes:
    """Layer by layer, as an exporter would write it."""
    w, g = model.weights, Graph()

    def squash() -> None:
        g.add("Mul", g.constant(SLOPE))
        g.add("Tanh")
        g.add("Mul", g.constant(AMPLITUDE))

    for conv, pool in (("C1", "S2"), ("C3", "S4"), ("C5", None)):
        g.add("Conv", g.constant(w[f"{conv}.weight"]), g.constant(w[f"{conv}.bias"]))
        squash()
        if pool:
            g.add("AveragePool", kernel_shape=[2, 2], strides=[2, 2])
            g.add("Mul", g.constant(4 * w[f"{pool}.coefficient"].reshape(-1, 1, 1)))
            g.add("Add", g.constant(w[f"{pool}.bias"].reshape(-1, 1, 1)))
            squash()
    g.add("Flatten")
    g.add("Gemm", g.constant(w["F6.weight"]), g.constant(w["F6.bias"]), transB=1)
    squash()
    g.add("Unsqueeze", g.constant([1], np.int64))
    g.add("Sub", g.constant(w["output.weight"]))
    g.add("Mul", g.last)
    g.add("ReduceSum", g.constant([2], np.int64), keepdims=0)
    return g.bytes()


def folded(model: lenet_fast.Model) -> bytes:
    """The fewest nodes: activations are bare Tanh, each constant in front of or behind one sits in a weight."""
    w, g = {name: values.astype(np.float64) for name, values in model.weights.items()}, Graph()
    behind = 1.0  # amplitude of the squashing function that feeds the next weights
    for conv, pool in (("C1", "S2"), ("C3", "S4"), ("C5", None)):
        g.add("Conv", g.constant(w[f"{conv}.weight"] * behind * SLOPE), g.constant(w[f"{conv}.bias"] * SLOPE))
        g.add("Tanh")
        behind = AMPLITUDE
        if pool:
            kernel = np.broadcast_to(w[f"{pool}.coefficient"][:, None, None, None], (len(w[f"{pool}.bias"]), 1, 2, 2))
            weight, bias = g.constant(kernel * behind * SLOPE), g.constant(w[f"{pool}.bias"] * SLOPE)
            g.add("Conv", weight, bias, strides=[2, 2], group=len(kernel))
            g.add("Tanh")
    g.add("Flatten")
    g.add("Gemm", g.constant(w["F6.weight"] * behind * SLOPE), g.constant(w["F6.bias"] * SLOPE), transB=1)
    x = g.add("Tanh")
    codes = w["output.weight"]
    product = g.add("Gemm", g.constant(-2 * AMPLITUDE * codes), g.constant((codes**2).sum(1)), transB=1)
    g.add("Mul", x, x=x)
    g.add("ReduceSum", g.constant([1], np.int64), keepdims=1)
    g.add("Mul", g.constant(AMPLITUDE**2))
    g.add("Add", product)
    return g.bytes()
