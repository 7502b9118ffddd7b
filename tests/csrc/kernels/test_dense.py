"""dense-inl.hpp: full connection and RBF distances against the oracle, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from conftest import poisoned
from lenet_fast.kernels import dense, rbf_distances


# Outputs around the tiles of 6 and 12, images around blocks of 2, 8, 16 and 32.
@pytest.mark.parametrize("outputs", [1, 5, 6, 7, 10, 11, 12, 13, 84])
@pytest.mark.parametrize(("n", "inputs"), [(1, 1), (2, 3), (7, 120), (9, 5), (17, 84), (33, 2)])
def test_dense(isa, random, n, inputs, outputs):
    x, weight, bias = (random.normal(size=s).astype(np.float32) for s in ((n, inputs), (outputs, inputs), outputs))
    magnitude = reference.dense(np.abs(x), np.abs(weight), np.abs(bias))
    found = dense(poisoned(x), weight, bias)
    assert (np.abs(found - reference.dense(x, weight, bias)) <= reference.EPSILON * (inputs + 1) * magnitude).all()


@pytest.mark.parametrize("classes", [1, 6, 10, 12, 96])
@pytest.mark.parametrize(("n", "inputs"), [(1, 1), (5, 84), (16, 7), (40, 3)])
def test_rbf_distances(isa, random, n, inputs, classes):
    x, codes = (random.normal(size=s).astype(np.float32) for s in ((n, inputs), (classes, inputs)))
    wanted = reference.rbf_distances(x, codes)
    # A difference rounds once, its square once: 2.5 roundings of each term, and one for each sum.
    assert (np.abs(rbf_distances(poisoned(x), codes) - wanted) <= reference.EPSILON * (inputs + 3) * wanted).all()


def test_zero_distance_is_zero(isa, random):
    codes = random.normal(size=(3, 84)).astype(np.float32)
    assert np.diag(rbf_distances(codes, codes)).tolist() == [0, 0, 0]


def test_activation_follows(isa, random):
    x, weight = random.normal(size=(3, 4)), random.normal(size=(5, 4))
    assert np.allclose(dense(x, weight, activation="sigmoid"), reference.activate("sigmoid", x @ weight.T), atol=1e-6)


def test_no_inputs_at_all():
    assert dense(np.ones((0, 3)), np.ones((4, 3))).shape == (0, 4)
    assert rbf_distances(np.ones((0, 3)), np.ones((4, 3))).shape == (0, 4)


@pytest.mark.parametrize("n", [1, 2, 9, 17, 40])
@pytest.mark.parametrize(("operation", "code"), [(rbf_distances, 0.0), (dense, None)])
def test_a_chain_rounds_once_a_step_inputs_ascending(isa, operation, code, n):
    """(1 + 2^-12)^2 + 2^-24 is a float32 number that no product rounded before it is added, and no other order, gives.

    The same bits on every instruction set rest on it: table.hpp writes the chain down.
    """
    x = np.tile(np.float32([2**-12, 1 + 2**-12]), (n, 1))
    other = x[:1] if code is None else np.full((1, 2), code)
    assert (operation(x, np.repeat(other, 13, axis=0)) == 1 + 2**-11 + 2**-23).all()
    assert (operation(x[:, ::-1], np.repeat(other[:, ::-1], 13, axis=0)) == 1 + 2**-11).all()
