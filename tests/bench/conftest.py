"""What the tests of the contest share."""

from __future__ import annotations

import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network
from lenet_fast.bench.peers import PEERS, Peer, Way


@pytest.fixture
def small(random):
    """A model whose layers take no time."""
    network = Network((1, 6, 6), (Conv5x5(2, "tanh"), Dense(3)), "scores")
    return Model(network, reference.random_weights(network, random))


@pytest.fixture
def rivals(small, monkeypatch):
    """A peer that knows the answers beforehand, one that lies and one that is not there; the model that they know."""

    class Rival(Peer):
        def version(self):
            return None if self.module == "absent" else "1"

        def ways(self, model, threads, batch):
            yield Way("by heart", lambda scores: scores + (self.module == "liar"), model.scores)

    for name in ("oracle", "liar", "absent"):
        monkeypatch.setitem(PEERS, name, Rival(name.title(), name, (name,)))
    return small
