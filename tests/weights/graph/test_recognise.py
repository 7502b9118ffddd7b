"""weights/graph/recognise.py: the layers that it makes compute what the graph's operations compute, or it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from canonical import Trace
from lenet_fast import Model, WeightsError
from lenet_fast.operations import AMPLITUDE, SLOPE, Affine, Conv, Curve, Dense, Distances, Pool, Softmax
from lenet_fast.weights.graph.recognise import recognise
from lenet_fast.weights.graph.trace import Step

RANDOM = np.random.default_rng(13)
TANH = Curve("tanh")


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(13).bit_generator.state


def normal(*shape):
    return RANDOM.normal(size=shape) / np.sqrt(np.prod(shape[1:], initial=1))


def scaled(scale, shift=0.0):
    return Affine(np.array(scale, np.float64), np.array(shift, np.float64))


def conv(maps=3, inputs=1, padding=0):
    return Conv(normal(maps, inputs, 5, 5), normal(maps), padding)


def full(outputs, inputs):
    return Dense(normal(outputs, inputs), normal(outputs))


def traced(*row, image=(1, 8, 8)):
    """The trace of operations in a row over images of 8x8; two full ones follow maps of 4x4 or 2x2."""
    trace = Trace()
    flow = trace.image((1, *image))
    for i, operation in enumerate(row):
        where = f"operation {i}"
        match operation:
            case Affine(scale, shift):
                ends = (-1, *[1] * (len(flow.shape) - 2))
                flow = trace.affine(flow, scale.reshape(ends), shift.reshape(ends), where)
            case Curve(kind):
                flow = trace.curve(flow, kind, where)
            case Conv(weight, bias, padding):
                flow = trace.conv(flow, weight, bias, where, pads=[padding] * 4, tensors=(f"w{i}", f"b{i}"))
            case Pool(kind):
                flow = trace.pool(flow, kind, where)
            case Dense(weight, bias):
                flow = trace.dense(trace.reshape(flow, (1, -1), where), weight, bias, where, (f"w{i}", f"b{i}"))
            case Distances():
                trace.steps.append(Step(operation, where, (f"w{i}",)))
                trace.maps = (len(operation.codes), 1, 1)
                flow = type(flow)(np.arange(len(operation.codes))[None], len(trace.steps))
            case Softmax():
                flow = trace.softmax(flow, -1, where)
    return trace


def assert_computes(*row, image=(1, 8, 8)):
    """The network that is recognised has the operations' own outputs; returns what was recognised."""
    found = recognise(traced(*row, image=image))
    model = Model(found.network, found.weights, preprocess=found.preprocess)
    x = RANDOM.random((6, *image)).astype(np.float32)
    wanted = reference.run_operations(row, x)
    outputs = model.predict_proba(x) if found.network.head == "softmax" else model.scores(x)
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    return found


def refused(*row, image=(1, 8, 8)):
    with pytest.raises(WeightsError) as caught:
        recognise(traced(*row, image=image))
    return str(caught.value)


# --- factors and shifts join the layer before them, or wait for one behind ---

POSITIVE = scaled([0.5, 2.0, 1.5], [0.25, -0.5, 1.0])
MIXED = scaled([0.5, -2.0, 1.5], [0.25, -0.5, 1.0])
FACTORS = scaled([0.5, 2.0, 1.5])
RELU, SIGMOID, MAX, AVERAGE = Curve("relu"), Curve("sigmoid"), Pool("max"), Pool("average")
C = conv()

