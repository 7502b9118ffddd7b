"""weights/graph/operators/conv_pool.py: convolutions and pooling of the family, however they are written; no others."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from canonical import NONE, Row, close, first_to_last, last_to_first, normal, outputs, refused
from lenet_fast.operations import Conv, Dense
from lenet_fast.weights.graph.operators.conv_pool import padding

# --- convolution ---


def test_a_convolution_without_biases_has_zeros():
    row = Row()
    weight = normal(3, 1, 5, 5)
    row.trace.conv(row.flow, weight, None, "conv")
    close(outputs(row.trace, row.x), reference.conv5x5(row.x, weight, np.zeros(3)))


def test_channels_last_all_the_way():
    row = Row((1, 12, 12, 2))
    weights, biases = (normal(3, 2, 5, 5), normal(2, 3, 5, 5)), (normal(3), normal(2))
    flow = row.trace.conv(row.flow, weights[0], biases[0], "conv", channels_last=True)
    assert flow.shape == (1, 8, 8, 3)
    flow = row.trace.pool(flow, "max", "pool", channels_last=True)
    flow = row.trace.pad(flow, (NONE, (1, 1), (1, 1), NONE), 0.0, "pad")
    flow = row.trace.conv(flow, weights[1], biases[1], "conv", pads=[1] * 4, channels_last=True)
    assert flow.shape == (1, 4, 4, 2)
    full = normal(4, 32)
    row.trace.dense(row.trace.reshape(flow, (1, -1), "flatten"), full, None, "full")
    x = last_to_first(row.x)
    pooled = reference.subsample2x2(reference.conv5x5(x, weights[0], biases[0]), "max")
    maps = reference.conv5x5(pooled, weights[1], biases[1], padding=2)
    close(outputs(row.trace, x), first_to_last(maps).reshape(3, -1) @ full.T)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"strides": (2, 1)}, "stride 2x1"),
        ({"strides": (1, 2)}, "stride 1x2"),
        ({"dilations": (2, 1)}, "dilation"),
        ({"dilations": (1, 2)}, "dilation"),
        ({"groups": 2}, "2 groups"),
    ],
)
def test_convolutions_of_another_kind_are_refused(options, words):
    row = Row((1, 2, 12, 12))
    refused(lambda: row.trace.conv(row.flow, normal(2, 2, 5, 5), None, "conv", **options), "conv: ", words)


@pytest.mark.parametrize("kernel", [(3, 3), (5, 3), (3, 5), (7, 7), (1, 1), (5, 12)])
def test_other_kernels_are_refused(kernel):
    row = Row((1, 1, 12, 12))
    words = "{}x{}; only 5x5 kernels".format(*kernel)
    refused(lambda: row.trace.conv(row.flow, normal(2, 1, *kernel), None, "conv"), "conv: ", words)


def test_weights_that_contradict_their_maps_are_refused():
    row = Row((1, 2, 12, 12))
    for weight, bias, words in (
        (normal(3, 1, 5, 5), None, "as kernels have (1), found 2"),
        (normal(3, 3, 5, 5), None, "as kernels have (3), found 2"),
        (normal(3, 2, 5, 5), normal(2), "a bias of shape (3,)"),
        (normal(3, 2, 5, 5), normal(3, 8, 8), "a bias of shape (3,)"),
        (normal(3, 2, 5), None, "two dimensions"),
        (normal(3, 2, 5, 5, 5), None, "two dimensions"),
    ):
        refused(lambda w=weight, b=bias: row.trace.conv(row.flow, w, b, "conv"), "conv: ", words)
    flat = Row((1, 64))
    refused(lambda: flat.trace.conv(flat.flow, normal(3, 1, 5, 5), None, "conv"), "two dimensions")


def test_maps_smaller_than_a_kernel_are_refused():
    Row((1, 1, 5, 5)).conv()
    for shape in ((1, 1, 4, 8), (1, 1, 8, 4)):
        refused(Row(shape).conv, "conv: wanted a 5x5 kernel inside the maps")


# --- borders that are its padding ---


@pytest.mark.parametrize(("width", "padding"), [(0, 0), (1, 0), (2, 0), (0, 2), (1, 1), (2, 2), (3, 1), (4, 0), (0, 4)])
def test_zeros_around_maps_are_the_next_convolutions_padding(width, padding):
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (width, width), (width, width)).conv(2, padding).dense().agrees()
    assert row.trace.steps[1].operation.padding == width + padding


def test_zeros_around_the_image_are_padding_too():
    row = Row().pad(NONE, NONE, (1, 1), (1, 1)).conv(2, 1).dense().agrees()
    assert row.trace.steps[0].operation.padding == 2
    assert row.trace.image_maps == (1, 8, 8)


@pytest.mark.parametrize(
    "widths",
    [((1, 0), (1, 1)), ((1, 1), (0, 1)), ((2, 2), (1, 1)), ((5, 5), (5, 5)), ((0, 0), (2, 2)), ((2, 0), (2, 0))],
)
def test_uneven_and_wide_borders_are_refused(widths):
    refused(lambda: Row((1, 1, 12, 12)).conv().pad(NONE, NONE, *widths).conv(), "conv: wanted the same padding")
    refused(lambda: Row((1, 1, 12, 12)).pad(NONE, NONE, *widths).conv(), "conv: wanted the same padding")


@pytest.mark.parametrize("pads", [(1, 1, 1, 2), (0, 1, 0, 1), (5, 5, 5, 5), (2, 2, 1, 1)])
def test_uneven_and_wide_padding_is_refused(pads):
    row = Row((1, 1, 12, 12))
    refused(lambda: row.trace.conv(row.flow, normal(2, 1, 5, 5), None, "conv", pads=pads), "wanted the same padding")


def test_a_border_of_one_side_is_made_even_by_the_padding_of_the_other():
    """Above and left in the graph, below and right in the convolution."""
    row = Row((1, 1, 12, 12)).pad(NONE, NONE, (2, 0), (2, 0))
    row.trace.conv(row.flow, normal(2, 1, 5, 5), None, "conv", pads=(0, 0, 2, 2))
    assert row.trace.steps[0].operation.padding == 2


def test_zeros_between_the_values_of_maps_are_refused():
    row = Row((1, 1, 12, 12)).conv()
    row.flow = row.flow.rearranged(np.insert(row.flow.index, 3, -1, axis=3))
    refused(row.conv, "conv: ", "zeros inside them")


def test_an_image_that_is_cut_away_whole_is_refused():
    row = Row()
    cut = row.trace.pad(row.flow, (NONE, NONE, (-8, 0), NONE), 0.0, "cut")
    row.flow = row.trace.pad(cut, (NONE, NONE, (4, 4), NONE), 0.0, "pad")
    refused(row.conv, "conv: ")


@pytest.mark.parametrize(
    ("size", "window", "strides", "total"),
    [
        ((28, 28), (5, 5), (1, 1), (4, 4)),
        ((27, 28), (2, 2), (2, 2), (1, 0)),
        ((28, 27), (2, 2), (2, 2), (0, 1)),
        ((27, 27), (5, 5), (2, 2), (4, 4)),
        ((28, 28), (5, 5), (2, 2), (3, 3)),
        ((28, 28), (4, 2), (1, 1), (3, 1)),
        ((28, 28), (1, 1), (3, 3), (0, 0)),
        ((3, 9), (2, 2), (3, 3), (0, 0)),
    ],
)
def test_an_odd_row_of_same_padding_lies_behind_unless_it_is_to_lie_before(size, window, strides, total):
    """TensorFlow, and SAME_UPPER of ONNX, pad below and right first; SAME_LOWER above and left."""
    behind = padding("same_upper", size, window, strides, "pool")
    before = padding("same_lower", size, window, strides, "pool")
    assert behind == (total[0] // 2, total[1] // 2, -(-total[0] // 2), -(-total[1] // 2))
    assert before == (*behind[2:], *behind[:2])


# --- a convolution that is a full connection ---


@pytest.mark.parametrize("side", [3, 4, 6])
def test_a_kernel_as_large_as_its_maps_is_a_full_connection(side):
    row = Row((1, 1, side + 4, side + 4)).conv()
    weight, bias = normal(6, 3, side, side), normal(6)
    flow = row.trace.conv(row.flow, weight, bias, "whole")
    assert flow.shape == (1, 6, 1, 1) and isinstance(row.trace.steps[1].operation, Dense)
    again = normal(2, 6, 1, 1)
    row.trace.conv(flow, again, None, "whole", channels_last=False)
    wanted = (row.values.reshape(3, -1) @ weight.reshape(6, -1).T + bias) @ again.reshape(2, 6).T
    close(outputs(row.trace, row.x), wanted)


def test_a_kernel_as_large_as_its_maps_with_channels_last():
    row = Row((1, 1, 8, 8)).conv()
    weight = normal(6, 3, 4, 4)
    flow = row.trace.conv(row.flow.rearranged(first_to_last(row.flow.index)), weight, None, "whole", channels_last=True)
    assert flow.shape == (1, 1, 1, 6)
    close(outputs(row.trace, row.x), row.values.reshape(3, -1) @ weight.reshape(6, -1).T)


def test_a_5x5_kernel_over_units_that_were_shaped_so_is_a_full_connection():
    row = Row().conv().dense(50).moved(lambda v: v.reshape(1, 2, 5, 5))
    weight, bias = normal(6, 2, 5, 5), normal(6)
    row.trace.conv(row.flow, weight, bias, "whole")
    close(outputs(row.trace, row.x), row.values.reshape(3, -1) @ weight.reshape(6, -1).T + bias)


def test_a_5x5_kernel_over_5x5_maps_is_a_convolution_still():
    """C5 of the paper."""
    row = Row((1, 1, 9, 9)).conv().conv(6).dense().agrees()
    assert isinstance(row.trace.steps[1].operation, Conv)


@pytest.mark.parametrize("options", [{"pads": (1, 1, 1, 1)}, {"dilations": (2, 2)}, {"groups": 3}])
def test_a_kernel_as_large_as_its_maps_that_does_more_is_refused(options):
    row = Row().conv()
    inputs = 1 if "groups" in options else 3
    refused(lambda: row.trace.conv(row.flow, normal(3, inputs, 4, 4), None, "whole", **options), "whole: wanted")


# --- a convolution that is subsampling ---


def subsampled(weight, bias=None, **options):
    """A convolution to three maps of 4x4, and 2x2 kernels over each with stride 2."""
    row = Row().conv()
    last = options.get("channels_last", False)
    flow = row.flow.rearranged(first_to_last(row.flow.index)) if last else row.flow
    row.flow = row.trace.conv(flow, weight, bias, "pool", **{"strides": (2, 2), "groups": 3} | options)
    return row


@pytest.mark.parametrize("channels_last", [False, True])
def test_four_equal_weights_per_map_are_trainable_subsampling(channels_last):
    coefficients, bias = normal(3), normal(3)
    row = subsampled(np.ones((3, 1, 2, 2)) * coefficients[:, None, None, None], bias, channels_last=channels_last)
    assert row.flow.shape == ((1, 2, 2, 3) if channels_last else (1, 3, 2, 2))
    close(outputs(row.trace, row.x), reference.subsample2x2(row.values, "trainable", coefficients, bias))


@pytest.mark.parametrize("place", [(0, 1), (1, 0), (1, 1), (0, 0)])
@pytest.mark.parametrize("map_", range(3))
def test_four_weights_of_which_one_differs_are_refused(map_, place):
    weight = np.ones((3, 1, 2, 2))
    weight[map_, 0][place] = 1.001
    refused(lambda: subsampled(weight), "pool: ", "four different weights")


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 2)])
def test_subsampling_of_padded_maps_is_refused(pads):
    refused(lambda: subsampled(np.ones((3, 1, 2, 2)), pads=pads), "pool: ")


@pytest.mark.parametrize(
    ("shape", "options"),
    [((3, 1, 2, 2), {"strides": (1, 1)}), ((3, 1, 3, 3), {}), ((6, 1, 2, 2), {}), ((3, 3, 2, 2), {"groups": 1})],
)
def test_other_small_kernels_are_no_subsampling(shape, options):
    refused(lambda: subsampled(np.ones(shape), **options), "pool: wanted a 5x5 kernel")


# --- pooling ---


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize("shape", [(1, 1, 12, 12), (1, 1, 13, 12), (1, 1, 12, 13), (1, 1, 7, 7)])
def test_an_odd_last_row_is_left_out(kind, shape):
    Row(shape).conv().pool(kind).dense().agrees()


@pytest.mark.parametrize("shape", [(1, 1, 13, 12), (1, 1, 12, 13)])
def test_an_odd_last_row_is_no_window_of_its_own(shape):
    refused(lambda: Row(shape).conv().pool(ceil=True), "pool: wanted windows inside the maps")
    Row((1, 1, 12, 12)).conv().pool(ceil=True).dense().agrees()


@pytest.mark.parametrize(
    ("window", "strides", "found"),
    [
        ((3, 3), (2, 2), "overlapping windows of 3x3 with stride 2x2"),
        ((2, 2), (1, 1), "overlapping windows of 2x2 with stride 1x1"),
        ((2, 2), (2, 1), "overlapping windows of 2x2 with stride 2x1"),
        ((3, 3), (3, 3), "found windows of 3x3 with stride 3x3"),
        ((2, 3), (2, 3), "found windows of 2x3 with stride 2x3"),
        ((2, 2), (3, 3), "found windows of 2x2 with stride 3x3"),
        ((1, 1), (2, 2), "decimation, windows of 1x1 with stride 2x2"),
        ((1, 2), (1, 2), "found windows of 1x2 with stride 1x2"),
    ],
)
def test_other_windows_are_refused(window, strides, found):
    row = Row((1, 1, 12, 12)).conv()
    refused(lambda: row.pool(window=window, strides=strides), "pool: ", found)


def test_windows_of_one_value_are_no_operation():
    row = Row((1, 1, 12, 12)).conv()
    assert row.trace.pool(row.flow, "max", "pool", window=(1, 1), strides=(1, 1)) is row.flow
    refused(lambda: row.pool(window=(1, 1), strides=(1, 1), pads=(1, 1, 1, 1)), "pool: wanted")
    one = Row((1, 1, 5, 5)).conv()
    assert one.trace.pool(one.flow, "max", "pool", window=(1, 1), strides=(2, 2)) is one.flow
    refused(lambda: one.pool(window=(1, 1), strides=(2, 2), pads=(0, 0, 1, 1)), "pool: wanted")


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 0, 0, 1), (0, 1, 0, 0)])
def test_padded_windows_are_refused(pads):
    refused(lambda: Row((1, 1, 12, 12)).conv().pool(pads=pads), "pool: wanted windows inside the maps")


def test_borders_are_not_pooled():
    refused(Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).pool, "pool: ", "border of zeros")


def test_pooling_is_of_maps_of_two_rows_or_more():
    refused(Row((1, 1, 5, 7)).conv().pool, "pool: wanted maps of at least 2x2, found 1x3")
    refused(Row((1, 1, 7, 5)).conv().pool, "pool: wanted maps of at least 2x2, found 3x1")
    flat = Row().conv().moved(lambda v: v.reshape(1, -1))
    refused(lambda: flat.trace.pool(flat.flow, "max", "pool"), "pool: wanted pooling of maps")


def test_maps_of_two_rows_are_pooled_to_one_value():
    Row((1, 1, 6, 6)).conv().pool().dense().agrees()


def test_an_image_may_be_pooled_first():
    Row((1, 3, 16, 16)).pool("average").conv().dense().agrees()


def test_a_mean_of_one_value_is_that_value():
    row = Row((1, 1, 5, 5)).conv()
    for keep, shape in ((True, (1, 3, 1, 1)), (False, (1, 3))):
        assert row.trace.mean(row.flow, (2, 3), keep, "mean").shape == shape
    for axes in ((1,), (2, 3, 1)):
        refused(lambda axes=axes: row.trace.mean(row.flow, axes, True, "mean"), "mean: ", "adaptive pooling")
    wide = Row((1, 1, 5, 6)).conv()
    refused(lambda: wide.trace.mean(wide.flow, (2, 3), True, "mean"), "mean over 1x2 values")


def test_adaptive_pooling_is_pooling_where_it_halves_and_nothing_where_it_keeps():
    row = Row((1, 1, 12, 12)).conv()
    assert row.trace.apply("adaptive_pool", row.flow, where="p", kind="max", size=(8, 8)) is row.flow
    for size in ((1, 1), (3, 3), (4, 8), (8, 4)):
        refused(
            lambda s=size: row.trace.apply("adaptive_pool", row.flow, where="p", kind="max", size=s), "p: ", "adaptive"
        )
    row.flow = row.trace.apply("adaptive_pool", row.flow, where="p", kind="max", size=(4, 4))
    row.values = reference.subsample2x2(row.values, "max")
    row.dense().agrees()


def test_images_are_not_resized():
    row = Row((1, 8, 6, 3))
    assert row.trace.apply("resize", row.flow, where="r", size=(8, 6)) is row.flow
    for size in ((6, 8), (16, 12), (None, None)):
        refused(
            lambda s=size: row.trace.apply("resize", row.flow, where="r", size=s), "r: wanted images of the right size"
        )
    row = Row((1, 3, 8, 6))
    assert row.trace.apply("resize", row.flow, where="r", size=(8, 6), channels_last=False) is row.flow
