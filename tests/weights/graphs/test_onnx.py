"""weights/graphs/onnx.py: what ONNX says that each operator computes, in every spelling of opsets and exporters."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, OverBudgetError, Subsample2x2, WeightsError
from lenet_fast.weights.loading import read_model

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
    x, y = (
        helper.make_tensor_value_info("x", kind, image),
        helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, [None]),
    )
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
    made = lenet_fast.from_onnx(model)
    found = made.predict_proba(pixels) if made.network.head == "softmax" else made.scores(pixels)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    return made


def refused(model, *words):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.from_onnx(model)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def ints(*values):
    return np.array(values, np.int64)


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


# --- every operator, as ONNX defines it ---

MAX = ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]})
HALF = ("Gemm", [normal(4, 12), normal(4)], {"transB": 1})  # behind pooling
WIDE = ("Gemm", [normal(4, 192)], {"transB": 1})  # behind padding by 2: 8x8 maps
PER_MAP = normal(3, 1, 1)
CODES = np.sign(normal(4, 6))
SIX = ("Gemm", [normal(6, 48)], {"transB": 1})

OPERATORS = {
    "Conv without a bias": [("Conv", [KERNEL], {}), FLATTEN, FULL],
    "Conv padded": [("Conv", [KERNEL, BIAS], {"pads": [2, 2, 2, 2]}), FLATTEN, WIDE],
    "Conv SAME_UPPER": [("Conv", [KERNEL], {"auto_pad": "SAME_UPPER"}), FLATTEN, WIDE],
    "Conv SAME_LOWER": [("Conv", [KERNEL], {"auto_pad": "SAME_LOWER"}), FLATTEN, WIDE],
    "Conv VALID": [("Conv", [KERNEL], {"auto_pad": "VALID"}), FLATTEN, FULL],
    "Conv NOTSET": [("Conv", [KERNEL], {"auto_pad": "NOTSET", "pads": [2, 2, 2, 2]}), FLATTEN, WIDE],
    "Conv that says everything": [
        ("Conv", [KERNEL, BIAS], {"kernel_shape": [5, 5], "strides": [1, 1], "dilations": [1, 1], "group": 1}), FLATTEN, FULL
    ],
    "Conv of single maps as trainable subsampling": [
        CONV, ("Conv", [np.ones((3, 1, 2, 2), "f4") * 0.3, BIAS], {"strides": [2, 2], "group": 3}), FLATTEN, HALF
    ],
    "Conv of whole maps": [CONV, ("Conv", [normal(4, 3, 4, 4), normal(4)], {}), FLATTEN],
    "AveragePool": [CONV, ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}), FLATTEN, HALF],
    "MaxPool": [CONV, MAX, FLATTEN, HALF],
    "MaxPool SAME of even maps": [CONV, (*MAX[:2], {**MAX[2], "auto_pad": "SAME_UPPER"}), FLATTEN, HALF],
    "MaxPool that rounds up even maps": [CONV, (*MAX[:2], {**MAX[2], "ceil_mode": 1}), FLATTEN, HALF],
    "GlobalAveragePool of one value": [CONV, ("Conv", [normal(4, 3, 4, 4)], {}), ("GlobalAveragePool", [], {}), FLATTEN],
    "ReduceMean of one value": [
        CONV, ("Conv", [normal(4, 3, 4, 4)], {}), ("ReduceMean", [], {"axes": [2, 3], "keepdims": 0})
    ],
    "ReduceMean that keeps its axes": [CONV, ("Conv", [normal(4, 3, 4, 4)], {}), ("ReduceMean", [], {"axes": [2, 3]}), FLATTEN],
    "Relu": [CONV, ("Relu", [], {}), FLATTEN, FULL],
    "Tanh": [CONV, ("Tanh", [], {}), FLATTEN, FULL],
    "Sigmoid": [CONV, ("Sigmoid", [], {}), FLATTEN, FULL],
    "Clip as relu": [CONV, ("Clip", [np.float32(0)], {}), FLATTEN, FULL],
    "Clip as relu with the largest number": [CONV, ("Clip", [np.float32(0), np.float32(3.4e38)], {}), FLATTEN, FULL],
    "Add": [CONV, ("Add", [PER_MAP], {}), FLATTEN, FULL],
    "Sum": [CONV, ("Sum", [PER_MAP], {}), FLATTEN, FULL],
    "Sub": [CONV, ("Sub", [PER_MAP], {}), FLATTEN, FULL],
    "Mul": [CONV, ("Mul", [PER_MAP], {}), FLATTEN, FULL],
    "Div": [CONV, ("Div", [PER_MAP], {}), FLATTEN, FULL],
    "Neg": [CONV, ("Neg", [], {}), FLATTEN, FULL],
    "Identity and Dropout": [CONV, ("Identity", [], {}), ("Dropout", [np.float32(0.9)], {}), FLATTEN, FULL],
    "Cast to float": [CONV, ("Cast", [], {"to": 1}), FLATTEN, FULL],
    "MatMul": [CONV, FLATTEN, ("MatMul", [normal(48, 4)], {}), ("Add", [normal(4)], {})],
    "Softmax": [CONV, FLATTEN, FULL, ("Softmax", [], {})],
    "Softmax over axis 1": [CONV, FLATTEN, FULL, ("Softmax", [], {"axis": 1})],
    "Transpose": [
        CONV, ("Transpose", [], {"perm": [0, 2, 3, 1]}), FLATTEN, FULL
    ],
    "Transpose of everything": [CONV, ("Transpose", [], {}), ("Reshape", [ints(1, 48)], {}), FULL],
    "Reshape": [CONV, ("Reshape", [ints(1, 48)], {}), FULL],
    "Reshape to -1": [CONV, ("Reshape", [ints(-1, 48)], {}), FULL],
    "Reshape with the size of the input": [CONV, ("Reshape", [ints(0, -1)], {}), FULL],
    "Flatten from another axis": [CONV, ("Flatten", [], {"axis": 0}), FULL],
    "Squeeze and Unsqueeze": [
        CONV, ("Squeeze", [ints(0)], {}), ("Unsqueeze", [ints(0, 2)], {}), ("Squeeze", [ints(2)], {}), FLATTEN, FULL
    ],
    "Squeeze of all": [CONV, ("Conv", [normal(4, 3, 4, 4)], {}), ("Squeeze", [], {}), ("Unsqueeze", [ints(0)], {})],
    "Slice": [
        CONV, ("Slice", [ints(1, 0), ints(3, 2**40), ints(3, 1)], {}), FLATTEN, ("Gemm", [normal(4, 24)], {"transB": 1})
    ],
    "Slice backwards": [
        CONV, ("Slice", [ints(-1), ints(-(2**40)), ints(2), ints(-1)], {}), FLATTEN, FULL
    ],
    "Slice in steps": [
        CONV, ("Slice", [ints(0), ints(4), ints(-1), ints(2)], {}), FLATTEN, ("Gemm", [normal(4, 24)], {"transB": 1})
    ],
    "Slice without axes": [
        CONV, ("Slice", [ints(0, 0), ints(1, 3), None, ints(1, 2)], {}), FLATTEN, ("Gemm", [normal(4, 32)], {"transB": 1})
    ],
    "Pad without a value": [CONV, ("Pad", [ints(0, 0, 0, 0, 0, 0, 1, 1), None], {}), FLATTEN, ("Gemm", [normal(4, 75)], {"transB": 1})],
    "Gemm without a bias": [CONV, FLATTEN, ("Gemm", [normal(4, 48), None], {"transB": 1})],
    "Pad": [CONV, ("Pad", [ints(0, 0, 2, 2, 0, 0, 2, 2)], {}), ("Conv", [normal(2, 3, 5, 5)], {}), FLATTEN,
            ("Gemm", [normal(4, 32)], {"transB": 1})],
    "Pad with a value, then a full connection": [
        CONV, ("Pad", [ints(0, 0, 1, 0, 0, 0, 0, 2), np.float32(-0.5)], {"mode": "constant"}), FLATTEN,
        ("Gemm", [normal(4, 90)], {"transB": 1}),
    ],
    "distances by Sub, Mul, ReduceSum": [
        CONV, FLATTEN, SIX, ("Unsqueeze", [ints(1)], {}), ("Sub", [CODES], {}), ("Pow", [np.float32(2)], {}),
        ("ReduceSum", [ints(2)], {"keepdims": 0}),
    ],
    "distances by ReduceSumSquare": [
        CONV, FLATTEN, SIX, ("Unsqueeze", [ints(2)], {}), ("Sub", [CODES.T[None]], {}),
        ("ReduceSumSquare", [], {"axes": [1], "keepdims": 0}),
    ],
    "LeakyRelu": [CONV, ("LeakyRelu", [], {"alpha": 0.2}), FLATTEN, FULL],
    "LeakyRelu of the slope that ONNX takes": [CONV, ("LeakyRelu", [], {}), FLATTEN, FULL],
    "PRelu of one slope": [CONV, ("PRelu", [np.float32([0.3])], {}), FLATTEN, FULL],
    "PRelu of equal slopes": [CONV, ("PRelu", [np.full((3, 1, 1), 0.3, np.float32)], {}), FLATTEN, FULL],
    "scaled pixels": [("Mul", [np.float32(2)], {}), ("Sub", [np.float32(1)], {}), CONV, FLATTEN, FULL],
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    assert_computes(graph(*OPERATORS[name]))


def test_a_constant_may_come_first():
    """Whether a constant is subtracted from the maps, or they from it, and on which side weights stand."""
    for op, sign in (("Sub", -1), ("Add", 1), ("Mul", None)):
        model = graph(CONV, (op, [PER_MAP], {}), FLATTEN, FULL)
        model.graph.node[1].input.reverse()
        made = assert_computes(model)
        if sign:
            assert np.sign(made.weights["C1.weight"] / KERNEL).mean() == sign
    model = graph(CONV, FLATTEN, ("Transpose", [], {}), ("MatMul", [normal(4, 48)], {}))
    model.graph.node[3].input.reverse()
    assert_computes(model)
    model = graph(CONV, ("Div", [PER_MAP], {}), FLATTEN, FULL)
    model.graph.node[1].input.reverse()
    refused(model, "wanted a division of the maps by a number")


def test_log_softmax_is_softmax():
    wanted = np.exp(computed(graph(CONV, FLATTEN, FULL, ("LogSoftmax", [], {}))))
    found = lenet_fast.from_onnx(graph(CONV, FLATTEN, FULL, ("LogSoftmax", [], {}))).predict_proba(PIXELS)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("opset", [7, 11, 13])
def test_softmax_has_an_axis_of_its_own_before_opset_13(opset):
    """1 then, the last one since; over the classes it is the same."""
    assert lenet_fast.from_onnx(graph(CONV, FLATTEN, FULL, ("Softmax", [], {}), opset=opset)).network.head == "softmax"
    maps = graph(CONV, ("Softmax", [], {}), FLATTEN, FULL, opset=opset)
    refused(maps, f"over axis {1 if opset < 13 else -1}")


OLD = {
    "Pad with attributes": (
        10, [CONV, ("Pad", [], {"pads": [0, 0, 2, 2, 0, 0, 2, 2], "value": 0.0}), ("Conv", [normal(2, 3, 5, 5)], {}),
             FLATTEN, ("Gemm", [normal(4, 32)], {"transB": 1})]
    ),
    "Clip with attributes": (10, [CONV, ("Clip", [], {"min": 0.0, "max": 3.4e38}), FLATTEN, FULL]),
    "Squeeze and Unsqueeze with attributes": (
        11, [CONV, ("Squeeze", [], {"axes": [0]}), ("Unsqueeze", [], {"axes": [0]}), FLATTEN, FULL]
    ),
    "Slice with attributes": (
        9, [CONV, ("Slice", [], {"axes": [2], "starts": [1], "ends": [3]}), FLATTEN, ("Gemm", [normal(4, 24)], {"transB": 1})]
    ),
    "ReduceSum with attributes": (
        11, [CONV, FLATTEN, SIX, ("Unsqueeze", [], {"axes": [1]}), ("Sub", [CODES], {}), ("Pow", [np.float32(2)], {}),
             ("ReduceSum", [], {"axes": [-1], "keepdims": 0})]
    ),
    "Dropout with a ratio": (9, [CONV, ("Dropout", [], {"ratio": 0.5}), FLATTEN, FULL]),
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_operators_of_older_opsets(name):
    opset, nodes = OLD[name]
    assert_computes(graph(*nodes, opset=opset))


REFUSED = {
    "transposed images": ([CONV, FLATTEN, (*FULL[:2], {"transA": 1})], "transA"),
    "pooling with gaps": ([CONV, (*MAX[:2], {**MAX[2], "dilations": [2, 2]}), FLATTEN, HALF], "dilation"),
    "pooling without strides": ([CONV, ("MaxPool", [], {"kernel_shape": [2, 2]})], "stride 1x1"),
    "relu with a limit": ([CONV, ("Clip", [np.float32(0), np.float32(6)], {})], "Clip from 0.0 to 6.0"),
    "relu from elsewhere": ([CONV, ("Clip", [np.float32(-1)], {})], "Clip from -1.0"),
    "a limit alone": ([CONV, ("Clip", [None, np.float32(6)], {})], "Clip from None"),
    "a power of maps": ([CONV, ("Pow", [np.float32(2)], {})], "a power"),
    "a square of maps": ([CONV, ("Mul", [], {})], "a power"),
    "cubed differences": (
        [CONV, FLATTEN, SIX, ("Unsqueeze", [ints(1)], {}), ("Sub", [CODES], {}), ("Pow", [np.float32(3)], {})], "a power"
    ),
    "differences squared twice": (
        [CONV, FLATTEN, SIX, ("Unsqueeze", [ints(1)], {}), ("Sub", [CODES], {}), ("Pow", [np.float32(2)], {}),
         ("Pow", [np.float32(2)], {})], "a power"
    ),
    "differences that are not squared": (
        [CONV, FLATTEN, SIX, ("Unsqueeze", [ints(1)], {}), ("Sub", [CODES], {}), ("ReduceSum", [ints(2)], {})], "squared"
    ),
    "differences that are moved": (
        [CONV, FLATTEN, SIX, ("Unsqueeze", [ints(1)], {}), ("Sub", [CODES], {}), ("Transpose", [], {})], "found Transpose"
    ),
    "a rounding cast": ([CONV, ("Cast", [], {"to": 7})], "a conversion that rounds them"),
    "a cast to bytes": ([CONV, ("Cast", [], {"to": 2})], "a conversion that rounds them"),
    "mirrored borders": ([CONV, ("Pad", [ints(0, 0, 2, 2, 0, 0, 2, 2)], {"mode": "reflect"})], "reflect"),
    "borders of some axes": (
        [CONV, ("Pad", [ints(2, 2, 2, 2), np.float32(0), ints(2, 3)], {})], "some axes by number"
    ),
    "a global mean": ([CONV, ("GlobalAveragePool", [], {})], "adaptive pooling"),
    "a global maximum": ([CONV, ("GlobalMaxPool", [], {})], "adaptive pooling"),
    "LeakyRelu with a negative slope": ([CONV, ("LeakyRelu", [], {"alpha": -0.5})], "LeakyRelu"),
    "LeakyRelu steeper than one": ([CONV, ("LeakyRelu", [], {"alpha": 1.5})], "found LeakyRelu with slope 1.5"),
    "LeakyRelu of no number": ([CONV, ("LeakyRelu", [], {"alpha": float("nan")})], "found LeakyRelu with slope nan"),
    "PRelu steeper than one": ([CONV, ("PRelu", [np.float32([1.5])], {})], "found PRelu with slope 1.5"),
    "PRelu of several slopes": (
        [CONV, ("PRelu", [np.float32([0.1, 0.2, 0.1]).reshape(3, 1, 1)], {})], "found PRelu with a slope for each map"
    ),
    "Elu": ([CONV, ("Elu", [], {})], "found Elu"),
    "LSTM": ([CONV, ("LSTM", [], {})], "found LSTM"),
    "1-d padding": ([("Conv", [KERNEL], {"pads": [2, 2]})], "two dimensions"),
    "a sum of maps with themselves": ([CONV, ("Add", [], {})], "joins two branches"),
    "a sum of two constants": ([CONV, ("Sum", [PER_MAP, PER_MAP], {})], "wanted one constant beside the values"),
    "quantised weights on the way": ([CONV, ("QuantizeLinear", [np.float32(1), np.uint8(0)], {})], "a quantised model"),
    "constants that are computed": (
        [CONV, FLATTEN, ("Gemm", [normal(4, 48)], {"transB": 1}), ("Split", [], {})], "found Split"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_of_the_family_is_refused_by_name(name):
    nodes, words = REFUSED[name]
    model = graph(*nodes)
    for node in model.graph.node:
        if node.op_type in ("Mul", "Add") and len(node.input) == 1:
            node.input.append(node.input[0])
    refused(model, words)


# --- constants: what only moves or converts them is computed ---


def with_constants(*nodes, **initial):
    """A Gemm whose weight is what some nodes make of initial tensors."""
    made = [helper.make_node(op, inputs, [output], **attributes) for op, inputs, output, attributes in nodes]
    model = graph(CONV, FLATTEN, ("Gemm", [], {"transB": 1}), opset=19)
    model.graph.node[2].input.append("w")
    kept = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*made, *kept])
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), n) for n, a in initial.items())
    return model


TENSOR = onnx.TensorProto
CONSTANTS = {
    "Transpose": ([("Transpose", ["a"], "w", {})], {"a": normal(48, 4)}),
    "Transpose with an order": ([("Transpose", ["a"], "b", {"perm": [1, 0, 2]}), ("Reshape", ["b", "s"], "w", {})],
                                {"a": normal(2, 4, 24), "s": ints(4, 48)}),
    "Reshape": ([("Reshape", ["a", "s"], "w", {})], {"a": normal(48, 4), "s": ints(4, 48)}),
    "Reshape with a size kept": ([("Reshape", ["a", "s"], "w", {})], {"a": normal(4, 6, 8), "s": ints(0, -1)}),
    "Flatten": ([("Flatten", ["a"], "w", {})], {"a": normal(4, 6, 8)}),
    "Flatten from axis 2": ([("Flatten", ["a"], "w", {"axis": 2})], {"a": normal(2, 2, 48)}),
    "Squeeze": ([("Squeeze", ["a", "s"], "w", {})], {"a": normal(4, 1, 48), "s": ints(1)}),
    "Squeeze of all": ([("Squeeze", ["a"], "w", {})], {"a": normal(1, 4, 1, 48)}),
    "Unsqueeze": ([("Unsqueeze", ["a", "s"], "b", {}), ("Squeeze", ["b"], "w", {})], {"a": normal(4, 48), "s": ints(0, 2)}),
    "Identity": ([("Identity", ["a"], "w", {})], {"a": normal(4, 48)}),
    "Cast": ([("Cast", ["a"], "w", {"to": 1})], {"a": normal(4, 48).astype(np.float16)}),
    "Cast of integers": ([("Cast", ["a"], "w", {"to": 1})], {"a": np.arange(192).reshape(4, 48) % 7 - 3}),
    "Cast that rounds": ([("Cast", ["a"], "b", {"to": 6}), ("Cast", ["b"], "w", {"to": 1})], {"a": 3 * normal(4, 48)}),
    "Constant": ([("Constant", [], "w", {"value": numpy_helper.from_array(normal(4, 48))})], {}),
    "ConstantOfShape": ([("ConstantOfShape", ["s"], "w", {"value": numpy_helper.from_array(np.float32([0.5]))})],
                        {"s": ints(4, 48)}),
    "Concat": ([("Concat", ["a", "b"], "w", {"axis": 0})], {"a": normal(1, 48), "b": normal(3, 48)}),
    "Gather": ([("Gather", ["a", "i"], "w", {})], {"a": normal(6, 48), "i": ints(5, 0, 2, 2)}),
    "Gather along axis 1": ([("Gather", ["a", "i"], "w", {"axis": 1})], {"a": normal(4, 50), "i": np.arange(48)[::-1]}),
    "Slice": ([("Slice", ["a", "begin", "end", "axis", "step"], "w", {})],
              {"a": normal(4, 99), "begin": ints(95), "end": ints(-99), "axis": ints(1), "step": ints(-2)}),
    "Add": ([("Add", ["a", "b"], "w", {})], {"a": normal(4, 48), "b": normal(4, 1)}),
    "Sub": ([("Sub", ["a", "b"], "w", {})], {"a": normal(4, 48), "b": normal(4, 1)}),
    "Mul": ([("Mul", ["a", "b"], "w", {})], {"a": normal(4, 48), "b": normal(48)}),
    "Div": ([("Div", ["a", "b"], "w", {})], {"a": normal(4, 48), "b": np.float32(3)}),
    "Div of integers": ([("Div", ["a", "b"], "c", {}), ("Cast", ["c"], "w", {"to": 1})],
                        {"a": np.arange(192).reshape(4, 48), "b": np.int64(7)}),
    "Neg and Sqrt": ([("Sqrt", ["a"], "b", {}), ("Neg", ["b"], "w", {})], {"a": np.abs(normal(4, 48))}),
    "Pow": ([("Pow", ["a", "p"], "w", {})], {"a": normal(4, 48), "p": np.float32(3)}),
    "Floor": ([("Floor", ["a"], "w", {})], {"a": 3 * normal(4, 48)}),
    "Min and Max": ([("Min", ["a", "b"], "c", {}), ("Max", ["c", "d"], "w", {})],
                    {"a": normal(4, 48), "b": np.float32(0.5), "d": np.float32(-0.25)}),
    "DequantizeLinear": ([("DequantizeLinear", ["a", "b", "c"], "w", {})],
                         {"a": np.arange(192, dtype=np.uint8).reshape(4, 48), "b": np.float32(0.02), "c": np.uint8(120)}),
    "DequantizeLinear per row": ([("DequantizeLinear", ["a", "b", "c"], "w", {"axis": 0})],
                                 {"a": np.arange(192, dtype=np.uint8).reshape(4, 48) , "b": np.abs(normal(4)),
                                  "c": np.arange(4, dtype=np.uint8)}),
    "DequantizeLinear per column": ([("DequantizeLinear", ["a", "b"], "w", {})],
                                    {"a": np.arange(-96, 96, dtype=np.int8).reshape(4, 48), "b": np.abs(normal(48))}),
    "a shape taken apart": (
        [("Shape", ["a"], "s", {}), ("Gather", ["s", "i"], "n", {}), ("Unsqueeze", ["n", "z"], "m", {}),
         ("Concat", ["m", "o"], "t", {"axis": 0}), ("Reshape", ["a", "t"], "w", {})],
        {"a": normal(4, 6, 8), "i": np.int64(0), "z": ints(0), "o": ints(-1)},
    ),
    "a product of sizes": (
        [("Shape", ["a"], "s", {}), ("Slice", ["s", "b", "e"], "n", {}), ("ReduceProd", ["n"], "m", {"keepdims": 1}),
         ("Concat", ["o", "m"], "t", {"axis": 0}), ("Reshape", ["a", "t"], "w", {})],
        {"a": normal(4, 6, 8), "b": ints(1), "e": ints(3), "o": ints(-1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_that_are_moved_and_converted(name):
    nodes, initial = CONSTANTS[name]
    assert_computes(with_constants(*nodes, **initial))


def test_constants_are_not_computed_otherwise():
    refused(with_constants(("Sin", ["a"], "w", {}), a=normal(4, 48)), "constants computed by Sin")


@pytest.mark.parametrize("shape", [(1 << 12, 1 << 11), (1 << 40,)])
def test_a_constant_takes_no_more_memory_than_a_model(shape):
    """A few bytes of a file can ask for any amount."""
    with pytest.raises(OverBudgetError, match=f"of constants and maps, found {np.prod(shape) // 1000:,}"):
        lenet_fast.from_onnx(with_constants(("ConstantOfShape", ["s"], "w", {}), s=ints(*shape)))
    model = with_constants(w=np.zeros((1, 1), np.float32))
    model.graph.initializer[-1].dims[:] = shape
    refused(model, "cannot reshape array of size 1")


def test_shapes_of_the_maps_are_known():
    """x.view(x.shape[0], -1), as PyTorch writes it."""
    model = graph(CONV, ("Reshape", [], {}), FULL)
    more = [
        helper.make_node("Shape", ["t0"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["count"], axis=0),
        helper.make_node("Unsqueeze", ["count", "axes"], ["counts"]),
        helper.make_node("Concat", ["counts", "rest"], ["sizes"], axis=0),
    ]
    nodes = list(model.graph.node)
    nodes[1].input.append("sizes")
    del model.graph.node[:]
    model.graph.node.extend([nodes[0], *more, *nodes[1:]])
    for name, value in (("zero", np.int64(0)), ("axes", ints(0)), ("rest", ints(-1))):
        model.graph.initializer.append(numpy_helper.from_array(value, name))
    assert_computes(model)


# --- the graph as a whole ---


@pytest.mark.parametrize("side", [28, 32])
def test_free_sizes_are_those_that_fit(side):
    size = side - 4
    model = graph(CONV, FLATTEN, ("Gemm", [normal(4, 3 * size * size)], {"transB": 1}), image=("n", 1, "h", "w"))
    assert lenet_fast.from_onnx(model).network.input == (1, side, side)
    refused(graph(CONV, FLATTEN, FULL, image=("n", 1, "h", "w")), "as many inputs as values")


def open_sizes(model, sizes):
    """The model with an input of other sizes: a name is open, and so is -1; None is no shape at all."""
    kind = model.graph.input[0].type.tensor_type
    kind.ClearField("shape")
    for size in sizes or ():
        axis = kind.shape.dim.add()
        if isinstance(size, str):
            axis.dim_param = size
        else:
            axis.dim_value = size
    return model


OPEN = [("n", "c", "h", "w"), (-1, -1, -1, -1), (-1, 1, -1, -1), ("n", 1, "h", "w"), (0, 0, 0, 0), None]


@pytest.mark.parametrize("sizes", OPEN)
def test_what_is_not_of_the_family_comes_before_a_size_that_is_open(sizes):
    model = graph(("Conv", [normal(3, 1, 3, 3)], {}), ("Relu", [], {}), FLATTEN, ("Gemm", [normal(2700, 4)], {}))
    refused(open_sizes(model, sizes), "wanted a 5x5 kernel, found 3x3; only 5x5 kernels are supported")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sizes", [*OPEN, ("n", "c", 28, 28)])
def test_open_channels_are_those_of_the_kernels(sizes, channels):
    kernel, pooled = normal(2, channels, 5, 5), ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]})
    model = graph(("Conv", [kernel], {}), pooled, FLATTEN, ("Gemm", [normal(288, 4)], {}))
    if sizes is not None and 1 in sizes:
        sizes = tuple(channels if size == 1 else size for size in sizes)
    assert lenet_fast.from_onnx(open_sizes(model, sizes)).network.input == (channels, 28, 28)


def test_open_sides_leave_channels_last_where_they_are():
    nodes = [("Transpose", [], {"perm": [0, 3, 1, 2]}), CONV, FLATTEN, ("Gemm", [normal(3 * 24 * 24, 4)], {})]
    assert lenet_fast.from_onnx(open_sizes(graph(*nodes), ("n", "h", "w", 1))).network.input == (1, 28, 28)


def test_nodes_out_of_order_are_no_damage():
    model = graph(CONV, ("Relu", [], {}), FLATTEN, FULL)
    first, second, *others = model.graph.node
    del model.graph.node[:]
    model.graph.node.extend([second, first, *others])
    refused(model, "Relu 't1': wanted inputs computed before, found 't0', which Conv 't0' computes behind it; sort the")


def test_the_batch_size_of_the_export_is_left_out():
    model = graph(CONV, ("Reshape", [ints(16, 48)], {}), FULL, image=(16, 1, 8, 8))
    np.testing.assert_allclose(
        lenet_fast.from_onnx(model).scores(PIXELS), computed(graph(CONV, FLATTEN, FULL)), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("batch", [2, 3, 16])
def test_a_small_batch_is_no_number_of_channels(batch):
    model = graph(CONV, ("Reshape", [ints(batch, 48)], {}), FULL, image=(batch, 1, 8, 8))
    assert lenet_fast.from_onnx(model).network.input == (1, 8, 8)


@pytest.mark.parametrize("batch", [None, 16])
def test_grey_images_without_an_axis_of_channels(batch):
    model = graph(("Unsqueeze", [ints(1)], {}), CONV, FLATTEN, FULL, image=(batch, 8, 8))
    found = lenet_fast.from_onnx(model).scores(PIXELS[:, 0])
    np.testing.assert_allclose(found, computed(model, PIXELS[:, 0]), rtol=0, atol=1e-4)


def test_image_scalers_of_old():
    """A factor, and a shift per channel: before ONNX 1.2, and in its ML domain."""
    kernel = normal(3, 3, 5, 5)
    model = graph(("ImageScaler", [], {"scale": 0.5, "bias": [0.25, -1.0, 2.0]}), ("Conv", [kernel, BIAS], {}), FLATTEN, FULL, image=(None, 3, 8, 8))  # fmt: skip
    plain = graph(("Conv", [kernel, BIAS], {}), FLATTEN, FULL, image=(None, 3, 8, 8))
    pixels = RANDOM.random((5, 3, 8, 8), np.float32)
    wanted = computed(plain, (pixels * 0.5 + np.float32([0.25, -1.0, 2.0])[:, None, None]).astype(np.float32))
    np.testing.assert_allclose(lenet_fast.from_onnx(model).scores(pixels), wanted, rtol=0, atol=1e-4)


def test_one_image_without_a_batch():
    """As CNTK writes it."""
    model = graph(("Unsqueeze", [ints(0)], {}), CONV, FLATTEN, FULL, image=(1, 8, 8))
    model.graph.node[0].op_type = "Identity"
    del model.graph.node[0].input[1:]
    assert lenet_fast.from_onnx(model).network.input == (1, 8, 8)


def test_images_with_their_channels_last():
    kernel = normal(3, 3, 5, 5)
    nodes = [("Transpose", [], {"perm": [0, 3, 1, 2]}), ("Conv", [kernel, BIAS], {}), FLATTEN, FULL]
    model = graph(*nodes, image=(None, 8, 8, 3))
    pixels = RANDOM.random((5, 8, 8, 3), np.float32)
    wanted = computed(model, pixels)
    found = lenet_fast.from_onnx(model).scores(pixels.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("label", ["ArgMax", "ArgMin"])
def test_labels_are_what_the_scores_say(label):
    last = [] if label == "ArgMax" else [SIX, ("Unsqueeze", [ints(1)], {}), ("Sub", [CODES], {}), ("Pow", [np.float32(2)], {}), ("ReduceSum", [ints(2)], {"keepdims": 0})]  # fmt: skip
    model = graph(CONV, FLATTEN, *(last or [FULL]), (label, [], {"axis": 1}), ("Cast", [], {"to": 7}))
    assert (lenet_fast.from_onnx(model).predict(PIXELS) == computed(model).ravel()).all()


def test_bytes_as_input_say_what_white_is():
    model = graph(("Cast", [], {"to": 1}), ("Mul", [np.float32(1 / 255)], {}), CONV, FLATTEN, FULL, uint8=True)
    pixels = RANDOM.integers(0, 256, (5, 1, 8, 8), np.uint8)
    assert_computes(model, pixels)


def test_what_the_outputs_do_not_need_is_left_alone():
    model = graph(CONV, FLATTEN, FULL)
    wanted = computed(model)
    model.graph.node.append(helper.make_node("LSTM", ["t0"], ["elsewhere"]))
    np.testing.assert_allclose(lenet_fast.from_onnx(model).scores(PIXELS), wanted, rtol=0, atol=1e-4)


def test_tensors_keep_their_names(tmp_path):
    """Those that are stored, whatever they pass on their way."""
    model = with_constants(("Transpose", ["fc.weight"], "w", {}), **{"fc.weight": normal(48, 4)})
    model.graph.initializer[0].name = model.graph.node[1].input[1] = "conv.weight"
    onnx.save(model, tmp_path / "m.onnx")
    sources = read_model(tmp_path / "m.onnx").sources
    assert sources["C1.weight"] == "conv.weight"
    assert "fc.weight" in sources.values()


# --- files ---

SMALL = Network((1, 8, 8), (Conv5x5(3, "relu"), Subsample2x2("max"), Dense(4)), "scores")


@pytest.fixture
def small():
    return Model(SMALL, reference.random_weights(SMALL, np.random.default_rng(5)))


def changed(model, path, change):
    """A file of ours, changed."""
    model.save(path)
    proto = onnx.load(path)
    change(proto)
    path.write_bytes(proto.SerializeToString())


def to_external(location):
    def change(model):
        for tensor in model.graph.initializer:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=location)

    return change


def rounded(model):
    """A cast to whole numbers instead of the second operator."""
    node = model.graph.node[1]
    node.CopyFrom(helper.make_node("Cast", [model.graph.node[0].output[0]], list(node.output), to=7))


def quantised(model):
    model.graph.node[0].CopyFrom(
        helper.make_node("QuantizeLinear", list(model.graph.node[0].input), list(model.graph.node[0].output))
    )


FILES = {
    "custom operator": (lambda m: setattr(m.graph.node[1], "domain", "com.example"), "wanted an operation of the LeNet family, found custom operator com.example."),
    "external data elsewhere": (to_external("../weights.bin"), "'../weights.bin'; no file elsewhere is ever opened"),
    "external data at an absolute path": (to_external("/etc/passwd"), "'/etc/passwd'; no file elsewhere is ever opened"),
    "external data missing": (to_external("weights.bin"), "wanted 'weights.bin' beside it"),
    "two inputs": (lambda m: m.graph.input.append(helper.make_tensor_value_info("more", 1, [1, 3])), "one input, the image, found 'images', 'more'"),
    "no input": (lambda m: m.graph.ClearField("input"), "one input, the image, found none"),
    "quantised": (quantised, "QuantizeLinear, a quantised model"),
    "rounded": (rounded, "a conversion that rounds them"),
    "no nodes": (lambda m: m.graph.ClearField("node"), "found one without a graph"),
    "no outputs": (lambda m: m.graph.ClearField("output"), "an output that depends on the image"),
    "weights missing": (lambda m: m.graph.initializer.pop(0), "which nothing computes"),
    "sparse weights": (lambda m: m.graph.sparse_initializer.add(), "dense weights"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_that_lack_something(small, tmp_path, name):
    change, words = FILES[name]
    changed(small, tmp_path / "m.onnx", change)
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(tmp_path / "m.onnx")
    assert str(caught.value).startswith(f"{tmp_path / 'm.onnx'}: ") and words in str(caught.value)


def beside(small, folder, **keys):
    """Weights in a file of their own, at places that are said, or not."""

    def change(model):
        data = b"before"
        for tensor in model.graph.initializer:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="m.data")
            tensor.external_data.add(key="offset", value=str(len(data)))
            tensor.external_data.add(key="length", value=str(len(tensor.raw_data)))
            data += tensor.raw_data
            tensor.ClearField("raw_data")
            for entry in tensor.external_data:
                entry.value = str(keys.get(entry.key, entry.value))
        (folder / "m.data").write_bytes(data)

    changed(small, folder / "m.onnx", change)
    return folder / "m.onnx"


def test_external_data_beside_the_model(small, tmp_path):
    path = beside(small, tmp_path)
    assert (lenet_fast.load(path).scores(PIXELS) == small.scores(PIXELS)).all()
    with pytest.raises(WeightsError, match="load the file by its path"):
        lenet_fast.from_onnx(onnx.load(path, load_external_data=False))
    (tmp_path / "m.data").rename(tmp_path / "elsewhere")
    (tmp_path / "m.data").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WeightsError, match="no file elsewhere is ever opened"):
        lenet_fast.load(path)


@pytest.mark.parametrize(
    "keys", [{"offset": -1}, {"offset": 10**6}, {"length": 10**6}, {"length": -4}, {"offset": 10**30}]
)
def test_external_data_lies_inside_its_file(small, tmp_path, keys):
    with pytest.raises(WeightsError, match="of its file"):
        lenet_fast.load(beside(small, tmp_path, **keys))


@pytest.mark.parametrize("keys", [{"offset": "x"}, {"length": ""}, {"length": 4}])
def test_external_data_of_another_size_is_damage(small, tmp_path, keys):
    with pytest.raises(WeightsError, match="contradiction"):
        lenet_fast.load(beside(small, tmp_path, **keys))


def test_external_data_without_an_offset_is_the_whole_file(tmp_path):
    values = np.arange(75, dtype=np.float32).reshape(3, 1, 5, 5) / 100
    model = graph(("Conv", [values], {}), FLATTEN, FULL)
    wanted = computed(model)
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="m.data")
    tensor.ClearField("raw_data")
    (tmp_path / "m.data").write_bytes(values.tobytes())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    np.testing.assert_allclose(lenet_fast.load(tmp_path / "m.onnx").scores(PIXELS), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("last", [[], ["Sigmoid"], ["Tanh"], ["Sigmoid", "Identity"]])
def test_one_output_is_read_by_scores(tmp_path, last):
    """A regression, or a binary classifier whose sigmoid says how probable the thing is."""
    weight, bias = normal(1, 48) / 7, normal(1)
    ends = [(op, [], {}) for op in last]
    model = graph(
        ("Conv", [KERNEL, BIAS], {}),
        ("Relu", [], {}),
        ("Flatten", [], {}),
        ("Gemm", [weight, bias], {"transB": 1}),
        *ends,
    )
    onnx.save(model, tmp_path / "one.onnx")
    loaded = lenet_fast.load(tmp_path / "one.onnx")
    wanted = np.asarray(computed(model)).reshape(5, 1)
    assert loaded.network.classes == 1
    assert np.abs(loaded.scores(PIXELS) - wanted).max() < 1e-6
    with pytest.raises(ValueError, match="predict: wanted a network of two classes or more, found one output; scores"):
        loaded.predict(PIXELS)
    loaded.save(tmp_path / "one.safetensors")
    assert lenet_fast.load(tmp_path / "one.safetensors").scores(PIXELS).tobytes() == loaded.scores(PIXELS).tobytes()
    loaded.save(tmp_path / "again.onnx")
    assert np.abs(lenet_fast.load(tmp_path / "again.onnx").scores(PIXELS) - wanted).max() < 1e-6
    checked = lenet_fast.load(tmp_path / "one.onnx", preprocess="unit", check=(PIXELS, wanted))
    assert checked.scores(PIXELS).tobytes() == loaded.scores(PIXELS).tobytes()
    with pytest.raises(WeightsError, match="wanted the outputs that were passed"):
        lenet_fast.load(tmp_path / "one.onnx", preprocess="unit", check=(PIXELS, wanted + 0.1))


@pytest.mark.parametrize("slope", [1.0, 2 / 3, 0.5])
@pytest.mark.parametrize("pool", ["MaxPool", "AveragePool"])
def test_a_squashing_function_behind_pooling_is_no_coefficient(pool, slope):
    """1.7159 tanh(slope x): the slope joins the convolution, since max pooling has none."""
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    squash = [("Mul", [np.float32(slope)], {}), ("Tanh", [], {}), ("Mul", [np.float32(1.7159)], {})]
    model = graph(CONV, (pool, [], window), *squash, FLATTEN, ("Gemm", [normal(4, 12), normal(4)], {"transB": 1}))
    loaded = lenet_fast.from_onnx(model)
    np.testing.assert_allclose(loaded.scores(PIXELS), computed(model), rtol=0, atol=1e-5)
    if pool == "MaxPool":
        assert loaded.network.layers[1] == Subsample2x2("max", "scaled_tanh")


def test_a_squashing_function_of_another_slope_that_no_layer_takes_is_refused():
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    squash = [("Tanh", [], {}), ("Mul", [np.float32(1.7159)], {})]
    full = ("Gemm", [normal(4, 12), normal(4)], {"transB": 1})
    model = graph(CONV, ("Relu", [], {}), ("MaxPool", [], window), *squash, FLATTEN, full)
    refused(model, "the paper's squashing function", "an amplitude of 1.7159 behind a tanh of another slope")