#: Rows over images of 16x16: 12x12 maps, or 6x6 once pooled.
JOIN = {
    "batch norm behind the convolution": (C, MIXED, RELU, MAX, full(4, 108)),
    "batch norm behind a convolution without an activation": (C, MIXED, full(4, 432)),
    "two of them": (C, MIXED, POSITIVE, RELU, full(4, 432)),
    "behind the full connection": (C, RELU, full(3, 432), MIXED, SIGMOID, full(4, 3)),
    "behind the last full connection": (C, RELU, full(3, 432), MIXED),
    "behind the activation, before a convolution": (C, RELU, MIXED, conv(2, 3), full(4, 128)),
    "behind the activation, before a padded convolution, without a shift": (
        C, RELU, scaled([0.5, -2.0, 1.5]), conv(2, 3, 2), full(4, 288)
    ),
    "behind the activation, before a full connection": (C, RELU, MIXED, full(4, 432)),
    "two behind the activation": (C, RELU, MIXED, POSITIVE, full(4, 432)),
    "one number behind the activation, before a full connection": (C, RELU, scaled(0.5, 0.25), full(4, 432)),
    "one number between full connections": (C, RELU, full(3, 432), RELU, scaled(-0.5, 0.25), full(4, 3)),
    "one for each unit between full connections": (C, RELU, full(3, 432), RELU, MIXED, full(4, 3)),
    "only a shift for each unit": (C, RELU, full(3, 432), RELU, scaled(1.0, [0.5, -1.0, 2.0]), full(4, 3)),
    "behind the activation, before max pooling, factors that are positive": (C, RELU, POSITIVE, MAX, full(4, 108)),
    "one factor before max pooling": (C, TANH, scaled(0.5), MAX, full(4, 108)),
    "behind max pooling, before an activation, factors that are positive": (C, MAX, POSITIVE, RELU, full(4, 108)),
    "behind max pooling, before a convolution": (C, MAX, MIXED, conv(2, 3), full(4, 8)),
    "behind max pooling of an activation": (C, RELU, MAX, MIXED, conv(2, 3), full(4, 8)),
    "behind an activation of max pooling": (C, MAX, RELU, POSITIVE, conv(2, 3), full(4, 8)),
    "behind pooling of the image": (MAX, scaled(0.5, 0.25), C, full(4, 48)),
    "one factor before average pooling": (C, TANH, scaled(0.5), AVERAGE, full(4, 108)),
    "one factor before average pooling, and one behind": (C, TANH, scaled(0.5), AVERAGE, scaled(2.0, 0.5), full(4, 108)),
    "behind average pooling": (C, TANH, AVERAGE, MIXED, full(4, 108)),
    "before the first full connection behind pooling": (C, TANH, MAX, MIXED, full(4, 108)),
}  # fmt: skip


@pytest.mark.parametrize("name", JOIN)
def test_factors_and_shifts_end_up_in_some_layer(name):
    assert_computes(*JOIN[name], image=(1, 16, 16))


def test_factors_join_in_float64_and_are_rounded_once():
    """One and a half units in the last place are lost in float32, factor by factor."""
    first = conv()
    factors = [scaled(RANDOM.uniform(0.5, 2, 3)) for _ in range(12)]
    found = recognise(traced(first, *factors, RELU, full(4, 48)))
    product = np.prod([f.scale for f in factors], axis=0)
    wanted = (first.weight * product[:, None, None, None]).astype(np.float32)
    assert np.abs(found.weights["C1.weight"] - wanted).max() <= np.spacing(np.abs(wanted)).max()
    assert (found.weights["C1.weight"] == wanted).mean() > 0.95


