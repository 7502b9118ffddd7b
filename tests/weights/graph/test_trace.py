"""weights/graph/trace.py: every value of a graph is followed to where it goes; what is no LeNet is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import reference
from canonical import Trace
from lenet_fast import WeightsError
from lenet_fast.operations import Conv, Dense
from lenet_fast.weights.graph.operators.maps import padding

RANDOM = np.random.default_rng(12)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in whatever order the tests run."""
    RANDOM.bit_generator.state = np.random.default_rng(12).bit_generator.state


def normal(*shape):
    return RANDOM.normal(size=shape)


def outputs(trace, x):
    """What the operations that were traced compute for images (n, channels, rows, columns)."""
    return reference.run_operations([step.operation for step in trace.steps], x)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * np.abs(wanted).max())


class Row:
    """A trace that goes on from its last flow, and the values that NumPy itself computes beside it."""

    def __init__(self, shape=(1, 1, 8, 8), batch=1):
        self.trace = Trace(batch) if batch > 1 else Trace()
        self.flow = self.trace.image(shape)
        self.x = RANDOM.random((3, *shape[1:]))
        self.values = self.x

    def moved(self, move):
        """`move` takes an array with its batch axis first."""
        self.flow = self.flow.rearranged(move(self.flow.index))
        self.values = np.concatenate([move(self.values[i : i + 1]) for i in range(3)])
        return self

    def conv(self, maps=3, padding=0, **options):
        weight, bias = normal(maps, self.flow.shape[-3], 5, 5), normal(maps)
        self.flow = self.trace.conv(self.flow, weight, bias, "conv", pads=[padding] * 4, **options)
        self.values = reference.conv5x5(self.values, weight, bias, padding=padding)
        return self

    def affine(self, scale, shift=0.0):
        self.flow = self.trace.affine(self.flow, scale, shift, "affine")
        self.values = self.values * scale + shift
        return self

    def curve(self, kind):
        self.flow = self.trace.curve(self.flow, kind, "curve")
        self.values = reference.activate(kind, self.values)
        return self

    def pool(self, kind="max", **options):
        self.flow = self.trace.pool(self.flow, kind, "pool", **options)
        self.values = reference.subsample2x2(self.values, kind)
        return self

    def pad(self, *widths, value=0.0):
        self.flow = self.trace.pad(self.flow, widths, value, "pad")
        self.values = np.pad(self.values, [(0, 0), *widths[1:]], constant_values=value)
        return self

    def dense(self, units=4):
        weight, bias = normal(units, self.flow.index.size), normal(units)
        self.flow = self.trace.dense(self.flow, weight, bias, "full")
        self.values = self.values.reshape(3, -1) @ weight.T + bias
        return self

    def agrees(self, images=None):
        """The operations compute what NumPy computed; `images` where the graph has its channels elsewhere."""
        close(outputs(self.trace, self.x if images is None else images), self.values)
        return self


def refused(action, *words):
    with pytest.raises(WeightsError) as caught:
        action()
    assert all(word in str(caught.value) for word in words), str(caught.value)


# --- the image ---


@pytest.mark.parametrize("shape", [(1, 1, 0, 28), (1, -1, 28, 28), (1, 1, 28, 0), (1,), (1, 1, 1 << 10, 1 << 9)])
def test_an_image_has_known_sizes_that_are_no_photographs(shape):
    refused(lambda: Trace().image(shape), "input: wanted an image of known size")


def test_the_largest_image_is_one():
    assert Trace().image((1, 1, 512, 512)).index.size == 1 << 18


def last_to_first(array):
    return np.moveaxis(array, -1, 1)


def first_to_last(array):
    return np.moveaxis(array, 1, -1)


