"""weights/graph/operators/elementwise.py: factors and shifts broadcast as NumPy's do, and borders are computed too."""

from __future__ import annotations

import numpy as np
import pytest
from canonical import NONE, Row, normal, refused

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
