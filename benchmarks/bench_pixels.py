"""Pixels on their way in; maxima of 2x2 windows, five times over, are the least that can follow."""

from __future__ import annotations

import numpy as np
import pytest
from lenet_fast import Network, Subsample2x2


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels(measure, batch, channels, dtype):
    measure(Network((channels, 32, 32), (Subsample2x2("max"),) * 5, "scores"), batch, dtype)