LAYOUTS = {
    "channels first": ((1, 3, 8, 8), lambda v: v, lambda x: x),
    "channels last, transposed": ((1, 8, 8, 3), last_to_first, last_to_first),
    "rows of one value per pixel": ((1, 8, 8), lambda v: v[:, None], lambda x: x[:, None]),
    "a vector of pixels": ((1, 64), lambda v: v.reshape(-1, 1, 8, 8), lambda x: x.reshape(-1, 1, 8, 8)),
    "a vector of pixels, channel by channel": ((1, 192), lambda v: v.reshape(-1, 3, 8, 8), lambda x: x.reshape(-1, 3, 8, 8)),
    "a vector of pixels, all channels of each": (
        (1, 192), lambda v: last_to_first(v.reshape(-1, 8, 8, 3)), lambda x: last_to_first(x.reshape(-1, 8, 8, 3))
    ),
    "two moves that are one": ((1, 3, 8, 8), lambda v: v.transpose(0, 2, 3, 1).transpose(0, 3, 1, 2), lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_image_may_lie_in_any_order_of_its_axes(name):
    shape, move, maps = LAYOUTS[name]
    row = Row(shape).moved(move).conv().dense()
    assert row.trace.image_maps == (len(maps(row.x)[0]), 8, 8)
    row.agrees(maps(row.x))


@pytest.mark.parametrize("name", LAYOUTS)
def test_scaling_before_the_axes_are_known_is_per_channel_all_the_same(name):
    """One value per pixel then, of which each channel's are equal."""
    shape, move, maps = LAYOUTS[name]
    channels = len(maps(np.zeros((1, *shape[1:])))[0])
    scale, shift = (np.broadcast_to(normal(channels)[:, None, None], (channels, 8, 8)) for _ in range(2))
    back = np.zeros((2, *shape[1:]))  # where in the image each of them lies
    maps(back)[:] = [scale, shift]
    row = Row(shape).affine(back[:1], back[1:]).moved(move).conv().dense()
    row.agrees(maps(row.x))
    assert row.trace.steps[0].operation.scale.size == (channels if channels > 1 else 1)


def test_one_scaling_for_all_channels():
    row = Row((1, 3, 8, 8)).affine(2.0, -1.0).conv().dense().agrees()
    assert row.trace.steps[0].operation.scale.shape == ()


WRONG_PIXELS = {
    "rows and columns swapped": ((1, 1, 8, 8), lambda v: v.swapaxes(2, 3), "in their order"),
    "mirrored": ((1, 1, 8, 8), lambda v: v[..., ::-1], "in their order"),
    "cut": ((1, 1, 9, 9), lambda v: v[:, :, :8, :8], "cuts it"),
    "one channel of three": ((1, 3, 8, 8), lambda v: v[:, :1], "cuts it"),
    "channels mixed by a reshape": ((1, 8, 8, 3), lambda v: v.reshape(-1, 3, 8, 8), "mixes pixels and channels"),
    "channels mixed the other way": ((1, 3, 8, 8), lambda v: v.reshape(-1, 8, 8, 3).transpose(0, 3, 1, 2), "mixes"),
    "channels swapped": ((1, 3, 8, 8), lambda v: v[:, ::-1], "in their order"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_PIXELS)
def test_pixels_that_are_cut_or_mixed_are_refused(name):
    shape, move, words = WRONG_PIXELS[name]
    refused(lambda: Row(shape).moved(move).conv(), "conv: ", words)


@pytest.mark.parametrize("pixel", [0, 63])
def test_a_mean_image_is_refused(pixel):
    """Wherever in the map one value differs from the others."""
    shift = np.zeros(64)
    shift[pixel] = 0.5
    refused(
        lambda: Row().conv().affine(1.0, shift.reshape(1, 1, 8, 8)[..., :4, :4] + np.arange(16).reshape(4, 4)),
        "one value per map",
    )
    refused(lambda: Row().affine(1.0, shift.reshape(1, 1, 8, 8)).conv(), "affine: wanted one value per map")


# --- what moves values ---

MOVES = {
    "flattened": lambda v: v.reshape(1, -1),
    "flattened, maps last": lambda v: v.transpose(0, 2, 3, 1).reshape(1, -1),
    "columns before rows": lambda v: v.swapaxes(2, 3),
    "mirrored": lambda v: v[..., ::-1],
    "rows joined": lambda v: v.reshape(1, 3, 16),
    "without a batch axis": lambda v: v[0].ravel()[None],
    "mixed": lambda v: v.reshape(1, 16, 3).swapaxes(1, 2),
    "a part of them": lambda v: v[:, :, 1:, ::2],
}


@pytest.mark.parametrize("name", MOVES)
def test_a_full_connection_finds_its_values_wherever_they_went(name):
    Row().conv().moved(MOVES[name]).dense().agrees()


def test_a_value_that_comes_twice_is_refused():
    refused(lambda: Row().conv().moved(lambda v: np.concatenate([v, v], 1)).dense(), "full: ", "repeated")


@pytest.mark.parametrize("name", [n for n in MOVES if n not in ("flattened", "rows joined", "without a batch axis")])
def test_maps_that_were_moved_are_no_maps(name):
    """Only a full connection may follow."""
    maps = {"flattened, maps last": (1, 3, 4, 4), "a part of them": (1, 3, 3, 2)}.get(name, (1, 3, 4, 4))
    row = Row().conv().moved(lambda v: MOVES[name](v).reshape(maps))
    refused(row.pool, "pool: ", "maps of the layer before")
    row = Row((1, 1, 12, 12)).conv().moved(lambda v: v.swapaxes(2, 3))
    refused(row.conv, "conv: ", "maps of the layer before")


@pytest.mark.parametrize(
    "move",
    [
        lambda v: v[:, :2],
        lambda v: v.reshape(1, 6, 8, 4),
        lambda v: v.reshape(1, 3, 4, 16),
        lambda v: v[:, :, :6],
        lambda v: v[:, :, :, :6],
        lambda v: v[:, :, 2:],
        lambda v: v[:, ::-1],
    ],
)
def test_maps_that_are_cut_or_shaped_anew_are_no_maps(move):
    """Though their values still lie in their order."""
    row = Row((1, 1, 12, 12)).conv().moved(move)
    refused(row.pool, "pool: ", "maps of the layer before")


def test_maps_behind_a_background_are_looked_at_too():
    row = Row().pad(NONE, NONE, (2, 2), (2, 2), value=0.5).conv().moved(lambda v: v.swapaxes(2, 3))
    refused(row.pool, "pool: ", "maps of the layer before")


def test_maps_without_a_batch_axis():
    row = Row((1, 1, 16, 16)).conv()
    row.flow = row.flow.rearranged(row.flow.index[0])
    row.pool().moved(lambda v: v.reshape(3, 6, 6)[None] if v.ndim == 3 else v)
    row.flow = row.flow.rearranged(row.flow.index[0])
    row.conv(2).dense().agrees()


def test_maps_may_be_flattened_and_brought_back():
    row = Row((1, 1, 16, 16)).conv().moved(lambda v: v.reshape(1, -1)).moved(lambda v: v.reshape(1, 3, 12, 12))
    row.pool().conv(2, 2).dense().agrees()


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


def test_a_mean_of_one_value_is_that_value():
    row = Row((1, 1, 5, 5)).conv()
    for keep, shape in ((True, (1, 3, 1, 1)), (False, (1, 3))):
        assert row.trace.mean(row.flow, (2, 3), keep, "mean").shape == shape
    for axes in ((1,), (2, 3, 1)):
        refused(lambda axes=axes: row.trace.mean(row.flow, axes, True, "mean"), "mean: ", "adaptive pooling")
    wide = Row((1, 1, 5, 6)).conv()
    refused(lambda: wide.trace.mean(wide.flow, (2, 3), True, "mean"), "mean over 1x2 values")


# --- borders ---

NONE = (0, 0)


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


def test_a_border_passes_activations_that_leave_zero_alone():
    for kind in ("tanh", "relu"):
        Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).curve(kind).conv(2).dense().agrees()
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).curve("sigmoid")
    refused(row.conv, "border of zeros", "one of 0.5")


def test_a_border_passes_factors_but_no_shift():
    Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).affine(3.0).conv(2).dense().agrees()
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).affine(3.0, 0.25)
    refused(row.conv, "border of zeros", "one of 0.25")


