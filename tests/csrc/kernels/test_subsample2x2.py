"""subsample2x2-inl.hpp: 2x2 subsampling on its own, on every instruction set (fused: test_conv5x5.py)."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from conftest import poisoned
from lenet_fast.kernels import subsample2x2


@pytest.mark.parametrize("pooling", ["trainable", "average", "max"])
@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (3, 2, 3, 2), (9, 3, 5, 7), (16, 1, 8, 8), (33, 2, 2, 13)])
def test_against_the_oracle(isa, random, shape, pooling):
    x = random.normal(size=shape).astype(np.float32)
    pair = (
        {"coefficient": random.normal(size=shape[1]), "bias": random.normal(size=shape[1])}
        if pooling == "trainable"
        else {}
    )
    pair = {name: values.astype(np.float32) for name, values in pair.items()}
    found = subsample2x2(poisoned(x), pooling, **pair)
    wanted = reference.subsample2x2(x, pooling, **pair)
    assert found.shape == wanted.shape
    # Three additions and one fused multiply-add round four times.
    magnitude = (
        reference.subsample2x2(np.abs(x), "average") * 4 * np.abs(pair.get("coefficient", np.ones(1)))[:, None, None]
    )
    magnitude = magnitude + np.abs(pair.get("bias", np.zeros(1)))[:, None, None]
    assert (np.abs(found - wanted) <= 4 * reference.EPSILON * magnitude).all()


def test_maximum_is_exact_and_sums_are_in_order(isa):
    x = np.float32([[[[1e8, 1], [-1e8, 1]]]])  # (1e8 + 1) + (-1e8 + 1) in float32
    assert subsample2x2(x, "average")[0, 0, 0, 0] == np.float32(1e8 + 1) / 4 + np.float32(-1e8 + 1) / 4
    assert subsample2x2(x, "max")[0, 0, 0, 0] == np.float32(1e8)


def test_activation_follows(isa, random):
    x = random.normal(size=(5, 2, 4, 6)).astype(np.float32)
    found = subsample2x2(x, "average", activation="scaled_tanh")
    assert np.abs(found - reference.activate("scaled_tanh", reference.subsample2x2(x, "average"))).max() < 1e-6
