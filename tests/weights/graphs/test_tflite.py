"""weights/graphs/tflite.py: operators, fused activations and quantised tensors mean what TensorFlow Lite computes."""

from __future__ import annotations

from dataclasses import dataclass

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError

tflite = pytest.importorskip("tflite", reason="tflite is not installed (pip install '.[readers]')")
flatbuffers = pytest.importorskip("flatbuffers", reason="flatbuffers is not installed (it comes with tflite)")

RANDOM = np.random.default_rng(15)
FLOAT, HALF, INT32, UINT8, INT64, INT8 = 0, 1, 2, 3, 4, 9
TYPES = {"f4": FLOAT, "f2": HALF, "i4": INT32, "u1": UINT8, "i8": INT64, "i1": INT8}


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(15).bit_generator.state


def normal(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


# --- a writer of such files ---


@dataclass
class Quantised:
    """Whole numbers, and what they stand for: (value - zero) * scale, along an axis where there are several."""

    values: np.ndarray
    scale: tuple = (1.0,)
    zero: tuple = ()
    axis: int = 0

    @property
    def real(self):
        shape = [1] * self.values.ndim
        shape[self.axis] = -1
        scale, zero = (np.reshape(v, shape if len(v) > 1 else ()) for v in (self.scale, self.zero or (0,)))
        return (self.values - zero) * scale


@dataclass
class Operator:
    """One operator: its kind, its constants (None: the value before it), and options as (table, fields)."""

    kind: str
    inputs: tuple = (None,)
    options: tuple = ()
    custom: str = ""


def vector(builder, start, values, prepend):
    start(builder, len(values))
    for value in reversed(values):
        prepend(value)
    return builder.EndVector()


def tensor(builder, name, shape, kind, buffer, quantised=None, sparse=False):
    text = builder.CreateString(name)
    sizes = vector(builder, tflite.TensorStartShapeVector, list(shape), builder.PrependInt32)
    parameters = None
    if quantised is not None:
        scale = vector(builder, tflite.QuantizationParametersStartScaleVector, quantised.scale, builder.PrependFloat32)
        zero = vector(builder, tflite.QuantizationParametersStartZeroPointVector, quantised.zero, builder.PrependInt64)
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scale)
        if quantised.zero:
            tflite.QuantizationParametersAddZeroPoint(builder, zero)
        tflite.QuantizationParametersAddQuantizedDimension(builder, quantised.axis)
        parameters = tflite.QuantizationParametersEnd(builder)
    if sparse:
        tflite.SparsityParametersStart(builder)
        sparsity = tflite.SparsityParametersEnd(builder)
    tflite.TensorStart(builder)
    tflite.TensorAddName(builder, text)
    tflite.TensorAddShape(builder, sizes)
    tflite.TensorAddType(builder, kind)
    tflite.TensorAddBuffer(builder, buffer)
    if parameters is not None:
        tflite.TensorAddQuantization(builder, parameters)
    if sparse:
        tflite.TensorAddSparsity(builder, sparsity)
    return tflite.TensorEnd(builder)


