"""What the tests of foreign formats share: a LeNet with its scores by torch, and files that are damaged."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.files import File
from lenet_fast.weights.mapping.answers import Answers

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")


@functools.cache
def lenet():
    """Name -> array, PyTorch's names and orders: conv 6@5x5, conv 16@5x5, dense 120, 84, 10."""
    random = np.random.default_rng(5)
    tensors = {}
    for name, shape in zip(LAYERS, ((6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)), strict=True):
        scale = 1 / np.sqrt(np.prod(shape[1:]))
        tensors[f"{name}.weight"] = random.normal(0, scale, shape).astype(np.float32)
        tensors[f"{name}.bias"] = random.normal(0, scale, shape[0]).astype(np.float32)
    return tensors


def hwio(kernel="kernel", bias="bias", separator="/"):
    """The same network in the orders of Keras and Flax: HWIO, IO, maps flattened as (row, column, map)."""
    found = {}
    for name in LAYERS:
        weight = lenet()[f"{name}.weight"]
        if name == "fc1":
            weight = weight.reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)
        found[f"{name}{separator}{kernel}"] = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        found[f"{name}{separator}{bias}"] = lenet()[f"{name}.bias"]
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


@functools.cache
def torch_scores():
    """256 random images, and the scores that torch computes for them."""
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")
    tensors = {name: torch.from_numpy(array.copy()) for name, array in lenet().items()}
    images = np.random.default_rng(6).random((256, 32, 32), np.float32)
    x = torch.from_numpy(images)[:, None]
    for name in ("conv1", "conv2"):
        x = torch.conv2d(x, tensors[f"{name}.weight"], tensors[f"{name}.bias"])
        x = torch.max_pool2d(torch.relu(x), 2)
    x = x.flatten(1)
    for name in ("fc1", "fc2", "fc3"):
        x = x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
        x = torch.relu(x) if name != "fc3" else x
    return images, x.numpy()


def same_arrays(found, wanted):
    """Whether two mappings have the same names, shapes, kinds and values."""
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].shape == array.shape, name
        assert found[name].dtype.newbyteorder("=") == array.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def computes_like_torch(source, flatten=None):
    """Whether the model of these tensors has torch's scores."""
    images, wanted = torch_scores()
    model = build(source, Wishes(network="lenet5-relu-max", answers=Answers(flatten=flatten)), "file").model
    assert np.abs(model.scores(images) - wanted).max() <= 1e-5 * np.abs(wanted).max()


def refused(read, path, data, way_out=""):
    """The message of the WeightsError, which begins with the path and is one line."""
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        read(File.open(path))
    message = str(caught.value.inside(str(path)))
    assert message.startswith(f"{path}: ") and "\n" not in message and way_out in message
    return message


def survives_damage(read, path, cut_may_be_whole=False):
    """Cut the file at some hundred places and flip 500 bits: arrays or WeightsError, never anything else.

    A cut file is refused always, but for formats whose files may end after any of their arrays.
    """
    data = path.read_bytes()
    random = np.random.default_rng(7)
    places = {*range(min(len(data), 200)), *range(max(len(data) - 100, 0), len(data))}
    for place in sorted(places | set(random.integers(0, len(data), 100).tolist())):
        (outcome if cut_may_be_whole else refused)(read, path, data[:place])
    for i in range(500):
        damaged = bytearray(data)
        place = int(random.integers(0, len(data) if i % 2 else min(len(data), 1000)))
        damaged[place] ^= 1 << int(random.integers(0, 8))
        outcome(read, path, bytes(damaged))
    path.write_bytes(data)


def outcome(read, path, data):
    """Arrays and perhaps a model, or WeightsError."""
    path.write_bytes(data)
    try:
        source = read(File.open(path))
        build(source, Wishes(network="lenet5-relu-max", answers=Answers(flatten="CHW")), str(path))
    except WeightsError as error:
        assert str(error.inside(str(path))).startswith(f"{path}: ")
