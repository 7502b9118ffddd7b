"""weights/graph/operators/shapes.py: what moves values moves those of constants and of images alike."""

from __future__ import annotations

import numpy as np
import pytest
from canonical import NONE, Row, normal, refused
from lenet_fast.weights.graph.operators import OPERATORS, Call

# --- shapes ---


@pytest.mark.parametrize(
    ("batch", "shape", "wanted"),
    [
        (1, (1, 48), (1, 48)),
        (1, (-1, 48), (1, 48)),
        (1, (1, -1), (1, 48)),
        (1, (48,), (48,)),
        (64, (64, 48), (1, 48)),
        (64, (64, -1), (1, 48)),
        (64, (-1, 48), (1, 48)),
        (64, (64, 3, 16), (1, 3, 16)),
        (64, (1, -1), (1, 48)),
        (3, (3, 16), (3, 16)),
        (48, (48,), (48,)),
        (64, (3, -1), (3, 16)),
    ],
)
def test_a_reshape_may_name_the_batch_size_of_training(batch, shape, wanted):
    """There is one image here; a size that happens to be the batch's but fits one image is that image's."""
    row = Row(batch=batch).conv()
    assert row.trace.reshape(row.flow, shape, "reshape").shape == wanted


@pytest.mark.parametrize("shape", [(), (1, 47), (2, 48), (64, 48), (-1, 47), (2, -1, 7)])
def test_a_reshape_keeps_every_value(shape):
    row = Row().conv()
    refused(lambda: row.trace.reshape(row.flow, shape, "reshape"), "reshape: wanted a shape of 48 values")


# --- borders ---


def test_a_border_of_no_width_has_no_value():
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).pad(NONE, NONE, NONE, NONE, value=3.0)
    row.conv(2).dense().agrees()


def test_a_cut_border_is_no_border():
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (3, 3))
    row.flow = row.trace.pad(row.flow, (NONE, NONE, (-1, -1), (-2, -2)), 0.0, "cut")
    row.values = row.values[..., 1:-1, 2:-2]
    row.conv(2).dense().agrees()
    assert row.trace.steps[1].operation.padding == 1


def test_a_cut_of_maps_is_seen():
    row = Row((1, 1, 12, 12)).conv()
    for widths in (((-1, 0), NONE), ((0, -1), NONE), (NONE, (-1, 0)), (NONE, (0, -1))):
        cut = row.trace.pad(row.flow, (NONE, NONE, *widths), 0.0, "cut")
        wanted = row.flow.index[:, :, -widths[0][0] : 8 + widths[0][1], -widths[1][0] : 8 + widths[1][1]]
        np.testing.assert_array_equal(cut.index, wanted)


def test_two_borders_of_different_values_are_refused():
    """Of the same value they are one."""
    row = Row().pad(NONE, NONE, (1, 1), (1, 1), value=0.5)
    refused(lambda: row.pad(NONE, NONE, (1, 1), (1, 1), value=0.25), "pad: wanted one kind of border")
    assert row.pad(NONE, NONE, (1, 1), (1, 1), value=0.5).conv(2).trace.background == 0.5


def test_a_border_has_a_width_for_each_axis_and_is_not_larger_than_memory():
    row = Row()
    refused(lambda: row.trace.pad(row.flow, (NONE, (1, 1)), 0.0, "pad"), "pad: wanted widths for 4 axes")
    for widths in (((10**6, 0), NONE), (NONE, (0, 10**6)), ((10**6, 0), (0, 10**6))):
        refused(lambda w=widths: row.trace.pad(row.flow, (NONE, NONE, *w), 0.0, "pad"), "values of constants and maps")


# --- constants and images alike ---

