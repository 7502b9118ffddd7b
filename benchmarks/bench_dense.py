"""Full connection and RBF distances."""

from __future__ import annotations

import pytest
from lenet_fast import RBF, Dense, Network

LAYERS = {"C5 as dense": ((16, 5, 5), Dense(120)), "F6": ((120, 1, 1), Dense(84)), "output": ((84, 1, 1), RBF(10))}


@pytest.mark.parametrize("name", LAYERS)
def test_dense(measure, batch, name):
    size, layer = LAYERS[name]
    measure(Network(size, (layer,), "rbf" if isinstance(layer, RBF) else "scores"), batch)
