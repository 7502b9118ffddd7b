"""Activations of 4,704 values, as many as C1 has."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import _core


@pytest.mark.parametrize("name", ["scaled_tanh", "tanh", "sigmoid", "relu"])
def test_activation(benchmark, isa, name):
    values = np.random.default_rng(1998).normal(0, 2, 4704).astype(np.float32)
    assert np.abs(_core.activate(name, values) - reference.activate(name, values)).max() < 2e-6
    benchmark(_core.activate, name, values)