def file_of(operators, image=(1, 12, 12, 2), kind=FLOAT, quantised=None, sparse=False, graphs=1, cut=0, outputs=None):
    """The bytes of a model in which each operator takes what the one before it made."""
    builder = flatbuffers.Builder(1 << 16)
    buffers, tensors, made = [b""], [tensor(builder, "image", image, kind, 0, quantised)], []
    last = 0
    codes = list(dict.fromkeys((o.kind, o.custom) for o in operators))
    for number, operator in enumerate(operators):
        numbers = []
        for one in operator.inputs:
            if one is None or isinstance(one, int):
                numbers.append(last if one is None else one)
                continue
            values = one.values if isinstance(one, Quantised) else np.asarray(one)
            buffers.append(values.tobytes()[cut:])
            given = one if isinstance(one, Quantised) else None
            code = TYPES[values.dtype.str[1:]]
            tensors.append(
                tensor(builder, f"constant{len(tensors)}", values.shape, code, len(buffers) - 1, given, sparse)
            )
            numbers.append(len(tensors) - 1)
        tensors.append(tensor(builder, f"made{number}", (), FLOAT, 0))
        last = len(tensors) - 1
        made.append((operator, numbers, last))
    offsets = []
    for operator, numbers, output in made:
        table = None
        if operator.options:
            name, fields = operator.options
            extra = {key: value for key, value in fields.items() if isinstance(value, list)}
            extra = {
                k: vector(builder, getattr(tflite, f"{name}Start{k}Vector"), v, builder.PrependInt32)
                for k, v in extra.items()
            }
            getattr(tflite, f"{name}Start")(builder)
            for key, value in {**fields, **extra}.items():
                getattr(tflite, f"{name}Add{key}")(builder, value)
            table = getattr(tflite, f"{name}End")(builder)
        given = vector(builder, tflite.OperatorStartInputsVector, numbers, builder.PrependInt32)
        result = vector(builder, tflite.OperatorStartOutputsVector, [output], builder.PrependInt32)
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, codes.index((operator.kind, operator.custom)))
        tflite.OperatorAddInputs(builder, given)
        tflite.OperatorAddOutputs(builder, result)
        if table is not None:
            tflite.OperatorAddBuiltinOptionsType(builder, getattr(tflite.BuiltinOptions, operator.options[0]))
            tflite.OperatorAddBuiltinOptions(builder, table)
        offsets.append(tflite.OperatorEnd(builder))
    graph = subgraph(builder, tensors, offsets, [last] if outputs is None else outputs)
    data = [builder.CreateByteVector(b) if b else None for b in buffers]
    stored = []
    for one in data:
        tflite.BufferStart(builder)
        if one is not None:
            tflite.BufferAddData(builder, one)
        stored.append(tflite.BufferEnd(builder))
    kinds = []
    for name, custom in codes:
        text = builder.CreateString(custom) if custom else None
        tflite.OperatorCodeStart(builder)
        code = getattr(tflite.BuiltinOperator, name)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, min(code, 127))
        tflite.OperatorCodeAddBuiltinCode(builder, code)
        if text is not None:
            tflite.OperatorCodeAddCustomCode(builder, text)
        kinds.append(tflite.OperatorCodeEnd(builder))
    lists = [
        vector(builder, start, values, builder.PrependUOffsetTRelative)
        for start, values in (
            (tflite.ModelStartOperatorCodesVector, kinds),
            (tflite.ModelStartSubgraphsVector, [graph] * graphs),
            (tflite.ModelStartBuffersVector, stored),
        )
    ]
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, lists[0])
    tflite.ModelAddSubgraphs(builder, lists[1])
    tflite.ModelAddBuffers(builder, lists[2])
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def subgraph(builder, tensors, operators, outputs):
    lists = [
        vector(builder, tflite.SubGraphStartTensorsVector, tensors, builder.PrependUOffsetTRelative),
        vector(builder, tflite.SubGraphStartInputsVector, [0], builder.PrependInt32),
        vector(builder, tflite.SubGraphStartOutputsVector, outputs, builder.PrependInt32),
        vector(builder, tflite.SubGraphStartOperatorsVector, operators, builder.PrependUOffsetTRelative),
    ]
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, lists[0])
    tflite.SubGraphAddInputs(builder, lists[1])
    tflite.SubGraphAddOutputs(builder, lists[2])
    tflite.SubGraphAddOperators(builder, lists[3])
    return tflite.SubGraphEnd(builder)


# --- the network that the files are made of ---

SAME, VALID = 0, 1
KERNEL, BIAS = normal(3, 5, 5, 2) / 5, normal(3)