TRAINABLE = {
    "behind average pooling, with an activation": (C, TANH, AVERAGE, MIXED, TANH, full(4, 108)),
    "one pair for all maps": (C, TANH, AVERAGE, scaled(0.5, 0.25), SIGMOID, full(4, 108)),
    "between the activation and average pooling": (C, TANH, MIXED, AVERAGE, full(4, 108)),
    "one shift between the activation and average pooling": (C, TANH, scaled(1.0, 0.5), AVERAGE, full(4, 108)),
    "one factor before, and more behind": (C, TANH, scaled(0.5, 0.25), AVERAGE, MIXED, TANH, full(4, 108)),
    "before and behind average pooling": (C, TANH, MIXED, AVERAGE, POSITIVE, TANH, full(4, 108)),
    "before average pooling with an activation": (C, TANH, MIXED, AVERAGE, RELU, full(4, 108)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRAINABLE)
def test_factors_and_shifts_of_average_pooling_are_trainable_subsampling(name):
    found = assert_computes(*TRAINABLE[name], image=(1, 16, 16))
    assert found.network.layers[1].pooling == "trainable"


REFUSED = {
    "a shift before padding with zeros": ((C, RELU, MIXED, conv(2, 3, 2)), "which pads with zeros"),
    "a shift of one number before padding": ((C, RELU, scaled(1.0, 0.5), conv(2, 3, 1)), "which pads with zeros"),
    "negative factors before max pooling": ((C, RELU, MIXED, MAX), "which cannot take it"),
    "one negative factor before max pooling": ((C, RELU, scaled(-0.5), MAX), "which cannot take it"),
    "a factor of nothing before max pooling": ((C, RELU, scaled([0.0, 1.0, 1.0]), MAX), "which cannot take it"),
    "negative factors between max pooling and an activation": ((C, MAX, MIXED, RELU), "batch normalisation"),
    "factors behind max pooling of an activation, before another": ((C, RELU, MAX, POSITIVE, TANH), "batch norm"),
    "factors between two activations": ((C, RELU, POSITIVE, TANH), "batch normalisation"),
    "a factor at the end": ((C, RELU, full(4, 432), TANH, scaled(2.0)), "leave it out"),
    "a shift at the end": ((C, RELU, full(4, 432), TANH, scaled(1.0, 2.0)), "leave it out"),
    "factors behind pooling at the end": ((C, RELU, MAX, MIXED), "leave it out"),
    "two activations": ((C, TANH, SIGMOID), "sigmoid behind tanh"),
    "an activation of relu": ((C, RELU, TANH), "tanh behind relu"),
    "an activation of scaled tanh": ((C, TANH, scaled(AMPLITUDE), TANH), "tanh behind scaled_tanh"),
    "an activation of distances": ((C, full(6, 432), Distances(normal(4, 6)), TANH), "one activation per layer"),
    "no convolution": ((MAX, full(4, 64)), "at least one 5x5 convolution"),
    "nothing": ((), "at least one 5x5 convolution"),
    "softmax of one output": ((C, RELU, full(1, 432), Softmax()), "two classes or more before softmax, found a softmax"),
    "something behind softmax": ((C, full(4, 432), Softmax(), full(3, 4)), "softmax as the last operation"),
    "a factor behind softmax": ((C, full(4, 432), Softmax(), scaled(2.0)), "softmax as the last operation"),
    "softmax of a factor": ((C, full(4, 432), TANH, scaled(2.0), Softmax()), "leave it out"),
    "softmax of distances": ((C, full(6, 432), Distances(normal(4, 6)), Softmax()), "a softmax of negated distances"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_can_take_is_refused(name):
    row, words = REFUSED[name]
    assert words in refused(*row, image=(1, 16, 16))


def test_refusals_name_the_operation():
    sentence = refused(C, RELU, MIXED, conv(2, 3, 2), image=(1, 16, 16))
    assert sentence.startswith("operation 0: ") and "before 'operation 3'" in sentence
    assert refused(C, TANH, SIGMOID, image=(1, 16, 16)).startswith("operation 2: ")


@pytest.mark.parametrize("activation", [(), (SIGMOID,), (TANH,), (RELU,)])
def test_one_output_is_a_number_not_a_class(activation):
    """Regression, and what is so or is not."""
    assert assert_computes(C, RELU, full(1, 432), *activation, image=(1, 16, 16)).network.classes == 1


@pytest.mark.parametrize("decision", ["argmax", "argmin"])
def test_the_label_of_one_output_is_refused(decision):
    trace = traced(C, RELU, full(1, 432), image=(1, 16, 16))
    trace.decision = decision
    with pytest.raises(
        WeightsError, match=f"wanted {'RBF distances' if decision == 'argmin' else 'two classes or more'}"
    ):
        recognise(trace)


# --- activations ---


def test_relu_twice_is_relu():
    for row in ((C, RELU, RELU, full(4, 432)), (C, MAX, RELU, RELU, full(4, 108))):
        assert "relu" in [
            getattr(layer, "activation", "") for layer in assert_computes(*row, image=(1, 16, 16)).network.layers
        ]


@pytest.mark.parametrize("kind", ["tanh", "sigmoid", "relu"])
def test_an_activation_belongs_to_the_layer_before_it(kind):
    found = assert_computes(C, Curve(kind), MAX, Curve(kind), full(3, 108), Curve(kind), full(4, 3), image=(1, 16, 16))
    assert [layer.activation for layer in found.network.layers] == [kind, kind, kind, "identity"]


# --- scaled tanh ---


@pytest.mark.parametrize("amplitude", [AMPLITUDE, float(np.float32(AMPLITUDE))])
@pytest.mark.parametrize("slope", [SLOPE, float(np.float32(SLOPE))])
def test_the_papers_constants_are_scaled_tanh(slope, amplitude):
    """In float64 or float32; the weights stay what they were, bit for bit."""
    first = conv()
    found = assert_computes(first, scaled(slope), TANH, scaled(amplitude), full(4, 48))
    assert found.network.layers[0].activation == "scaled_tanh"
    assert (found.weights["C1.weight"] == first.weight.astype(np.float32)).all()


def test_the_papers_constants_may_be_written_once_per_map():
    for maps in (1, 3):
        row = (conv(maps), scaled([SLOPE] * maps), TANH, scaled([AMPLITUDE] * maps), full(4, 16 * maps))
        assert maps == 1 or assert_computes(*row).network.layers[0].activation == "scaled_tanh"
        row = (conv(maps), scaled(SLOPE), TANH, scaled(AMPLITUDE), full(4, 16 * maps))
        assert assert_computes(*row).network.layers[0].activation == "scaled_tanh"


@pytest.mark.parametrize(
    "behind",
    [
        scaled(1.72),
        scaled(-AMPLITUDE),
        scaled(AMPLITUDE, 0.5),
        scaled([AMPLITUDE, 1.5, 2.0]),
        scaled([AMPLITUDE, AMPLITUDE, 2.0]),
        scaled(AMPLITUDE, [0.0, 0.0, 0.25]),
        scaled(SLOPE),
    ],
)
def test_other_factors_and_shifts_behind_tanh_are_kept(behind):
    """They wait for the next layer, which takes them: none is taken for the paper's amplitude."""
    found = assert_computes(conv(), scaled(SLOPE), TANH, behind, full(4, 48))
    assert found.network.layers[0].activation == "tanh"


@pytest.mark.parametrize("before", [scaled(0.7), scaled(SLOPE, 0.1), scaled([SLOPE, 0.5, 2.0]), scaled(-SLOPE), None])
def test_other_slopes_before_scaled_tanh_are_kept(before):
    row = [conv(), *([before] if before else []), TANH, scaled(AMPLITUDE), full(4, 48)]
    assert assert_computes(*row).network.layers[0].activation == "scaled_tanh"


def test_the_amplitude_behind_another_activation_is_a_factor():
    for kind in ("sigmoid", "relu"):
        found = assert_computes(conv(), scaled(SLOPE), Curve(kind), scaled(AMPLITUDE), full(4, 48))
        assert found.network.layers[0].activation == kind


def test_the_amplitude_is_taken_once():
    """Another factor of the same size behind it is another factor."""
    assert_computes(conv(), scaled(SLOPE), TANH, scaled(AMPLITUDE), scaled(AMPLITUDE), full(4, 48))


# --- RBF units ---

CODES = np.sign(RANDOM.normal(size=(4, 6)))


def test_negated_distances_are_distances():
    """The largest of the negated ones is the smallest distance: the same label."""
    row = [conv(), full(6, 48), Distances(CODES)]
    assert assert_computes(*row).network.head == "rbf"
    found = recognise(traced(*row, scaled(-1.0)))
    assert found.network.head == "rbf"
    assert (found.weights["output.weight"] == CODES).all()


@pytest.mark.parametrize(
    "behind", [scaled(-2.0), scaled(-0.5), scaled(-1.0, 3.0), scaled(1.0, 3.0), scaled([-1.0, -1.0, -1.0, -2.0])]
)
def test_other_factors_and_shifts_behind_distances_are_refused(behind):
    """Scores would be others, and labels perhaps."""
    assert "factor or shift behind it" in refused(conv(), full(6, 48), Distances(CODES), behind)


def test_other_scores_may_not_be_negated():
    """Only of distances the smallest wins."""
    assert "factor or shift behind it" in refused(conv(), full(4, 48), TANH, scaled(-1.0))


@pytest.mark.parametrize(("label", "behind"), [("argmin", ()), ("argmax", (scaled(-1.0),))])
def test_the_label_of_distances_is_the_nearest_code(label, behind):
    trace = traced(conv(), full(6, 48), Distances(CODES), *behind)
    trace.decision = label
    assert recognise(trace).network.head == "rbf"


@pytest.mark.parametrize(
    ("label", "row"),
    [
        ("argmax", (Distances(CODES),)),
        ("argmin", (Distances(CODES), scaled(-1.0))),
        ("argmin", (full(4, 6), Softmax())),
    ],
)
def test_the_label_that_is_the_worst_is_refused(label, row):
    trace = traced(conv(), full(6, 48), *row)
    trace.decision = label
    with pytest.raises(WeightsError):
        recognise(trace)


def test_the_label_of_scores_is_the_largest():
    trace = traced(conv(), full(4, 48))
    trace.decision = "argmax"
    assert recognise(trace).network.head == "scores"
    trace.decision = "argmin"
    with pytest.raises(WeightsError, match="use argmax"):
        recognise(trace)


def test_softmax_is_a_head():
    assert assert_computes(conv(), RELU, full(4, 48), Softmax()).network.head == "softmax"
    found = recognise(traced(conv(), full(6, 48), Distances(CODES), scaled(-1.0), Softmax()))
    assert found.network.head == "rbf"


# --- the pixels ---


def scaling(*row, **changes):
    trace = traced(*row, conv(inputs=3), full(4, 48), image=(3, 8, 8))
    for name, value in changes.items():
        setattr(trace, name, value)
    return recognise(trace).preprocess


def test_scaling_in_front_is_preprocessing():
    """All of it, in its order, per channel or for all."""
    rows = ((scaled([1.0, 2.0, 3.0], [0.5, 0.25, -1.0]),), (scaled(2.0), scaled(1.0, -1.0), scaled([1.0, 2.0, 0.5])))
    for row in rows:
        assert_computes(*row, conv(inputs=3), RELU, full(4, 48), image=(3, 8, 8))
    found = scaling(scaled(2.0, 1.0), scaled(3.0, -0.5))
    assert (found.scale, found.shift) == ((6.0,), (2.5,))


@pytest.mark.parametrize(
    ("scale", "white"),
    [(1 / 255, 255.0), (1 / 20, 255.0), (-1 / 20, 255.0), (0.0501, None), (-1.0, None), (3.0, None), ([0.05, 0.01, 0.02], 255.0), ([0.05, 0.01, -0.1], None)],
)  # fmt: skip
def test_a_small_factor_is_meant_for_pixels_up_to_255(scale, white):
    """One near 1 may follow any scaling, and says nothing of what pixels were before."""
    assert scaling(scaled(scale)).white == white


def test_a_graph_that_takes_bytes_says_what_white_is():
    assert scaling(scaled(3.0), uint8=True).white == 255
    assert scaling(uint8=True).white == 255
    assert scaling().white is None


def test_background_travels_with_the_scaling():
    assert scaling(scaled(3.0), background=0.25).background == 0.25
    assert scaling(background=0.25).background == 0.25
    assert scaling(uint8=True, background=7.0).background == 7
    assert scaling(scaled(3.0)).background == 0


# --- connection tables, names ---


def test_kernels_of_zeros_are_no_connections():
    second = conv(4, 3)
    for output, inputs in enumerate(TABLE := ((0, 1), (2,), (0, 1, 2), (1, 2))):
        second.weight[output, [i for i in range(3) if i not in inputs]] = 0
    found = assert_computes(C, RELU, second, RELU, full(4, 256), image=(1, 16, 16))
    assert found.network.layers[1].connections == TABLE
    second.weight[2] = 0  # a map of nothing but its bias has no row in a table
    assert assert_computes(C, RELU, second, RELU, full(4, 256), image=(1, 16, 16)).network.layers[1].connections is None
    second = conv(4, 3)
    second.weight[1, 2, 0, 0] = 0
    assert recognise(traced(C, second, full(4, 256), image=(1, 16, 16))).network.layers[1].connections is None


def test_each_tensor_knows_where_it_came_from():
    found = recognise(traced(conv(), RELU, full(3, 48), RELU, full(4, 3)))
    assert list(found.sources.values()) == ["w0", "b0", "w2", "b2", "w4", "b4"]
    trace = traced(conv(), scaled([1.0, 2.0, 3.0]), RELU, full(4, 48))
    trace.steps[1] = Step(trace.steps[1].operation, "norm", ("gamma",))
    assert recognise(trace).sources["C1.weight"] == recognise(trace).sources["C1.bias"] == "w0, b0, gamma"
    trace.steps[0] = Step(trace.steps[0].operation, "first")
    trace.steps[1] = Step(trace.steps[1].operation, "norm")
    assert recognise(trace).sources["C1.weight"] == "first"
