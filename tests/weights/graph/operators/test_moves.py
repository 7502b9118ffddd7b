"""weights/graph/operators/moves.py: what moves values moves those of constants and of images alike."""

from __future__ import annotations

import numpy as np
import pytest
from canonical import NONE, Row, refused

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
        refused(lambda w=widths: row.trace.pad(row.flow, (NONE, NONE, *w), 0.0, "pad"), "pad: wanted a border")