def conv(kernel=KERNEL, bias=BIAS, padding=VALID, **options):
    """Kernels (maps, rows, columns, inputs)."""
    fields = {"Padding": padding, "StrideW": 1, "StrideH": 1, "DilationWFactor": 1, "DilationHFactor": 1}
    inputs = (None, kernel) if bias is None else (None, kernel, bias)
    return Operator("CONV_2D", inputs, ("Conv2DOptions", fields | options))


def pool(kind="MAX_POOL_2D", padding=VALID, **options):
    fields = {"Padding": padding, "StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2}
    return Operator(kind, (None,), ("Pool2DOptions", fields | options))


def full(weight, bias=None, **options):
    inputs = (None, weight) if bias is None else (None, weight, bias)
    return Operator("FULLY_CONNECTED", inputs, ("FullyConnectedOptions", options))


def reshape(*shape):
    return Operator("RESHAPE", (None, np.array(shape, np.int32)), ("ReshapeOptions", {"NewShape": list(shape)}))


FLAT = reshape(1, 192)
FULL, OFFSET = normal(4, 192), normal(4)


def maps(x, padding=0, kernel=KERNEL, bias=BIAS):
    """What `conv` makes of images (n, channels, rows, columns), maps last."""
    kernel = np.asarray(kernel, np.float64).transpose(0, 3, 1, 2)
    bias = np.zeros(len(kernel)) if bias is None else bias
    return reference.conv5x5(x, kernel, bias, padding=padding).transpose(0, 2, 3, 1)


def scores(values, weight=FULL, bias=OFFSET):
    return values.reshape(len(values), -1) @ np.asarray(weight, np.float64).T + bias


def load(tmp_path, *operators, **options):
    (tmp_path / "m.tflite").write_bytes(file_of(operators, **options))
    return lenet_fast.load(tmp_path / "m.tflite")


def refused(tmp_path, *operators, **options):
    with pytest.raises(WeightsError) as caught:
        load(tmp_path, *operators, **options)
    assert str(caught.value).startswith(f"{tmp_path / 'm.tflite'}: ")
    return str(caught.value)


def images(*shape):
    return RANDOM.random((5, *(shape or (2, 12, 12)))).astype(np.float32)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def pooled(x, kind="max"):
    return reference.subsample2x2(x.transpose(0, 3, 1, 2), kind).transpose(0, 2, 3, 1)


def binary(kind, other, **options):
    """Add, subtract, multiply or divide by a constant."""
    return Operator(kind, (None, other), (f"{kind.title()}Options", options))


PER_MAP = normal(3)
SMALL = normal(4, 48)
RELU, RELU6 = 1, 3

COMPUTED = {
    "a convolution": ([conv(), FLAT, full(FULL, OFFSET)], lambda x: scores(maps(x))),
    "without biases": ([conv(bias=None), FLAT, full(FULL)], lambda x: scores(maps(x, bias=None), bias=0)),
    "same padding": (
        [conv(padding=SAME), reshape(1, 432), full(WIDE := normal(4, 432))], lambda x: scores(maps(x, 2), WIDE, 0)
    ),
    "a fused relu": ([conv(FusedActivationFunction=RELU), FLAT, full(FULL, OFFSET)], lambda x: scores(np.maximum(maps(x), 0))),
    "a fused relu of units": (
        [conv(), FLAT, full(FULL, OFFSET, FusedActivationFunction=RELU), full(SQUARE := normal(3, 4))],
        lambda x: scores(np.maximum(scores(maps(x)), 0), SQUARE, 0),
    ),
    "max pooling": ([conv(), pool(), reshape(-1, 48), full(SMALL)], lambda x: scores(pooled(maps(x)), SMALL, 0)),
    "average pooling": (
        [conv(), pool("AVERAGE_POOL_2D"), reshape(1, -1), full(SMALL)], lambda x: scores(pooled(maps(x), "average"), SMALL, 0)
    ),
    "same pooling of even maps": (
        [conv(), pool(padding=SAME), reshape(1, 48), full(SMALL)], lambda x: scores(pooled(maps(x)), SMALL, 0)
    ),
    "a fused relu of pooling": (
        [conv(), pool(FusedActivationFunction=RELU), reshape(1, 48), full(SMALL)],
        lambda x: scores(np.maximum(pooled(maps(x)), 0), SMALL, 0),
    ),
    "activations of their own": (
        [conv(), Operator("TANH"), pool(), Operator("LOGISTIC"), reshape(1, 48), full(SMALL), Operator("RELU"), full(SQUARE)],
        lambda x: scores(np.maximum(scores(1 / (1 + np.exp(-pooled(np.tanh(maps(x))))), SMALL, 0), 0), SQUARE, 0),
    ),
    "a sum": ([conv(), binary("ADD", PER_MAP), FLAT, full(FULL, OFFSET)], lambda x: scores(maps(x) + PER_MAP)),
    "a fused relu of a sum": (
        [conv(), binary("ADD", PER_MAP, FusedActivationFunction=RELU), FLAT, full(FULL, OFFSET)],
        lambda x: scores(np.maximum(maps(x) + PER_MAP, 0)),
    ),
    "a difference": ([conv(), binary("SUB", PER_MAP), FLAT, full(FULL, OFFSET)], lambda x: scores(maps(x) - PER_MAP)),
    "a difference of a constant": (
        [conv(), Operator("SUB", (PER_MAP, None), ("SubOptions", {})), FLAT, full(FULL, OFFSET)],
        lambda x: scores(PER_MAP - maps(x)),
    ),
    "a product": ([conv(), binary("MUL", PER_MAP), FLAT, full(FULL, OFFSET)], lambda x: scores(maps(x) * PER_MAP)),
    "a product from the left": (
        [conv(), Operator("MUL", (PER_MAP, None), ("MulOptions", {})), FLAT, full(FULL, OFFSET)],
        lambda x: scores(maps(x) * PER_MAP),
    ),
    "a quotient": ([conv(), binary("DIV", PER_MAP), FLAT, full(FULL, OFFSET)], lambda x: scores(maps(x) / PER_MAP)),
    "a negative": ([conv(), Operator("NEG"), FLAT, full(FULL, OFFSET)], lambda x: scores(-maps(x))),
    "a leaky relu": (
        [conv(), Operator("LEAKY_RELU", (None,), ("LeakyReluOptions", {"Alpha": 0.1})), FLAT, full(FULL, OFFSET)],
        lambda x: scores(reference.activate("leaky_relu", maps(x), 0.1)),
    ),
    "what does nothing": (
        [Operator("CAST"), conv(), Operator("DEQUANTIZE"), Operator("QUANTIZE"), FLAT, full(FULL, OFFSET)],
        lambda x: scores(maps(x)),
    ),
    "padding": (
        [Operator("PAD", (None, np.array([[0, 0], [2, 2], [2, 2], [0, 0]], np.int32))), conv(), reshape(1, 432), full(WIDE)],
        lambda x: scores(maps(x, 2), WIDE, 0),
    ),
    "padding with a value before a full connection": (
        [conv(), Operator("PADV2", (None, np.array([[0, 0], [1, 0], [0, 0], [0, 0]], np.int32), np.float32([0.5]))),
         reshape(1, 216), full(TALL := normal(4, 216))],
        lambda x: scores(np.pad(maps(x), [(0, 0), (1, 0), (0, 0), (0, 0)], constant_values=0.5), TALL, 0),
    ),
    "maps first before flattening": (
        [conv(), Operator("TRANSPOSE", (None, np.array([0, 3, 1, 2], np.int32))), FLAT, full(FULL, OFFSET)],
        lambda x: scores(maps(x).transpose(0, 3, 1, 2)),
    ),
    "axes of one": (
        [conv(), Operator("EXPAND_DIMS", (None, np.array([1], np.int32))),
         Operator("SQUEEZE", (None,), ("SqueezeOptions", {"SqueezeDims": [1]})), FLAT, full(FULL, OFFSET)],
        lambda x: scores(maps(x)),
    ),
    "distances": (
        [conv(), FLAT, full(FULL), Operator("EXPAND_DIMS", (None, np.array([1], np.int32))),
         Operator("SQUARED_DIFFERENCE", (None, CODES := np.sign(normal(6, 4)))),
         Operator("SUM", (None, np.array([-1], np.int32)), ("ReducerOptions", {"KeepDims": False}))],
        lambda x: reference.rbf_distances(scores(maps(x), bias=0), CODES),
    ),
    "distances by squares": (
        [conv(), FLAT, full(FULL), Operator("EXPAND_DIMS", (None, np.array([1], np.int32))), binary("SUB", CODES),
         Operator("SQUARE"), Operator("SUM", (None, np.array([2], np.int32)), ("ReducerOptions", {}))],
        lambda x: reference.rbf_distances(scores(maps(x), bias=0), CODES),
    ),
    "a mean of one value": (
        [conv(), conv(LARGE := normal(4, 8, 8, 3), None), Operator("MEAN", (None, np.array([1, 2], np.int32)), ("ReducerOptions", {"KeepDims": False}))],
        lambda x: np.einsum("nhwi,ohwi->no", maps(x), LARGE.astype(np.float64)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMPUTED)
def test_operators(tmp_path, name):
    operators, wanted = COMPUTED[name]
    x = images()
    close(load(tmp_path, *operators).scores(x), wanted(x))


#: Not those whose tensors would want a type, a bias or sizes that a converter writes and we do not need.
LITERT = [name for name in COMPUTED if name not in ("what does nothing", "without biases", "a mean of one value")]


@pytest.mark.parametrize("name", LITERT)
def test_the_files_mean_that_to_tensorflow_lite_itself(tmp_path, name):
    interpreter = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed (pip install '.[bench]')"
    )
    operators, wanted = COMPUTED[name]
    x = images()
    run = interpreter.Interpreter(model_content=file_of(operators))
    run.allocate_tensors()
    found = []
    for image in x.transpose(0, 2, 3, 1):
        run.set_tensor(run.get_input_details()[0]["index"], image[None])
        run.invoke()
        found.append(run.get_tensor(run.get_output_details()[0]["index"]).ravel())
    close(np.array(found), wanted(x))


@pytest.mark.parametrize("kind", ["SOFTMAX", "LOG_SOFTMAX"])
def test_softmax_is_a_head(tmp_path, kind):
    x = images()
    model = load(tmp_path, conv(), FLAT, full(FULL, OFFSET), Operator(kind))
    assert model.network.head == "softmax"
    close(model.predict_proba(x), reference.softmax(scores(maps(x))))


@pytest.mark.parametrize(("kind", "best"), [("ARG_MAX", np.argmax), ("ARG_MIN", None)])
def test_labels_are_what_the_scores_say(tmp_path, kind, best):
    x = images()
    row = [conv(), FLAT, full(FULL, OFFSET), Operator(kind, (None, np.array([1], np.int32)))]
    if best is None:
        assert "use argmax" in refused(tmp_path, *row)
    else:
        assert (load(tmp_path, *row).predict(x) == best(scores(maps(x)), axis=1)).all()


def test_a_depthwise_convolution_of_one_map_is_a_plain_one(tmp_path):
    """Converters write it so where images are grey."""
    kernel = normal(1, 5, 5, 3)
    fields = {
        "Padding": VALID,
        "StrideW": 1,
        "StrideH": 1,
        "DepthMultiplier": 3,
        "DilationWFactor": 1,
        "DilationHFactor": 1,
    }
    first = Operator("DEPTHWISE_CONV_2D", (None, kernel, BIAS), ("DepthwiseConv2DOptions", fields))
    x = images(1, 12, 12)
    model = load(tmp_path, first, FLAT, full(FULL, OFFSET), image=(1, 12, 12, 1))
    close(model.scores(x), scores(maps(x, kernel=kernel.transpose(3, 1, 2, 0))))
    assert "2 groups" in refused(tmp_path, first, FLAT, full(FULL, OFFSET))


# --- quantised tensors ---


@pytest.mark.parametrize(
    "kernel",
    [
        Quantised(RANDOM.integers(-127, 128, (3, 5, 5, 2)).astype(np.int8), (0.01,)),
        Quantised(RANDOM.integers(0, 256, (3, 5, 5, 2)).astype(np.uint8), (0.01,), (131,)),
        Quantised(RANDOM.integers(-127, 128, (3, 5, 5, 2)).astype(np.int8), (0.01, 0.02, 0.005), (0, 0, 0)),
        Quantised(RANDOM.integers(-127, 128, (3, 5, 5, 2)).astype(np.int8), (0.01, 0.03), (5, -7), 3),
    ],
    ids=["one scale", "a zero point", "a scale per map", "a scale per input map"],
)
def test_whole_numbers_stand_for_real_ones(tmp_path, kernel):
    """By (value - zero) * scale, of all or of each slice along their axis."""
    bias = Quantised(np.array([100, -50, 7], np.int32), (0.02, 0.01, 0.05), (0, 0, 0))
    x = images()
    model = load(tmp_path, conv(kernel, bias), FLAT, full(FULL, OFFSET))
    close(model.scores(x), scores(maps(x, kernel=kernel.real, bias=bias.real)))


def test_half_precision_is_widened(tmp_path):
    """By an operator on constants, as converters write it."""
    half = FULL.astype(np.float16)
    data = file_of([Operator("DEQUANTIZE", (half,)), conv(), FLAT, full(FULL, OFFSET)])
    assert data[4:8] == b"TFL3"
    x = images()
    direct = load(tmp_path, conv(KERNEL.astype(np.float16)), FLAT, full(half, OFFSET))
    close(direct.scores(x), scores(maps(x, kernel=KERNEL.astype(np.float16)), half))


@pytest.mark.parametrize(
    ("kind", "scale", "zero"), [(UINT8, 1 / 255, 0), (UINT8, 0.02, 128), (INT8, 1 / 255, -128), (INT8, 0.02, 3)]
)
def test_images_of_eight_bits_stand_for_real_pixels(tmp_path, kind, scale, zero):
    """Pixels are 0..255 for us; a signed input has 128 less."""
    model = load(tmp_path, conv(), FLAT, full(FULL, OFFSET), kind=kind, quantised=Quantised(None, (scale,), (zero,)))
    pixels = RANDOM.integers(0, 256, (5, 2, 12, 12)).astype(np.uint8)
    stored = pixels.astype(np.float64) - (128 if kind == INT8 else 0)
    close(model.scores(pixels), scores(maps((stored - zero) * np.float32(scale))))


def test_bytes_without_a_scale_are_pixels(tmp_path):
    model = load(tmp_path, Operator("CAST"), conv(), FLAT, full(FULL, OFFSET), kind=UINT8)
    pixels = RANDOM.integers(0, 256, (5, 2, 12, 12)).astype(np.uint8)
    close(model.scores(pixels), scores(maps(pixels.astype(np.float64))))


# --- what is not of the family, or damaged ---

REFUSED = {
    "relu6": ([conv(FusedActivationFunction=RELU6)], "relu6"),
    "relu6 of pooling": ([conv(), pool(FusedActivationFunction=RELU6)], "relu6"),
    "relu6 of a sum": ([conv(), binary("ADD", PER_MAP, FusedActivationFunction=RELU6)], "relu6"),
    "a leaky relu that falls": (
        [conv(), Operator("LEAKY_RELU", (None,), ("LeakyReluOptions", {"Alpha": -0.1}))], "found LEAKY_RELU with slope -0.1"
    ),
    "a leaky relu steeper than one": (
        [conv(), Operator("LEAKY_RELU", (None,), ("LeakyReluOptions", {"Alpha": 1.5}))], "found LEAKY_RELU with slope 1.5"
    ),
    "slopes of their own": ([conv(), Operator("PRELU", (None, normal(1, 1, 3)))], "found PRELU"),
    "strides": ([conv(StrideW=2)], "stride 1x2"),
    "strides of rows": ([conv(StrideH=2)], "stride 2x1"),
    "dilation": ([conv(DilationWFactor=2)], "dilation, found 1x2"),
    "dilation of rows": ([conv(DilationHFactor=2)], "dilation, found 2x1"),
    "same pooling of odd maps": ([conv(), pool(padding=SAME)], "padding (0, 0, 1, 1)"),
    "windows of three": ([conv(), pool(FilterHeight=3, FilterWidth=3)], "overlapping windows of 3x3"),
    "another operator": ([conv(), Operator("HARD_SWISH")], "found HARD_SWISH"),
    "an operator of somebody's": ([conv(), Operator("CUSTOM", custom="MyOp")], "MyOp"),
    "a square of maps": ([conv(), Operator("SQUARE")], "a square"),
    "a product of maps with themselves": ([conv(), Operator("MUL", (None, None), ("MulOptions", {}))], "a square"),
    "a sum of maps with themselves": ([conv(), Operator("ADD", (None, None), ("AddOptions", {}))], "joins two branches"),
    "a division by maps": ([conv(), Operator("DIV", (PER_MAP, None), ("DivOptions", {}))], "one by the maps"),
    "a global mean": ([conv(), Operator("MEAN", (None, np.array([1, 2], np.int32)), ("ReducerOptions", {}))], "a mean over"),
    "computed constants": ([conv(), Operator("COS", (FULL,))], "constants computed by COS"),
    "a branch": ([conv(), Operator("TANH"), Operator("ADD", (3, 4), ("AddOptions", {}))], "joins two branches"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_of_the_family_is_refused_by_name(tmp_path, name):
    operators, words = REFUSED[name]
    image = (1, 13, 13, 2) if "odd" in name else (1, 12, 12, 2)
    assert words in refused(tmp_path, *operators, image=image)


# --- a scaling that the converter has multiplied into the first kernels ---


def scaled_twice(path, **options):
    """The sentence with which a second scaling is refused."""
    with pytest.raises(WeightsError, match="preprocess: wanted a scaling of pixels that the first kernels can see") as caught:  # fmt: skip
        lenet_fast.load(path, **options)
    assert "pass preprocess='raw'" in str(caught.value)


@pytest.mark.parametrize("factor", [1 / 255, 2 / 255, 1 / 78.6])
def test_a_scaling_inside_the_first_kernels_is_not_put_before_them_again(tmp_path, factor):
    """Nothing else is left of it: 0..1 would be nearly nothing to such kernels, and every digit the same."""
    (tmp_path / "m.tflite").write_bytes(file_of([conv(np.float32(factor) * KERNEL), FLAT, full(FULL, OFFSET)]))
    for wish in ("unit", "mnist", "symmetric", "lecun", "zscore", lenet_fast.Preprocess.from_mean_std(0.13, 0.31)):
        scaled_twice(tmp_path / "m.tflite", preprocess=wish)
    x = RANDOM.integers(0, 256, (5, 2, 12, 12), np.uint8)
    wanted = scores(maps(x.astype(np.float64) * factor))
    close(lenet_fast.load(tmp_path / "m.tflite", preprocess="raw").scores(x), wanted)
    close(lenet_fast.load(tmp_path / "m.tflite").scores(x.astype(np.float32)), wanted)
    with pytest.raises(TypeError, match="found uint8"):
        lenet_fast.load(tmp_path / "m.tflite").scores(x)
    insisted = lenet_fast.load(tmp_path / "m.tflite").replace(preprocess=lenet_fast.Preprocess())
    close(insisted.scores(x), scores(maps(x / 255 * factor)))


def test_a_check_tells_that_such_kernels_take_raw_pixels(tmp_path):
    (tmp_path / "m.tflite").write_bytes(file_of([conv(KERNEL / np.float32(255)), FLAT, full(FULL, OFFSET)]))
    x = RANDOM.integers(0, 256, (5, 2, 12, 12), np.uint8)
    found = lenet_fast.load(tmp_path / "m.tflite", check=(x, scores(maps(x / 255))))
    assert found.preprocess == lenet_fast.Preprocess.named("raw")


def test_kernels_of_a_usual_size_take_what_the_user_says(tmp_path):
    """As small as initialisations make them: 128 maps of one channel, Glorot's."""
    kernel = RANDOM.uniform(-1, 1, (128, 5, 5, 1)).astype(np.float32) * np.float32(np.sqrt(6 / (25 + 25 * 128)))
    row = [conv(kernel, np.zeros(128, np.float32)), reshape(1, 8192), full(normal(3, 8192))]
    (tmp_path / "m.tflite").write_bytes(file_of(row, image=(1, 12, 12, 1)))
    assert lenet_fast.load(tmp_path / "m.tflite", preprocess="unit").preprocess == lenet_fast.Preprocess()


@pytest.mark.parametrize("shift", [0.0, -1.0])
def test_a_scaling_that_tensorflow_converts_is_not_put_before_the_kernels_again(tmp_path, shift):
    """Pixels / 127.5 + shift before the convolution, as Keras's Rescaling computes it."""
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed (pip install '.[tensorflow]')")
    kernel = np.ascontiguousarray(KERNEL.transpose(1, 2, 3, 0))

    @tf.function(input_signature=[tf.TensorSpec((1, 12, 12, 2), tf.float32)])
    def run(x):
        maps = tf.nn.conv2d(x * (1 / 127.5) + shift, kernel, 1, "VALID") + BIAS
        return tf.matmul(tf.reshape(tf.nn.relu(maps), (1, 192)), np.ascontiguousarray(FULL.T))

    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()])
    (tmp_path / "m.tflite").write_bytes(converter.convert())
    scaled_twice(tmp_path / "m.tflite", preprocess="unit")
    x = RANDOM.integers(0, 256, (5, 2, 12, 12), np.uint8)
    wanted = [run(image[None].transpose(0, 2, 3, 1).astype(np.float32)).numpy()[0] for image in x]
    close(lenet_fast.load(tmp_path / "m.tflite", preprocess="raw").scores(x), np.array(wanted))


def test_damage_is_refused(tmp_path):
    row = (conv(), FLAT, full(FULL, OFFSET))
    assert "one graph, found 2" in refused(tmp_path, *row, graphs=2)
    assert "dense weights" in refused(tmp_path, *row, sparse=True)
    assert "bytes for shape" in refused(tmp_path, *row, cut=4)
    assert "computes behind it; sort the operators" in refused(tmp_path, Operator("TANH", (4,)), *row)
    assert "tensor 99" in refused(tmp_path, *row[:2], Operator("TANH", (99,)))
    assert "an output that depends on the image" in refused(tmp_path, *row, outputs=[1])
    assert "an image of known size" in refused(tmp_path, *row, image=(1, 0, 12, 2))


def test_the_batch_size_of_the_conversion_is_left_out(tmp_path):
    x = images()
    model = load(tmp_path, conv(), reshape(16, 192), full(FULL, OFFSET), image=(16, 12, 12, 2))
    close(model.scores(x), scores(maps(x)))


def test_one_image_without_a_batch(tmp_path):
    """Of rows, columns and one channel or three."""
    kernel = normal(3, 5, 5, 1)
    model = load(tmp_path, conv(kernel), FLAT, full(FULL, OFFSET), image=(12, 12, 1))
    assert model.network.input == (1, 12, 12)
    x = images(1, 12, 12)
    close(model.scores(x), scores(maps(x, kernel=kernel)))
