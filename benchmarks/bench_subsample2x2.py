"""Subsampling on its own: bound by loads, it has no multiply-adds worth counting."""

from __future__ import annotations

import pytest
from lenet_fast import Network, Subsample2x2


@pytest.mark.parametrize("pooling", ["trainable", "average", "max"])
def test_subsample2x2(measure, batch, pooling):
    measure(Network((6, 28, 28), (Subsample2x2(pooling),), "scores"), batch)
