"""bench/peers/folded.py: fewer operations, and still the network."""

from __future__ import annotations

import lenet_fast
import numpy as np
import reference
from lenet_fast.bench.peers.folded import folded
from lenet_fast.operations import Affine, Pool


def test_the_folded_operations_are_the_network(any_model, random):
    images = random.random((3, *any_model.network.input))
    wanted = reference.answers(any_model, images)
    found = reference.run_operations(folded(any_model), images)
    assert np.abs(found - wanted).max() < 1e-12 * max(1, np.abs(wanted).max())


def test_folding_leaves_no_constant_of_the_classic_network_outside_weights():
    operations = folded(lenet_fast.pretrained("digits"))
    assert not [operation for operation in operations if isinstance(operation, Affine | Pool)]
    assert len(operations) == 14
