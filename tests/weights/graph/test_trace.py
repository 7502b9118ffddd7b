"""weights/graph/trace.py: a graph is one row from an image whose axes are found; what is no row is refused."""

from __future__ import annotations

import numpy as np
import pytest
from canonical import MOVES, NONE, Row, Trace, last_to_first, normal, refused
from lenet_fast import Budget, OverBudgetError
from lenet_fast.budget import spending

# --- the image ---


@pytest.mark.parametrize("shape", [(1, 1, 0, 28), (1, -1, 28, 28), (1, 1, 28, 0), (1,), (1,) * 10])
def test_an_image_has_known_sizes(shape):
    refused(lambda: Trace().image(shape), "input: wanted an image of known size")


def test_the_pixels_of_an_image_are_counted():
    assert Trace().image((1, 1, 512, 512)).index.size == 1 << 18
    with pytest.raises(OverBudgetError, match="found 1,099,511,627,776"):
        Trace().image((1, 1, 1 << 20, 1 << 20))


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


@pytest.mark.parametrize("value", [1.0, -0.5])
def test_maps_inside_the_network_have_no_background(value):
    row = Row((1, 1, 12, 12)).conv().pad(NONE, NONE, (2, 2), (2, 2), value=value)
    refused(row.conv, "conv: wanted a border of zeros", f"one of {value:g}")


# --- whole maps ---


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


def test_the_values_of_every_output_are_counted():
    row = Row((1, 1, 512, 512))
    with spending(Budget(values=16 * 508 * 508)) as spent:
        row.trace.conv(row.flow, np.zeros((16, 1, 5, 5)), None, "conv")
        assert spent.spent["values"] == 16 * 508 * 508
    row = Row((1, 1, 512, 512))
    with spending(Budget(values=16 * 508 * 508)), pytest.raises(OverBudgetError, match="found 4,387,088"):
        row.trace.conv(row.flow, np.zeros((17, 1, 5, 5)), None, "conv")


def test_the_parameters_of_all_layers_are_counted_together():
    row = Row((1, 1, 12, 12))
    with spending(Budget(parameters=50)), pytest.raises(OverBudgetError, match="at most 50 parameters, found 75"):
        row.flow = row.trace.conv(row.flow, np.zeros((1, 1, 5, 5)), None, "conv")
        row.trace.conv(row.flow, np.zeros((2, 1, 5, 5)), None, "conv")
