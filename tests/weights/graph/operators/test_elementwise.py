"""weights/graph/operators/elementwise.py: factors and shifts broadcast as NumPy's do, and borders are computed too."""

from __future__ import annotations

import numpy as np
import pytest
from canonical import NONE, Row, normal, refused
from lenet_fast.weights.graph.operators import OPERATORS, Call

# --- factors and shifts ---


def test_a_factor_of_one_and_a_shift_of_none_are_no_operation():
    row = Row().conv().affine(np.ones((3, 1, 1)), np.zeros((3, 1, 1))).affine(1.0)
    assert len(row.trace.steps) == 1
    assert len(row.affine(1.0, 1e-9).affine(1 + 1e-9).trace.steps) == 3


@pytest.mark.parametrize(
    ("scale", "shift"),
    [
        ((), ()),
        ((1,), (1, 1, 1, 1)),
        ((3, 1, 1), ()),
        ((), (3, 1, 1)),
        ((1, 3, 1, 1), (3, 1, 1)),
        ((3, 4, 4), None),
    ],
)
def test_factors_and_shifts_broadcast_as_numpys_do(scale, shift):
    one = normal(3, 1, 1) * np.ones((3, 4, 4)) if scale == (3, 4, 4) else normal(*scale)
    Row().conv().affine(one, 0.0 if shift is None else normal(*shift)).dense().agrees()


@pytest.mark.parametrize("shape", [(3,), (2, 1, 1), (2, 3, 1, 1), (2, 1, 1, 1)])
def test_factors_of_another_shape_are_refused(shape):
    refused(lambda: Row().conv().affine(normal(*shape)), "affine: wanted one value per map")


# --- borders ---


def test_a_border_passes_activations_that_leave_zero_alone():
    for kind in ("tanh", "relu"):
        Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).curve(kind).conv(2).dense().agrees()
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).curve("sigmoid")
    refused(row.conv, "border of zeros", "one of 0.5")


def test_a_border_passes_factors_but_no_shift():
    Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).affine(3.0).conv(2).dense().agrees()
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).affine(3.0, 0.25)
    refused(row.conv, "border of zeros", "one of 0.25")


def test_a_border_takes_the_factors_at_its_own_places():
    row = Row().conv().pad(NONE, NONE, (1, 1), (1, 1), value=2.0)
    scale, shift = np.full((1, 3, 6, 6), 3.0), np.full((1, 3, 6, 6), -0.5)
    scale[..., 1:5, 1:5], shift[..., 1:5, 1:5] = normal(3, 1, 1), normal(3, 1, 1)
    row.affine(scale, shift).dense().agrees()


# --- activations ---


def test_activations_are_of_maps():
    for kind in ("tanh", "sigmoid", "relu"):
        Row().conv().curve(kind).dense().agrees()
        refused(lambda kind=kind: Row().curve(kind), f"an activation of pixels, {kind}")


# --- constants ---


def folded(op, *values, **attributes):
    return OPERATORS[op].fold(Call(op, "here", tuple(np.asarray(v) for v in values)), **attributes)


@pytest.mark.parametrize(
    ("op", "values", "wanted"),
    [
        ("add", ([1, 2], 10, 100), [111, 112]),
        ("subtract", ([1, 2], 10, 100), [-109, -108]),
        ("multiply", ([1, 2], 10, 100), [1000, 2000]),
        ("minimum", ([1, 7], 5, 3), [1, 3]),
        ("maximum", ([1, 7], 5, 6), [6, 7]),
        ("divide", ([7, 9], 2), [3, 4]),
        ("divide", ([7.0, 9.0], 2), [3.5, 4.5]),
    ],
)
def test_constants_are_computed_however_many_they_are(op, values, wanted):
    """As long as NumPy's function takes two, a third would be where it writes to, and be lost."""
    values = [np.array(v) for v in values]
    before = [v.copy() for v in values]
    result = folded(op, *values)
    np.testing.assert_array_equal(result, wanted)
    assert result.dtype.kind == values[0].dtype.kind
    assert all((a == b).all() for a, b in zip(values, before, strict=True))


def test_a_factor_is_on_the_second_input():
    assert folded("add", [1.0], [3.0], factor=2).tolist() == [7]
    assert folded("subtract", [1.0], [3.0], factor=2).tolist() == [-5]


@pytest.mark.parametrize(("axis", "shape"), [(0, (2, 1)), (1, (1, 3)), (-1, (1, 3))])
def test_stored_bits_become_floats_along_their_axis(axis, shape):
    x, scale, zero = np.arange(6, dtype=np.int8).reshape(2, 3), np.arange(1.0, 1 + max(shape)), np.arange(max(shape))
    wanted = (x - zero.reshape(shape)) * scale.reshape(shape)
    np.testing.assert_array_equal(folded("dequantise", x, scale, zero, axis=axis), wanted)
    np.testing.assert_array_equal(folded("dequantise", x, 0.5), x * 0.5)


