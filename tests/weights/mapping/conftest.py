"""Fixtures of the tests that give arrays to a network."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast.networks import TEMPLATES


@pytest.fixture
def relu_max():
    """lenet5-relu-max, and its tensors as PyTorch names them."""
    network = TEMPLATES["lenet5-relu-max"].network()
    weights = reference.random_weights(network, np.random.default_rng(31))
    return network, {f"layer{i // 2}.{n.rpartition('.')[2]}": a for i, (n, a) in enumerate(weights.items())}
