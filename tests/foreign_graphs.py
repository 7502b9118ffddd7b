"""Networks of other frameworks, as PyTorch modules to compare with, and damage for their files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from lenet_fast import WeightsError
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.files import File
from torch import nn


def classic():
    """Tanh, average pooling, 28x28 padded by 2."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    ).eval()  # fmt: skip


def modern():
    """ReLU, max pooling, 32x32 in colour, softmax."""
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 10), nn.Softmax(1),
    ).eval()  # fmt: skip


def wide():
    """20-50-500: max pooling without an activation, one ReLU."""
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10),
    ).eval()  # fmt: skip


def leaky():
    """Leaky ReLU of a slope that is no round binary number, in each place; 28x28."""
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.LeakyReLU(0.1), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.AvgPool2d(2), nn.LeakyReLU(0.3),
        nn.Flatten(), nn.Linear(256, 84), nn.LeakyReLU(0.01), nn.Linear(84, 10),
    ).eval()  # fmt: skip


NETWORKS = {"classic": classic, "modern": modern, "wide": wide, "leaky": leaky}
SHAPES = {"classic": (1, 28, 28), "modern": (3, 32, 32), "wide": (1, 28, 28), "leaky": (1, 28, 28)}


def layers(module):
    """The module's layers with a name and NumPy weights each."""
    for name, layer in module.named_children():
        kind = type(layer).__name__
        yield f"{kind.lower()}{name}", kind, layer, [p.detach().numpy() for p in layer.parameters()]


def images(name, count=256, dtype=np.float32):
    random = np.random.default_rng(7)
    if dtype == np.uint8:
        return random.integers(0, 256, (count, *SHAPES[name]), dtype)
    return random.uniform(0, 1, (count, *SHAPES[name])).astype(dtype)


def outputs(module, pixels):
    """In float64."""
    with torch.no_grad():
        return module.double()(torch.from_numpy(np.asarray(pixels, np.float64))).numpy()


def loaded(reader, path):
    """The model of a reader's file; errors name the file, as the door of all readers sees to."""
    try:
        source = reader.read(File.open(Path(path)))
    except WeightsError as error:
        raise error.inside(str(path)) from error
    return build(source, Wishes(), str(path)).model


def error(model, pixels, wanted):
    """The largest difference, relative to an image's largest output."""
    found = model.predict_proba(pixels) if model.network.head == "softmax" else model.scores(pixels)
    return float((np.abs(found - wanted) / np.abs(wanted).max(1, keepdims=True)).max())


def check_damage(reader, path, begins_with, cuts=300, flips=500):
    """Every damage to the file must give a model or a WeightsError that begins with a path, and soon."""
    whole, random = path.read_bytes(), np.random.default_rng(0)
    damaged = [whole[:n] for n in {*random.integers(0, len(whole), cuts).tolist(), *range(0, min(len(whole), 200))}]
    for k in range(flips):
        data = bytearray(whole)
        within = len(whole) if k % 2 else min(len(whole), 2000)
        data[random.integers(0, within)] ^= 1 << random.integers(0, 8)
        damaged.append(bytes(data))
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        begin = time.process_time()
        try:
            with np.errstate(all="ignore"):  # a flipped exponent overflows where weights become float32
                loaded(reader, begins_with)
        except WeightsError as error:
            assert str(error.inside(str(path))).startswith(str(path.parent)), error
            refused += 1
        assert time.process_time() - begin < 60  # of this process's own time: milliseconds, unless a reader runs wild
    path.write_bytes(whole)
    return refused
