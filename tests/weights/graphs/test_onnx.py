"""weights/graphs/onnx.py: what ONNX says that each operator computes, in every spelling of opsets and exporters."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError

onnx = pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[readers]')")

from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

RANDOM = np.random.default_rng(11)
PIXELS = RANDOM.random((5, 1, 8, 8), np.float32)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(11).bit_generator.state


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


KERNEL, BIAS = normal(3, 1, 5, 5) / 5, normal(3)


def graph(*nodes, opset=17, image=(None, 1, 8, 8), uint8=False):
    """A model out of (operator, constants, attributes), each fed with the one before."""
    made, constants, last = [], [], "x"
    for i, (op, arrays, attributes) in enumerate(nodes):
        names = []
        for array in arrays:
            names.append("" if array is None else f"c{len(constants)}")
            if array is not None:
                constants.append(numpy_helper.from_array(np.asarray(array), names[-1]))
        made.append(helper.make_node(op, [last, *names], [f"t{i}"], **attributes))
        last = f"t{i}"
    kind = onnx.TensorProto.UINT8 if uint8 else onnx.TensorProto.FLOAT
    x, y = helper.make_tensor_value_info("x", kind, image), helper.make_empty_tensor_value_info(last)
    whole = helper.make_graph(made, "g", [x], [y], constants)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def computed(model, pixels=PIXELS):
    """What ONNX's own reference says, image by image."""
    run = ReferenceEvaluator(model)
    with np.errstate(all="ignore"):
        return np.concatenate([np.reshape(run.run(None, {"x": image[None]})[0], (1, -1)) for image in pixels])


def assert_computes(model, pixels=PIXELS):
    """Our scores are ONNX's own."""
    wanted = computed(model, pixels)
    found = lenet_fast.from_onnx(model).scores(pixels)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


CONV = ("Conv", [KERNEL, BIAS], {})
FLATTEN = ("Flatten", [], {})
FULL = ("Gemm", [normal(4, 48), normal(4)], {"transB": 1})

# --- full connections ---

GEMMS = {
    "weights (outputs, inputs)": ([normal(4, 48), normal(4)], {"transB": 1}),
    "weights (inputs, outputs)": ([normal(48, 4), normal(4)], {}),
    "weights (inputs, outputs), said so": ([normal(48, 4), normal(4)], {"transB": 0}),
    "a factor": ([normal(4, 48), normal(4)], {"transB": 1, "alpha": 0.5}),
    "a factor of weights (inputs, outputs)": ([normal(48, 4), normal(4)], {"alpha": -2.0}),
    "a factor of the bias": ([normal(4, 48), normal(4)], {"transB": 1, "beta": 0.25}),
    "both factors": ([normal(4, 48), normal(1, 4)], {"transB": 1, "alpha": 3.0, "beta": -1.5}),
    "no bias": ([normal(4, 48)], {"transB": 1, "beta": 2.0}),
    "one bias for all": ([normal(4, 48), normal(1)], {"transB": 1}),
}


@pytest.mark.parametrize("name", GEMMS)
def test_full_connections(name):
    assert_computes(graph(CONV, FLATTEN, ("Gemm", *GEMMS[name])))


def test_a_square_full_connection_is_turned_as_it_says():
    """Where both ways fit, only the attribute tells."""
    square = normal(6, 6)
    for turned in (0, 1):
        model = graph(CONV, FLATTEN, ("Gemm", [normal(48, 6)], {}), ("Gemm", [square], {"transB": turned}))
        assert_computes(model)


# --- batch normalisation ---


def normalised(variance, opset=17, **attributes):
    norm = ("BatchNormalization", [normal(3), normal(3), normal(3), np.asarray(variance, np.float32)], attributes)
    return graph(CONV, norm, FLATTEN, FULL, opset=opset)


@pytest.mark.parametrize("attributes", [{}, {"epsilon": 1e-5}, {"epsilon": 1e-3}, {"epsilon": 0.5}])
def test_batch_normalisation_adds_its_epsilon(attributes):
    """A map whose variance is nearly none shows it; 1e-5 where the file does not say."""
    assert_computes(normalised([1.0, 3e-6, 0.25], **attributes))


def test_batch_normalisation_in_training_mode_is_refused():
    """It takes mean and variance of the images at hand, not of the file."""
    model = normalised([1.0, 2.0, 0.25], training_mode=1)
    with pytest.raises(WeightsError, match="stored statistics"):
        lenet_fast.from_onnx(model)
    assert_computes(normalised([1.0, 2.0, 0.25], training_mode=0))