def test_a_full_connection_takes_a_border_of_any_value():
    for value in (0.0, -1.5):
        Row().conv().pad(NONE, NONE, (1, 0), (0, 2), value=value).dense().agrees()
    Row().conv().pad(NONE, NONE, (1, 1), (0, 2)).affine(2.0, 0.5).curve("sigmoid").dense().agrees()


@pytest.mark.parametrize("value", [1.0, -0.5])
def test_maps_inside_the_network_have_no_background(value):
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2), value=value)
    refused(row.conv, "conv: wanted a border of zeros", f"one of {value:g}")


def test_zeros_between_the_values_of_maps_are_refused():
    row = Row((1, 1, 12, 12)).conv()
    row.flow = row.flow.rearranged(np.insert(row.flow.index, 3, -1, axis=3))
    refused(row.conv, "conv: ", "zeros inside them")


def test_borders_are_not_pooled():
    refused(Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).pool, "pool: ", "border of zeros")


def test_a_border_of_no_width_has_no_value():
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2)).pad(NONE, NONE, NONE, NONE, value=3.0)
    row.conv(2).dense().agrees()


def test_an_image_that_is_cut_away_whole_is_refused():
    row = Row()
    cut = row.trace.pad(row.flow, (NONE, NONE, (-8, 0), NONE), 0.0, "cut")
    row.flow = row.trace.pad(cut, (NONE, NONE, (4, 4), NONE), 0.0, "pad")
    refused(row.conv, "conv: ")


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
        refused(lambda w=widths: row.trace.pad(row.flow, (NONE, NONE, *w), 0.0, "pad"), "pad: wanted a border")


