"""The reference networks from pixels to scores, on one thread: `lenet-fast bench` without the peers."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("batch", [1, 4, 16, 256, 4096])
@pytest.mark.parametrize("name", lenet_fast.networks())
def test_end_to_end(measure, name, batch, dtype):
    measure(lenet_fast.networks()[name], batch, dtype)
