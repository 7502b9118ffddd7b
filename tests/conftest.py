"""Fixtures shared by the tests: instruction sets, data, models."""

from __future__ import annotations

import io
import os
from itertools import pairwise
from pathlib import Path

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Subsample2x2, _core
from lenet_fast.idx import read_idx

os.environ.setdefault("KERAS_BACKEND", "torch")  # before anybody imports keras

#: The named networks, and others whose layers come in every order.
FAMILY = {
    **lenet_fast.networks(),
    "mixed": Network((2, 21, 25), (Conv5x5(3, "sigmoid", 2), Subsample2x2("max", "scaled_tanh"), Subsample2x2("trainable", "relu"), Conv5x5(4, "scaled_tanh", 1), Dense(7, "scaled_tanh"), RBF(3)), "rbf"),
    "leaky": Network((1, 20, 20), (Conv5x5(3, "leaky_relu", slope=0.1), Subsample2x2("trainable", "leaky_relu", 0.3), Conv5x5(4, "leaky_relu", slope=0.01), Subsample2x2("max"), Dense(7, "leaky_relu", 1), Dense(5)), "scores"),
    "no dense layer": Network((1, 12, 12), (Conv5x5(4, "scaled_tanh"), Subsample2x2("max"), Subsample2x2("trainable")), "scores"),
    "pooled first": Network((3, 16, 16), (Subsample2x2("trainable"), Conv5x5(2, "tanh", 1), Subsample2x2("average", "scaled_tanh"), Dense(5)), "softmax"),
}  # fmt: skip


@pytest.fixture(params=_core.available_isas())
def isa(request, monkeypatch):
    """Every instruction set that this machine can run, forced for the plans that the test makes."""
    monkeypatch.setenv("LENET_FAST_ISA", request.param)
    return request.param


@pytest.fixture
def random():
    return np.random.default_rng(1998)


@pytest.fixture
def threads():
    """`set_num_threads`, undone after the test."""
    before = lenet_fast.info()["threads"]
    yield lenet_fast.set_num_threads
    lenet_fast.set_num_threads(before)


@pytest.fixture(params=FAMILY)
def any_model(request, random):
    """Every network of the family, with random weights."""
    network = FAMILY[request.param]
    return Model(network, reference.random_weights(network, random))


@pytest.fixture
def digits():
    """The bundled model, planned anew, so that it obeys the instruction set that the test forces."""
    bundled = lenet_fast.pretrained("digits")
    return lenet_fast.Model(bundled.network, bundled.weights, preprocess=bundled.preprocess)


@pytest.fixture(scope="session")
def mnist():
    """MNIST's test images (10,000, 28, 28) and labels, where LENET_FAST_DATA says that they are."""
    if "LENET_FAST_DATA" not in os.environ:
        pytest.skip("LENET_FAST_DATA is not set: no MNIST (a folder with mnist/t10k-images-idx3-ubyte.gz)")
    folder = Path(os.environ["LENET_FAST_DATA"]) / "mnist"
    return tuple(read_idx(folder / f"t10k-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))


@pytest.fixture(scope="session")
def cifar10():
    """The test pictures of CIFAR-10's JPEG copy (10,000, 32, 32, 3) and labels, where LENET_FAST_DATA says they are."""
    from PIL import Image

    path = Path(os.environ.get("LENET_FAST_DATA", "")) / "cifar10" / "test.npz"
    if "LENET_FAST_DATA" not in os.environ or not path.exists():
        pytest.skip("LENET_FAST_DATA is not set, or has no cifar10/test.npz: no CIFAR-10")
    with np.load(path, allow_pickle=False) as arrays:
        data, offsets, labels = arrays["jpeg"].tobytes(), arrays["offsets"], arrays["labels"]
    pictures = [Image.open(io.BytesIO(data[a:b])) for a, b in pairwise(offsets)]
    return np.stack([np.asarray(picture) for picture in pictures]), labels


def poisoned(values):
    """A view with the same values whose surroundings, in every direction, are NaN."""
    values = np.asarray(values, np.float32)
    around = np.full([2 * n + 3 for n in values.shape], np.nan, np.float32)
    view = around[tuple(slice(1, 2 * n + 1, 2) for n in values.shape)]
    view[...] = values
    return view