# --- background: what the graph pads images with, as pixels ---


@pytest.mark.parametrize("value", [0.25, -0.4242])
@pytest.mark.parametrize("before", [(2.0, -1.0), (1.0, 0.0)])
@pytest.mark.parametrize("behind", [(3.0, 0.5), (1.0, 0.0)])
def test_a_border_of_the_image_is_background_before_all_scaling(value, before, behind):
    """Wherever among the scalings it is padded; what is stored is the pixel that they would turn into it."""
    row = Row().affine(*before).pad(NONE, NONE, (2, 2), (2, 2), value=value).affine(*behind).conv(2).dense()
    assert (row.trace.margin, row.trace.image_maps) == (2, (1, 12, 12))
    assert row.trace.background == pytest.approx((value - before[1]) / before[0])
    assert row.trace.steps[-2].operation.padding == 0
    row.agrees(np.pad(row.x, [NONE, NONE, (2, 2), (2, 2)], constant_values=row.trace.background))


def test_zeros_before_a_shift_are_background():
    row = Row().pad(NONE, NONE, (2, 2), (2, 2)).affine(2.0, -1.0).conv(2).dense()
    assert row.trace.background == 0 and row.trace.margin == 2
    row.agrees(np.pad(row.x, [NONE, NONE, (2, 2), (2, 2)]))


def test_background_is_one_value_around_images_of_28_for_networks_of_32():
    for widths in ((1, 1), (3, 3), (2, 3)):
        row = Row((1, 1, 12, 12)).pad(NONE, NONE, widths, widths, value=0.5)
        refused(row.conv, "conv: ", "padded by 2")
    row = Row((1, 3, 8, 8)).affine(normal(3, 1, 1), normal(3, 1, 1)).pad(NONE, NONE, (2, 2), (2, 2), value=0.5)
    refused(row.conv, "one background for all channels")
    row = Row((1, 3, 8, 8)).pad(NONE, NONE, (2, 2), (2, 2), value=0.5)
    refused(lambda: row.affine(1.0, normal(3, 1, 1)), "one value around the maps")


# --- what computes ---


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


def test_activations_are_of_maps():
    for kind in ("tanh", "sigmoid", "relu"):
        Row().conv().curve(kind).dense().agrees()
        refused(lambda kind=kind: Row().curve(kind), f"an activation of pixels, {kind}")


def test_a_convolution_without_biases_has_zeros():
    row = Row()
    weight = normal(3, 1, 5, 5)
    row.trace.conv(row.flow, weight, None, "conv")
    close(outputs(row.trace, row.x), reference.conv5x5(row.x, weight, np.zeros(3)))


