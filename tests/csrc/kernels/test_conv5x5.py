"""conv5x5-inl.hpp: 5x5 valid convolution against the oracle, on every instruction set."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from conftest import poisoned
from lenet_fast import Conv5x5, Network, Subsample2x2
from lenet_fast.kernels import conv5x5
from lenet_fast.networks import C3_TABLE


def tolerance(x, weight, bias, padding=0, connections=None):
    """A chain of k fused multiply-adds rounds k times, each time at most the sum of the magnitudes so far."""
    magnitude = reference.conv5x5(np.abs(x), np.abs(weight), np.abs(bias), connections, padding)
    return reference.EPSILON * (25 * x.shape[1] + 1) * magnitude + 1e-30


def case(random, n, inputs, outputs, height, width):
    x = random.normal(size=(n, inputs, height, width)).astype(np.float32)
    weight = random.normal(size=(outputs, inputs, 5, 5)).astype(np.float32)
    return x, weight, random.normal(size=outputs).astype(np.float32)


# Widths around every tile (2 to 12 columns), odd and single rows and columns.
@pytest.mark.parametrize("width", [*range(5, 20), 28, 29, 32])
@pytest.mark.parametrize("height", [5, 6, 7, 10])
def test_every_tile_width(isa, random, height, width):
    x, weight, bias = case(random, 3, 2, 3, height, width)
    found = conv5x5(poisoned(x), weight, bias)
    wanted = reference.conv5x5(x, weight, bias)
    assert found.dtype == np.float32
    assert (np.abs(found - wanted) <= tolerance(x, weight, bias)).all()


@pytest.mark.parametrize("n", [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65])
def test_every_number_of_images(isa, random, n):
    x, weight, bias = case(random, n, 3, 2, 7, 8)
    wanted = reference.conv5x5(x, weight, bias)
    assert (np.abs(conv5x5(poisoned(x), weight, bias) - wanted) <= tolerance(x, weight, bias)).all()


@pytest.mark.parametrize("padding", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 9), (5, 5), (6, 11)])
def test_padding(isa, random, size, padding):
    if min(size) + 2 * padding < 5:
        with pytest.raises(ValueError, match="a 5x5 kernel wants"):
            conv5x5(np.ones((1, 1, *size)), np.ones((1, 1, 5, 5)), padding=padding)
        return
    x, weight, bias = case(random, 5, 2, 2, *size)
    found = conv5x5(poisoned(x), weight, bias, padding=padding)
    wanted = reference.conv5x5(x, weight, bias, padding=padding)
    assert (np.abs(found - wanted) <= tolerance(x, weight, bias, padding)).all()


def test_stale_memory_is_never_read(isa, random):
    """A run full of NaN leaves its workspace behind; the next one, with borders and odd sizes, must not see it."""
    conv5x5(np.full((70, 4, 40, 40), np.nan, np.float32), np.ones((4, 4, 5, 5)), padding=4)
    x, weight, bias = case(random, 3, 2, 3, 9, 7)
    assert np.isfinite(conv5x5(x, weight, bias, padding=2)).all()


def test_connection_table(isa, random):
    x, weight, bias = case(random, 9, 6, 16, 14, 14)
    for output, sources in enumerate(C3_TABLE):
        weight[output, [i for i in range(6) if i not in sources]] = 0
    found = conv5x5(x, weight, bias, connections=C3_TABLE)
    wanted = reference.conv5x5(x, weight, bias, C3_TABLE)
    assert (np.abs(found - wanted) <= tolerance(x, weight, bias, connections=C3_TABLE)).all()


def test_connection_table_skips_maps(isa):
    """What is not connected is not read: infinity there does not become NaN."""
    x = np.ones((2, 2, 6, 6), np.float32)
    x[:, 1] = np.inf
    weight = np.ones((1, 2, 5, 5))
    weight[:, 1] = 0
    model = lenet_fast.Model(
        Network((2, 6, 6), (Conv5x5(1, connections=((0,),)),), "scores"), {"C1.weight": weight, "C1.bias": [0]}
    )
    assert (model.scores(x, check_finite=False) == 25).all()


@pytest.mark.parametrize("activation", ["identity", "scaled_tanh", "tanh", "sigmoid", "relu"])
def test_activation_follows(isa, random, activation):
    x, weight, bias = case(random, 6, 1, 2, 8, 9)
    found = conv5x5(x, weight, bias, activation=activation)
    wanted = reference.activate(activation, reference.conv5x5(x, weight, bias))
    assert (np.abs(found - wanted) <= 2 * tolerance(x, weight, bias) + 2 * reference.ACTIVATION_ERROR).all()


@pytest.mark.parametrize("pooling", ["trainable", "average", "max"])
@pytest.mark.parametrize("activation", ["identity", "scaled_tanh", "tanh", "sigmoid", "relu"])
@pytest.mark.parametrize("size", [(6, 6), (7, 9), (12, 17), (32, 32)])
def test_fused_with_subsampling(isa, random, size, activation, pooling):
    network = Network((2, *size), (Conv5x5(3, activation, padding=1), Subsample2x2(pooling, "scaled_tanh")), "scores")
    weights = reference.random_weights(network, random)
    x = random.random((11, 2, *size)).astype(np.float32)
    found = lenet_fast.Model(network, weights).scores(poisoned(x))
    wanted = reference.run(network, weights, x)["S2"].reshape(len(x), -1)
    assert np.abs(found - wanted).max() < 2e-6 * max(1, np.abs(wanted).max())