def test_images_in_few_bits_are_refused_as_such():
    row = Row().conv()
    for op, attributes in (("dequantise", {"axis": 1}), ("quantise", {})):
        refused(
            lambda op=op, a=attributes: row.trace.apply(op, row.flow, 0.5, where="q", **a), "q: ", "quantised model"
        )


# --- with a constant ---


def test_sums_products_and_their_opposites_are_factors_and_shifts():
    row = Row().conv()
    two, apply = normal(3, 1, 1), row.trace.apply
    flow = apply("add", row.flow, two, where="a", factor=3.0)
    flow = apply("multiply", flow, two, where="b")
    flow = apply("divide", flow, two + 5, where="c")
    flow = apply("negate", flow, where="d")
    flow = apply("subtract", flow, two, where="e", factor=2.0)
    row.flow = apply("subtract", two, flow, where="f")
    row.values = two - (-(row.values + 3 * two) * two / (two + 5) - 2 * two)
    row.dense().agrees()


def test_what_divides_by_the_image_is_refused():
    row = Row().conv()
    refused(lambda: row.trace.apply("divide", np.ones(()), row.flow, where="d"), "d: ", "one by the maps")


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [("clip", (), {"low": 0.0}), ("clip", (0.0, None), {}), ("clip", (0.0, 3e38), {}), ("maximum", (0.0,), {})],
)
def test_limits_from_zero_up_are_relu(op, inputs, attributes):
    row = Row().conv()
    row.flow = row.trace.apply(op, row.flow, *inputs, where="clip", **attributes)
    row.values = np.maximum(row.values, 0)
    row.dense().agrees()


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [("clip", (), {"low": 0.0, "high": 6.0}), ("clip", (-1.0,), {}), ("clip", (), {}), ("maximum", (0.5,), {})],
)
def test_other_limits_are_refused(op, inputs, attributes):
    row = Row().conv()
    refused(lambda: row.trace.apply(op, row.flow, *inputs, where="clip", **attributes), "clip: ", "not supported")


@pytest.mark.parametrize("slope", [-0.1, 1.5, float("nan")])
def test_a_slope_is_from_0_to_1(slope):
    row = Row().conv()
    refused(lambda: row.trace.curve(row.flow, "leaky_relu", "c", slope=slope), "c: ", "not from 0 to 1")


def test_a_slope_that_is_an_input_is_one_for_all_maps():
    row = Row().conv()
    refused(
        lambda: row.trace.apply("curve", row.flow, [0.1, 0.1, 0.2], where="c", kind="leaky_relu", slope=None),
        "each map",
    )
    row.flow = row.trace.apply("curve", row.flow, np.full((3, 1, 1), 0.25), where="c", kind="leaky_relu", slope=None)
    row.values = np.where(row.values < 0, row.values * 0.25, row.values)
    row.dense().agrees()


@pytest.mark.parametrize("given", [0b11, 0b01, 0b10, 0b00])
def test_batch_normalisation_is_a_factor_and_a_shift(given):
    """Scale and centre may be absent; the statistics may not."""
    row = Row().conv()
    gamma, beta, mean, variance = normal(3), normal(3), normal(3), normal(3) ** 2
    inputs = (gamma if given & 1 else None, beta if given & 2 else None, mean, variance)
    refused(lambda: row.trace.apply("batch_norm", row.flow, *inputs[:3], where="bn"), "bn: ", "stored statistics")
    refused(lambda: row.trace.apply("batch_norm", row.flow, *inputs, where="bn", training=True), "bn: ", "eval mode")
    row.flow = row.trace.apply("batch_norm", row.flow, *inputs, where="bn", epsilon=0.1)
    g, b, m, v = (
        a[:, None, None] for a in (gamma if given & 1 else np.ones(3), beta * bool(given & 2), mean, variance)
    )
    row.values = (row.values - m) / np.sqrt(v + 0.1) * g + b
    row.dense().agrees()


def test_a_conversion_keeps_real_numbers_and_rounds_none():
    row = Row().conv()
    assert row.trace.apply("cast", row.flow, where="cast", dtype=np.float16) is row.flow
    for dtype in (np.uint8, np.int64, None):
        refused(lambda d=dtype: row.trace.apply("cast", row.flow, where="cast", dtype=d), "cast: ", "rounds")
    row.dense(6)
    label = row.trace.decide(row.flow, "argmax", "label")
    assert row.trace.apply("cast", label, where="cast", dtype=np.int64) is label
