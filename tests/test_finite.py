"""finite.py: which numbers the core can take."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast.finite import TINY, finite, fit_float32, number


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.float16(2), np.int8(2), np.uint64(2), np.array(2.0)])
def test_any_real_number_becomes_a_plain_one(value):
    assert type(number("x", value)) is float
    assert finite("x", value) == 2.0


@pytest.mark.parametrize("value", [None, "2", True, np.True_, 2j, [2], np.array([2.0])])
def test_what_is_none_is_named(value):
    with pytest.raises(TypeError, match="x: wanted a number, found"):
        number("x", value)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3.5e38, -1e300, 10**400, -(10**400)])
def test_what_float32_has_not(value):
    with pytest.raises(ValueError, match="x: wanted a finite number, found .*; float32 ends at 3.4e38"):
        finite("x", value)
    assert not fit_float32(1.0, number("x", value))


def test_the_largest_that_rounds_to_a_float32_fits():
    largest = float(np.finfo(np.float32).max)
    assert fit_float32(largest, -largest, 3.40282350e38, 0.0, 1e-300)
    assert not fit_float32(3.4028236e38)
    assert np.float32(1) / np.float32(TINY) < np.inf
