"""What the tests of the peers share."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from lenet_fast.bench.peers import PEERS


@pytest.fixture
def check_peer(any_model, random):
    """Compare what every way of a peer answers with the oracle; skip where the peer is not installed."""

    def check(name):
        if PEERS[name].version() is None:
            pytest.skip(f'{PEERS[name].title} is not installed (pip install ".[bench]")')
        images = random.random((2, *any_model.network.input)).astype(np.float32)
        wanted = reference.answers(any_model, images)
        found = 0
        for batch in (1, 2):
            for way in PEERS[name].ways(any_model, 1, batch):
                if way.name == "compiled":
                    continue  # takes seconds, and is the same modules as "eager"
                data = way.prepare(images)
                answers = np.concatenate([np.array(way.run(data[i : i + batch])) for i in range(0, 2, batch)])
                assert np.abs(answers - wanted).max() < 2e-6 * max(1, np.abs(wanted).max()), way.name
                found += 1
        assert found

    return check