MOVED = {
    "transpose": [({"axes": (0, 2, 3, 1)}, (), lambda v: v.transpose(0, 2, 3, 1)), ({}, (), lambda v: v.T), ({}, ([0, 3, 1, 2],), lambda v: v.transpose(0, 3, 1, 2))],
    "move_axis": [({"source": 1, "destination": -1}, (), lambda v: np.moveaxis(v, 1, -1))],
    "swap_axes": [({"one": 2, "other": 3}, (), lambda v: v.swapaxes(2, 3))],
    "squeeze": [({}, (), lambda v: v[0]), ({"axes": (0,)}, (), lambda v: v[0]), ({}, ([0],), lambda v: v[0]), ({"axes": (0, 1), "lenient": True}, (), lambda v: v[0])],
    "unsqueeze": [({"axes": (0,)}, (), lambda v: v[None]), ({}, ([-1, 1],), lambda v: v[:, None, ..., None])],
    "rows": [({}, (), lambda v: v.reshape(1, -1)), ({"axis": 2}, (), lambda v: v.reshape(3, 16)), ({"axis": 0}, (), lambda v: v.reshape(1, -1))],
    "flatten": [({}, (), lambda v: v.reshape(1, 48)), ({"start": 2}, (), lambda v: v.reshape(1, 3, 16)), ({"start": 0, "end": 1}, (), lambda v: v.reshape(3, 4, 4)), ({"start": -2}, (), lambda v: v.reshape(1, 3, 16))],
    "slice": [
        ({"begins": (1,), "ends": (3,), "axes": (2,)}, (), lambda v: v[:, :, 1:3]),
        ({}, ([0, 1], [1, 99]), lambda v: v[:1, 1:99]),
        ({}, ([-1], [-99], [3], [-1]), lambda v: v[..., ::-1]),
        ({}, ([-1], [0], [3], [-2]), lambda v: v[..., -1:0:-2]),
    ],
    "strided_slice": [
        ({}, ([0, 1, 0, 0], [1, 3, 4, 4], [1, 1, 2, 1]), lambda v: v[:, 1:3, ::2]),
        ({"begin_mask": (1, 0), "end_mask": (1, 0)}, ([9, 1], [9, 2]), lambda v: v[:, 1:2]),
        ({"shrink_mask": (0, 1)}, ([0, 2], [1, 3]), lambda v: v[:, 2]),
    ],
    "reshape": [({"shape": (1, -1)}, (), lambda v: v.reshape(1, -1)), ({"shape": (0, 0, 16), "zeros": "first"}, (), lambda v: v.reshape(1, 3, 16)), ({"zeros": "last"}, ([1, 12, 0],), lambda v: v.reshape(1, 12, 4))],
}  # fmt: skip


@pytest.mark.parametrize(("op", "case"), [(op, case) for op, cases in MOVED.items() for case in cases])
def test_what_moves_moves_images_and_constants_as_numpy_does(op, case):
    """By attributes, or by inputs behind the first."""
    attributes, inputs, wanted = case
    row = Row().conv()
    moved = row.trace.apply(op, row.flow, *inputs, where="here", **attributes)
    np.testing.assert_array_equal(moved.index, wanted(row.flow.index))
    array = normal(*row.flow.shape)
    call = Call(op, "here", (array, *map(np.array, inputs)))
    np.testing.assert_array_equal(OPERATORS[op].fold(call, **attributes), wanted(array))
    assert OPERATORS[op].keeps_name


def test_a_slice_that_adds_axes_is_not_of_the_family():
    row = Row().conv()
    with pytest.raises(ValueError, match="adds axes"):
        row.trace.apply("strided_slice", row.flow, [0], [1], where="s", adds_axes=True)


@pytest.mark.parametrize(
    ("op", "values", "attributes", "wanted"),
    [
        ("shape", (np.zeros((2, 3)),), {}, [2, 3]),
        ("gather", ([5, 6, 7], [2, 0]), {}, [7, 5]),
        ("gather", ([[5, 6, 7]], [1], 1), {"axis": None}, [[6]]),
        ("concat", ([1], 2, [3, 4]), {"axis": 0}, [1, 2, 3, 4]),
        ("stack", (1, 2), {}, [1, 2]),
        ("fill", ([2, 2],), {"value": [7]}, [[7, 7], [7, 7]]),
        ("product", ([2, 3, 4],), {"keep": False}, 24),
        ("product", ([[2, 3]], [1]), {}, [[6]]),
    ],
)
def test_shapes_are_computed_as_numpy_does(op, values, attributes, wanted):
    call = Call(op, "here", tuple(np.array(value) for value in values))
    found = OPERATORS[op].fold(call, **attributes)
    np.testing.assert_array_equal(found, wanted)
    if OPERATORS[op].size:
        assert OPERATORS[op].size(call, **attributes) >= found.size  # told before it is made


def test_the_shape_of_an_image_is_a_constant():
    row = Row().conv()
    assert row.trace.apply("shape", row.flow, where="shape").tolist() == [1, 3, 4, 4]


@pytest.mark.parametrize(
    ("inputs", "order"),
    [
        (([0, 0, 1, 2, 0, 0, 0, 3], 0.5), "begins then ends"),
        (([0, 0, 0, 0, 1, 0, 2, 3], 0.5), "pairs"),
        (([0, 0, 1, 2], [0, 0, 0, 3], 0.5), "apart"),
    ],
)
def test_widths_may_be_inputs_in_the_order_of_each_format(inputs, order):
    row = Row().conv()
    row.flow = row.trace.apply("pad", row.flow, *inputs, where="pad", order=order)
    row.values = np.pad(row.values, [NONE, NONE, (1, 0), (2, 3)], constant_values=0.5)
    assert row.flow.fill == 0.5
    row.dense().agrees()


def test_borders_that_repeat_the_image_are_refused():
    row = Row()
    refused(
        lambda: row.trace.apply("pad", row.flow, where="pad", widths=[NONE] * 4, mode="reflect"), "pad: ", "reflect"
    )
