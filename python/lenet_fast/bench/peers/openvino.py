"""OpenVINO, with the batch size fixed and hinted at latency, or at throughput."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openvino

from ...model import Model
from ...tensors import Floats
from ...weights.onnx_writer import onnx_model
from . import Way, writings


def ways(model: Model, threads: int, batch: int) -> Iterator[Way]:
    """Both writings; one stream of all threads, which is what a caller who waits for each answer gets the most from."""
    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    for writing, operations in writings(model):
        graph = core.read_model(onnx_model(operations, model.network.input, expanded=True))
        graph.reshape([batch, *model.network.input])
        request = core.compile_model(graph, "CPU", options).create_infer_request()

        def run(images: Floats, request: Any = request) -> Floats:
            return request.infer([images], share_inputs=True, share_outputs=True)[0]  # type: ignore[no-any-return]

        yield Way(writing, run)
