"""pixels-inl.hpp: pixels of every type and layout reach the first layer unchanged, on every instruction set."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import Conv5x5, Model, Network, Preprocess, _core


def through(images, size, **preprocess):
    """The network's input as the first layer sees it: a convolution that copies the middle of each window."""
    channels = size[0]
    weight = np.zeros((channels, channels, 5, 5))
    weight[range(channels), range(channels), 2, 2] = 1
    network = Network(size, (Conv5x5(channels, padding=2),), "scores")
    model = Model(network, {"C1.weight": weight, "C1.bias": np.zeros(channels)}, preprocess=Preprocess(**preprocess))
    return model.activations(images)["C1"]


def test_uint8_is_divided_exactly(isa):
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert (through(images, (1, 16, 16))[0, 0] == images[0].astype(np.float32) / np.float32(255)).all()


def test_uint8_and_float_give_the_same_bits(isa, random):
    images = random.integers(0, 256, (5, 3, 9, 8), np.uint8)
    scaling = {"scale": (1.5, 2.0, 0.3), "shift": (-0.1, 0.4, 0.0)}
    as_bytes = through(images, (3, 9, 8), **scaling)
    as_floats = through(images.astype(np.float32) / np.float32(255), (3, 9, 8), **scaling)
    assert as_bytes.tobytes() == as_floats.tobytes()
    wanted = images / 255 * np.reshape(scaling["scale"], (3, 1, 1)) + np.reshape(scaling["shift"], (3, 1, 1))
    assert np.abs(as_bytes - wanted).max() < 3e-7


@pytest.mark.parametrize("width", [1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_width_side_by_side_and_strided(isa, random, dtype, width):
    """Pixels that lie together are read as vectors, others one by one: with the same result."""
    images = random.integers(0, 256, (21, 2, 3, width), np.uint8)
    if dtype == np.float32:
        images = (images / 255).astype(np.float32)
    strided = np.repeat(images, 2, axis=3)[..., ::2]
    size, scaling = (2, 3, width), {"scale": 1.275, "shift": -0.1}
    found = through(images, size, **scaling)
    assert found.tobytes() == through(strided, size, **scaling).tobytes()
    assert np.abs(found - (images / (255 if dtype == np.uint8 else 1) * 1.275 - 0.1)).max() < 3e-7


@pytest.mark.parametrize("background", [0.0, 0.25, 1.0])
def test_smaller_images_are_centred_on_background(isa, random, background):
    images = random.integers(0, 256, (3, 28, 28), np.uint8)
    scaling = {"scale": 1.275, "shift": -0.1}
    framed = np.full((3, 32, 32), background, np.float32)
    framed[:, 2:-2, 2:-2] = images.astype(np.float32) / np.float32(255)
    small, large = (through(x, (1, 32, 32), background=background, **scaling) for x in (images, framed))
    assert small.tobytes() == large.tobytes()


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 17, 100])
def test_pixel_range(isa, random, count):
    row = random.normal(size=(1, 1, 1, count)).astype(np.float32)
    usual = bool(row.min() >= -0.5 and row.max() <= 1.5)
    assert _core.pixel_range(row, 1.0) == (row.min(), row.max(), True, usual)
    assert _core.pixel_range(np.repeat(row, 2, axis=3)[..., ::2], 1.0) == (row.min(), row.max(), True, usual)
    for bad in (np.nan, np.inf, -np.inf):
        for place in {0, count // 2, count - 1}:
            altered = row.copy()
            altered[..., place] = bad
            assert not _core.pixel_range(altered, 1.0)[2]


def test_misaligned_pixels(isa, random):
    raw = np.zeros(4 * 28 * 28 * 4 + 1, np.uint8)
    images = raw[1:].view(np.float32).reshape(4, 28, 28)
    images[...] = random.random((4, 28, 28))
    assert not images.flags.aligned
    model = lenet_fast.pretrained("digits")
    assert model.scores(images).tobytes() == model.scores(images.copy()).tobytes()
