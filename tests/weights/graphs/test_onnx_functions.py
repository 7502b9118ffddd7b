"""weights/graphs/onnx_functions.py: a model's own functions compute in the place of their calls, and are counted first."""

from __future__ import annotations

import subprocess
import sys

import lenet_fast
import numpy as np
import pytest
from lenet_fast import OverBudgetError

onnx = pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
from onnx import helper  # noqa: E402
from test_onnx import CONV, FLATTEN, FULL, PIXELS, computed, graph, refused  # noqa: E402


def with_a_function():
    """As newer exporters write a whole module as one operator."""
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Flatten", ["b"], ["c"])]
    function = helper.make_function("my", "Tail", ["a"], ["c"], body, [helper.make_opsetid("", 17)])
    model = graph(CONV, FLATTEN, FULL)
    model.graph.node[1].op_type, model.graph.node[1].domain = "Tail", "my"
    model.opset_import.add(domain="my", version=1)
    model.functions.append(function)
    return model


def test_functions_of_a_model_are_put_in_their_place():
    pytest.importorskip("onnx.inliner", reason="onnx.inliner is not there (onnx 1.15 or newer)")
    wanted = computed(graph(CONV, ("Relu", [], {}), FLATTEN, FULL))
    np.testing.assert_allclose(lenet_fast.from_onnx(with_a_function()).scores(PIXELS), wanted, rtol=0, atol=1e-4)


def test_functions_of_a_model_need_nothing_else(tmp_path):
    """In a process that has imported nothing."""
    onnx.save(with_a_function(), tmp_path / "m.onnx")
    script = "import sys, lenet_fast; lenet_fast.load(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "m.onnx"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def doubling(depth):
    """A function that calls another one twice, which does so too."""
    model = with_a_function()
    for level in range(depth):
        twice = [helper.make_node("Tail" if level == 0 else f"T{level}", ["x"], ["y"], domain="my") for _ in "ab"]
        function = helper.make_function("my", f"T{level + 1}", ["x"], ["y"], twice, model.opset_import)
        model.functions.append(function)
    model.graph.node[1].op_type = f"T{depth}"
    return model


@pytest.mark.parametrize("depth", [30, 60])
def test_functions_that_double_are_counted_before_they_are_put_in_place(depth):
    with pytest.raises(OverBudgetError) as caught:
        lenet_fast.from_onnx(doubling(depth))
    assert caught.value.resource == "visits"


def test_functions_without_an_end_are_refused():
    model = with_a_function()
    call = helper.make_node("Tail", ["x"], ["z"], domain="my")
    model.functions[0].node.append(call)
    refused(model, "wanted functions that end, found 'Tail', which calls itself")
    refused(doubling(100), "wanted functions that end")
