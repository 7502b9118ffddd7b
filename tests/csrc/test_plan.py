"""plan.cpp: weights of their shapes' sizes, layers that are fused or not, and buffers that nobody else's values reach."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Subsample2x2, _core

NETWORK = Network((1, 8, 8), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(3)), "scores")


def planned(layers, every_layer=False):
    return _core.Plan(NETWORK.core, layers, [1.0], [0.0], 1.0, 0.0, (1.0, 0.0, np.inf), every_layer)


@pytest.fixture
def layers(random):
    w = reference.random_weights(NETWORK, random)
    nothing = np.empty(0, np.float32)
    return [(w["C1.weight"], w["C1.bias"]), (nothing, nothing), (w["F3.weight"], w["F3.bias"])]


@pytest.mark.parametrize("layer", [0, 2])
@pytest.mark.parametrize("place", [0, 1])
def test_weights_of_another_size_are_refused(layers, layer, place):
    for change in (lambda a: a.ravel()[:-1], lambda a: np.append(a, 0)):
        wrong = [list(pair) for pair in layers]
        wrong[layer][place] = change(wrong[layer][place]).astype(np.float32)
        with pytest.raises(ValueError, match="wanted"):
            planned([tuple(pair) for pair in wrong])


def test_weights_are_copied(isa, layers, random):
    plan, images, found = planned(layers), random.random((20, 1, 8, 8)).astype(np.float32), []
    for _ in range(2):
        out = np.empty((20, 3), np.float32)
        plan.run(images, layers=[(2, out)])
        found.append(out.tobytes())
        layers[0][0][...] = 0
    assert found[0] == found[1]


@pytest.mark.parametrize("pooling", ["trainable", "average", "max"])
def test_layers_keep_their_bits_whether_fused_or_not(isa, random, pooling):
    """`activations` plans every layer, `scores` fuses subsampling with the convolution before it."""
    layers = (Conv5x5(3, "leaky_relu", 2, slope=0.1), Subsample2x2(pooling, "tanh"), Conv5x5(4, "tanh"), Dense(3))
    model = Model(net := Network((2, 13, 14), layers, "scores"), reference.random_weights(net, random))
    for count in (1, 5, 37):
        images = random.random((count, 2, 13, 14)).astype(np.float32)
        assert model.activations(images)["F4"].tobytes() == model.scores(images).tobytes()


def test_borders_stay_zero_run_after_run(isa, random):
    """Padding's zeros lie in memory that other images, and other models, have used."""
    layers = (Conv5x5(3, "tanh", 4), Conv5x5(2, "tanh", 3), Dense(3))
    net = Network((1, 6, 6), layers, "scores")
    model = Model(net, reference.random_weights(net, random))
    images = random.random((19, 1, 6, 6)).astype(np.float32)
    wanted = model.scores(images).tobytes()
    other = Network((1, 20, 20), (Dense(40), Dense(3)), "scores")
    ones = {name: np.full(shape, 9.0) for name, shape in other.parameters.items()}
    for _ in range(2):
        Model(other, ones).scores(np.ones((19, 1, 20, 20), np.float32))
        assert model.scores(images).tobytes() == wanted