def test_a_border_takes_the_factors_at_its_own_places():
    row = Row().conv().pad(NONE, NONE, (1, 1), (1, 1), value=2.0)
    scale, shift = np.full((1, 3, 6, 6), 3.0), np.full((1, 3, 6, 6), -0.5)
    scale[..., 1:5, 1:5], shift[..., 1:5, 1:5] = normal(3, 1, 1), normal(3, 1, 1)
    row.affine(scale, shift).dense().agrees()


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
        (normal(3, 1, 5, 5), None, "wanted 1 input maps, found 2"),
        (normal(3, 3, 5, 5), None, "wanted 3 input maps, found 2"),
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


def test_pooling_is_of_maps_of_two_rows_or_more():
    refused(Row((1, 1, 5, 7)).conv().pool, "pool: wanted maps of at least 2x2, found 1x3")
    refused(Row((1, 1, 7, 5)).conv().pool, "pool: wanted maps of at least 2x2, found 3x1")
    flat = Row().conv().moved(lambda v: v.reshape(1, -1))
    refused(lambda: flat.trace.pool(flat.flow, "max", "pool"), "pool: wanted pooling of maps")


def test_maps_of_two_rows_are_pooled_to_one_value():
    Row((1, 1, 6, 6)).conv().pool().dense().agrees()


def test_an_image_may_be_pooled_first():
    Row((1, 3, 16, 16)).pool("average").conv().dense().agrees()


# --- full connections ---


def test_full_connections_have_one_bias_each_or_one_for_all_or_none():
    for bias in (None, np.array([0.5]), np.array(0.5), normal(4), normal(1, 4)):
        row = Row().conv()
        weight = normal(4, 48)
        row.trace.dense(row.flow, weight, bias, "full")
        wanted = row.values.reshape(3, -1) @ weight.T + (0 if bias is None else np.ravel(bias))
        close(outputs(row.trace, row.x), wanted)
    row = Row().conv()
    refused(lambda: row.trace.dense(row.flow, normal(4, 48), normal(3), "full"), "full: wanted a bias of 4 values")


@pytest.mark.parametrize("shape", [(4, 47), (4, 49), (48, 4), (4, 3, 16), (4, 48, 1), (48,)])
def test_a_full_connection_has_an_input_for_each_value(shape):
    row = Row().conv()
    refused(
        lambda: row.trace.dense(row.flow, normal(*shape), None, "full"), "full: wanted as many inputs as values (48)"
    )


def test_a_perceptron_is_no_lenet():
    refused(Row((1, 64)).dense, "full: ", "multilayer perceptron")


def test_full_connections_behind_each_other():
    row = Row().conv().dense(5)
    assert row.flow.shape == (1, 5)
    row.moved(lambda v: v[:, ::-1]).curve("tanh").dense(3).agrees()


def test_a_few_values_of_many_are_no_full_connection():
    """Else a short file could ask for as much memory as it likes."""
    row = Row((1, 1, 512, 512))
    row.flow = row.trace.conv(row.flow, normal(8, 1, 5, 5), None, "conv")
    few = row.flow.rearranged(row.flow.index.reshape(1, -1)[:, :10])
    refused(lambda: row.trace.dense(few, normal(4, 10), None, "full"), "full: wanted most of")


# --- RBF units ---


def units(order=slice(None), squared=True):
    """Differences of six values to four codes, the values in some order."""
    row = Row((1, 1, 8, 8)).conv().dense(6)
    codes = np.sign(normal(4, 6))
    flow = row.flow.rearranged(row.flow.index[:, None, order])
    flow = row.trace.difference(flow, codes[None, :, order], "codes", ("codes",))
    return row, codes, replace(flow, squared=True) if squared else flow


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_sums_of_squared_differences_are_distances(order):
    """A code's value belongs to the value that it was subtracted from, wherever the two lie."""
    row, codes, flow = units(order)
    result = row.trace.distances(flow, [2], "sum")
    assert result.shape == (1, 4)
    close(outputs(row.trace, row.x), reference.rbf_distances(row.values, codes))


