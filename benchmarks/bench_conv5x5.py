"""Convolutions as the reference networks have them, alone and with what is fused to them."""

from __future__ import annotations

import lenet_fast
import pytest
from lenet_fast import Conv5x5, Network, Subsample2x2

C3_TABLE = lenet_fast.networks()["lenet5-1998"].layers[2].connections
LAYERS = {
    "C1": ((1, 32, 32), (Conv5x5(6),)),
    "C1, tanh, average": ((1, 32, 32), (Conv5x5(6, "tanh"), Subsample2x2("average"))),
    "C1, relu, max": ((1, 32, 32), (Conv5x5(6, "relu"), Subsample2x2("max"))),
    "C1 of three channels": ((3, 32, 32), (Conv5x5(6),)),
    "C3, connection table": ((6, 14, 14), (Conv5x5(16, connections=C3_TABLE),)),
    "C3, all connected": ((6, 14, 14), (Conv5x5(16),)),
    "C5": ((16, 5, 5), (Conv5x5(120),)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_conv5x5(measure, batch, name):
    size, layers = LAYERS[name]
    measure(Network(size, layers, "scores"), batch)
