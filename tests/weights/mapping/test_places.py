"""weights/mapping/places.py: every kernel of a network is one record of what may fill it."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import RBF, Conv5x5, Dense, Network, Subsample2x2
from lenet_fast.networks import C3_TABLE
from lenet_fast.weights.mapping.places import Filled, places

NETWORKS = lenet_fast.networks()


@pytest.mark.parametrize("name", NETWORKS)
def test_places_are_the_networks_kernels_and_biases_in_the_order_of_its_layers(name):
    """What they leave over belongs to trainable subsampling."""
    network = NETWORKS[name]
    found = places(network)
    layers = [layer for layer in network.layers if not isinstance(layer, Subsample2x2)]
    assert [place.layer for place in found] == layers
    assert all(network.parameters[place.name] == place.shape for place in found)
    assert all(network.parameters[place.bias] == place.shape[:1] for place in found if place.bias)
    rest = set(network.parameters) - {p.name for p in found} - {p.bias for p in found}
    trainable = [layer for layer in network.layers if isinstance(layer, Subsample2x2) and layer.pooling == "trainable"]
    assert len(rest) == 2 * len(trainable)


def test_the_paper():
    found = {place.name: place for place in places(NETWORKS["lenet5-1998"])}
    assert [*found] == ["C1.weight", "C3.weight", "C5.weight", "F6.weight", "output.weight"]
    before = [(1, 32, 32), (6, 14, 14), (16, 5, 5), (120, 1, 1), (84, 1, 1)]
    assert [place.before for place in found.values()] == before
    assert [place.table for place in found.values()] == [(), C3_TABLE, (), (), ()]
    assert [place.bias for place in found.values()][-2:] == ["F6.bias", ""]
    assert [place.takes_all for place in found.values()] == [False, False, True, True, True]


def test_only_what_follows_a_full_connection_lies_behind_one():
    """There maps are no maps any more, and nothing is flattened."""
    layers = (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(4, "tanh"), Dense(3, "tanh"), RBF(2))
    found = places(Network((1, 8, 8), layers, "rbf"))
    assert [place.is_behind_dense for place in found] == [False, False, True, True]


def test_a_filled_place_names_all_that_it_was_made_of():
    assert Filled(np.ones(2), ("a", "b")).source == "a, b"
