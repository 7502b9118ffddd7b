"""weights/graph/recognise.py: the layers that it makes compute what the graph's operations compute, or it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Model, WeightsError
from lenet_fast.operations import AMPLITUDE, SLOPE, Affine, Conv, Curve, Dense, Distances, Pool, Softmax
from lenet_fast.weights.recognise import recognise
from lenet_fast.weights.trace import Step, Trace

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


# --- scaled tanh ---


@pytest.mark.parametrize("amplitude", [AMPLITUDE, float(np.float32(AMPLITUDE))])
@pytest.mark.parametrize("slope", [SLOPE, float(np.float32(SLOPE))])
def test_the_papers_constants_are_scaled_tanh(slope, amplitude):
    """In float64 or float32; the weights stay what they were, bit for bit."""
    first = conv()
    found = assert_computes(first, scaled(slope), TANH, scaled(amplitude), full(4, 48))
    assert found.network.layers[0].activation == "scaled_tanh"
    assert (found.weights["C1.weight"] == first.weight.astype(np.float32)).all()


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
