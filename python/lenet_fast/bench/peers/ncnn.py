"""ncnn, which runs one image at a time; the model is written here in ncnn's own two files, text and weights."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import ncnn
import numpy as np

from ...model import Model
from ...operations import Affine, Array, Conv, Curve, Dense, Distances, Flatten, Operation, Pool, Softmax
from ...tensors import Floats
from . import Way, writings

_MULTIPLY, _ADD = 2, 0  # of BinaryOp


class _Graph:
    """Layers in a row; each one takes the last blob, or those named, and makes a new one."""

    def __init__(self) -> None:
        self.lines = ["Input images 0 1 b0"]
        self.weights = bytearray()
        self.blobs, self.last = 1, "b0"

    def add(self, kind: str, *inputs: str, outputs: int = 1, **options: float) -> list[str]:
        """Add a layer; its options are the numbered ones of ncnn's documentation, as o0, o1, ..."""
        made = [f"b{self.blobs + i}" for i in range(outputs)]
        sources = inputs or (self.last,)
        numbers = [f"{name[1:]}={value}" for name, value in options.items()]
        name = f"l{len(self.lines)}"
        self.lines.append(" ".join([kind, name, str(len(sources)), str(outputs), *sources, *made, *numbers]))
        self.blobs, self.last = self.blobs + outputs, made[-1]
        return made

    def keep(self, values: Array, *, tagged: bool = False) -> None:
        """Weights of the layer just added; those of convolutions and full connections tell their type first."""
        self.weights += (struct.pack("<I", 0) if tagged else b"") + np.ascontiguousarray(values, "<f4").tobytes()

    def net(self, threads: int) -> ncnn.Net:
        """The network, in float32 throughout."""
        net = ncnn.Net()
        net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
        net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = net.opt.use_bf16_packed = False
        with tempfile.TemporaryDirectory() as folder:
            text, weights = Path(folder) / "network.param", Path(folder) / "network.bin"
            text.write_text("\n".join(["7767517", f"{len(self.lines)} {self.blobs}", *self.lines]) + "\n")
            weights.write_bytes(self.weights)
            if net.load_param(str(text)) or net.load_model(str(weights)):
                raise ValueError("ncnn does not take the network")
        return net


def _translate(graph: _Graph, operation: Operation) -> None:
    match operation:
        case Conv(weight, bias, padding, stride, groups):
            kind = "Convolution" if groups == 1 else "ConvolutionDepthWise"
            sizes = {"o0": len(weight), "o1": weight.shape[2], "o3": stride, "o4": padding, "o5": 1, "o6": weight.size}
            graph.add(kind, **sizes, o7=groups)
            graph.keep(weight, tagged=True)
            graph.keep(bias)
        case Pool(kind):
            graph.add("Pooling", o0=int(kind == "average"), o1=2, o2=2, o5=1)
        case Affine(scale, shift):
            _affine(graph, scale, shift)
        case Curve("leaky_relu", slope):
            graph.add("ReLU", o0=slope)
        case Curve(kind):
            graph.add({"tanh": "TanH", "sigmoid": "Sigmoid", "relu": "ReLU"}[kind])
        case Flatten():
            graph.add("Flatten")
        case Dense():
            _full_connection(graph, graph.last, operation)
        case Distances():
            first, second, third = graph.add("Split", outputs=3)
            product, square = operation.expanded()
            squares = graph.add("BinaryOp", first, second, o0=_MULTIPLY)[0]
            near, far = _full_connection(graph, third, product), _full_connection(graph, squares, square)
            graph.add("BinaryOp", near, far, o0=_ADD)
        case Softmax():
            graph.add("Softmax", o0=0, o1=1)


def _affine(graph: _Graph, scale: Array, shift: Array) -> None:
    if scale.ndim:
        graph.add("Scale", o0=len(scale), o1=1)
        graph.keep(scale)
        graph.keep(np.broadcast_to(shift, scale.shape))
        return
    graph.add("BinaryOp", o0=_MULTIPLY, o1=1, o2=float(scale))
    if shift.any():
        graph.add("BinaryOp", o0=_ADD, o1=1, o2=float(shift))


def _full_connection(graph: _Graph, blob: str, dense: Dense) -> str:
    made = graph.add("InnerProduct", blob, o0=len(dense.weight), o1=1, o2=dense.weight.size)
    graph.keep(dense.weight, tagged=True)
    graph.keep(dense.bias)
    return made[0]


def _net(operations: Sequence[Operation], threads: int) -> tuple[ncnn.Net, str]:
    graph = _Graph()
    for operation in operations:
        _translate(graph, operation)
    return graph.net(threads), graph.last


def ways(model: Model, threads: int, batch: int) -> Iterator[Way]:
    """Both writings, one image at a time; larger batches it does not know."""
    for writing, operations in writings(model) if batch == 1 else ():
        net, output = _net(operations, threads)

        def run(images: Floats, net: ncnn.Net = net, output: str = output) -> Floats:
            extractor = net.create_extractor()
            extractor.input("b0", ncnn.Mat(images[0]))
            return np.array(extractor.extract(output)[1])[None]

        yield Way(writing, run)