def test_other_sums_are_no_distances():
    row, _, flow = units(squared=False)
    refused(lambda: row.trace.distances(flow, [2], "sum"), "sum: wanted a sum of squared differences")
    row, _, flow = units()
    refused(lambda: row.trace.distances(flow, [1], "sum"), "sum: wanted sums over all 6 values")
    refused(lambda: row.trace.distances(flow, [1, 2], "sum"), "sum: wanted a sum of squared differences")
    refused(lambda: row.trace.distances(row.flow, [1], "sum"), "sum: wanted a sum of squared differences")
    row = Row().conv().dense(6)
    for index in ([0, 0, 2, 3, 4, 5], [-1, 1, 2, 3, 4, 5]):
        moved = row.flow.rearranged(row.flow.index[:, None, np.maximum(index, 0)])
        moved.index[0, 0, np.array(index) < 0] = -1
        wrong = replace(row.trace.difference(moved, normal(1, 4, 6), "codes"), squared=True)
        refused(lambda w=wrong: row.trace.distances(w, [2], "sum"), "sum: wanted sums over all 6 values")
    part = row.trace.difference(row.flow.rearranged(row.flow.index[:, None, :5]), normal(1, 4, 5), "codes")
    part = replace(part, squared=True)
    refused(lambda: row.trace.distances(part, [2], "sum"), "sum: wanted sums over all 6 values, found sums over 5")


def test_differences_to_codes_are_for_distances_only():
    row, _, flow = units()
    refused(lambda: row.trace.curve(flow, "tanh", "curve"), "curve: ", "another use of differences")
    refused(lambda: row.trace.softmax(flow, -1, "softmax"), "softmax: ", "another use of differences")
    with pytest.raises(WeightsError, match="codes: wanted one value per map"):
        Row().trace.difference(Row().flow, normal(4, 1, 8, 8), "codes")
    wide = Row().conv()
    refused(lambda: wide.trace.difference(wide.flow, np.broadcast_to(0.0, (1 << 20, 3, 4, 4)), "codes"), "codes: ")


# --- the end ---


def test_softmax_is_over_all_classes():
    row = Row().conv().dense(6)
    flow = row.trace.softmax(row.flow, -1, "softmax")
    assert flow.shape == (1, 6)
    close(outputs(row.trace, row.x), reference.softmax(row.values))
    row = Row().conv()
    refused(lambda: row.trace.softmax(row.flow, 1, "softmax"), "softmax: wanted a softmax over the classes")
    refused(lambda: Row().trace.softmax(Row().flow, -1, "softmax"), "softmax: ", "pixels")


@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_a_label_ends_the_graph(kind):
    row = Row().conv().dense(6)
    row.flow = row.trace.decide(row.flow, kind, "label")
    assert row.trace.decision == kind and row.flow.index.size == 1
    refused(
        lambda: row.trace.affine(row.flow, 2.0, 0.0, "more"),
        f"more: wanted labels as the end of the graph, found a layer behind {kind}",
    )


# --- the row ---


def test_what_was_read_is_not_read_again():
    """A value that goes two ways is a branch, whatever reads it the second time."""
    row = Row().conv()
    before = row.flow
    row.curve("tanh")
    trace = row.trace
    for again in (
        lambda: trace.conv(before, normal(2, 3, 5, 5), None, "again", pads=[2] * 4),
        lambda: trace.pool(before, "max", "again"),
        lambda: trace.dense(before, normal(4, 48), None, "again"),
        lambda: trace.affine(before, 2.0, 0.0, "again"),
        lambda: trace.curve(before, "relu", "again"),
        lambda: trace.softmax(before, 1, "again"),
        lambda: trace.decide(before, "argmax", "again"),
    ):
        refused(again, "again: wanted layers in one row", "a branch: what 'curve' reads is read again")


def test_steps_know_their_names_in_the_file():
    row = Row()
    row.trace.conv(row.flow, normal(3, 1, 5, 5), normal(3), "conv1", tensors=["w", "b"])
    assert (row.trace.steps[0].where, row.trace.steps[0].tensors) == ("conv1", ("w", "b"))


def test_a_network_of_the_family_is_small():
    row = Row((1, 1, 512, 512))
    refused(
        lambda: row.trace.conv(row.flow, np.zeros((17, 1, 5, 5)), None, "conv"),
        "conv: ",
        "an output of 4,387,088 values",
    )
    row = Row((1, 1, 512, 512))
    row.trace.conv(row.flow, np.zeros((16, 1, 5, 5)), None, "conv")


# --- "same" padding ---


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
