"""ONNX Runtime, with all its optimisations."""

from __future__ import annotations

from collections.abc import Iterator

import onnxruntime

from ...model import Model
from ...tensors import Floats
from ...weights.onnx_writer import onnx_model
from . import Way, writings


def ways(model: Model, threads: int, batch: int) -> Iterator[Way]:
    """Both writings; the pool sleeps between calls, as ours does, only where there is one thread and so no pool."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    for writing, operations in writings(model):
        graph = onnx_model(operations, model.network.input, expanded=True)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

        def run(images: Floats, session: onnxruntime.InferenceSession = session) -> Floats:
            return session.run(None, {"images": images})[0]  # type: ignore[no-any-return]

        yield Way(writing, run)
