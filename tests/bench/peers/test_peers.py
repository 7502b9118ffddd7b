"""bench/peers/__init__.py: peers by name, installed or not, imported when they are asked for."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Subsample2x2
from lenet_fast.bench.peers import PEERS, Peer, writings
from lenet_fast.operations import Affine, plain


def test_a_version_is_that_of_the_first_package_where_all_are_there():

    assert Peer("x", "x", ("numpy", "pytest")).version() == np.__version__
    assert Peer("x", "x", ("pytest", "numpy")).version() == pytest.__version__
    assert Peer("x", "x", ("numpy", "no-such-package-at-all")).version() is None


def test_peers_are_imported_only_when_asked_for():
    """No runtime costs anything, or need be there, before it is timed."""
    code = "import sys, lenet_fast.bench.peers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "onnxruntime", "openvino", "ncnn", "ai_edge_litert"} & set(done.stdout.split())


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_its_file(name):
    from importlib.util import find_spec

    assert PEERS[name].module == name
    assert find_spec(f"lenet_fast.bench.peers.{name}")


def made(random, pooling):
    network = Network((1, 8, 8), (Conv5x5(2, "tanh"), Subsample2x2(pooling), Dense(3)), "scores")
    return Model(network, reference.random_weights(network, random))


def test_a_model_is_written_twice_where_that_is_shorter(random):
    names = [name for name, _ in writings(made(random, "max"))]
    assert names == ["plain"]
    model = made(random, "trainable")
    (first, whole), (second, shorter) = writings(model)
    assert (first, second) == ("plain", "folded")
    assert [type(operation) for operation in whole] == [type(operation) for operation in plain(model)]
    assert sum(isinstance(o, Affine) for o in shorter) < sum(isinstance(o, Affine) for o in whole)
