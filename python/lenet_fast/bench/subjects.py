"""What is measured: the reference networks of the family, or a model file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..model import Model
from ..networks import networks
from ..pretrained import pretrained
from ..weights.loading import load

#: The networks whose speed is recorded.
REFERENCES = ("lenet5-1998", "lenet5-tanh-average", "lenet5-relu-max")


def reference_models() -> dict[str, Model]:
    """The named networks: the classic one as pretrained, the others with seeded weights, since speed asks no more."""
    random = np.random.default_rng(1998)
    models = {}
    for name in REFERENCES:
        network = networks()[name]
        weights = {
            tensor: random.normal(0, 1 / math.sqrt(math.prod(shape[1:])), shape)
            for tensor, shape in network.parameters.items()
        }
        models[name] = pretrained("digits") if name == "lenet5-1998" else Model(network, weights)
    return models


def subject(name: str) -> Model:
    """A reference network or bundled model by its name, or the model in a file; ValueError if it is none of these."""
    models = reference_models()
    if name in models:
        return models[name]
    if not Path(name).exists():
        if name in pretrained():
            return pretrained(name)
        raise ValueError(f"model: wanted a file, or one of {', '.join([*models, *pretrained()])}, found {name!r}")
    return load(name)


def some_images(model: Model, count: int) -> NDArray[np.uint8]:
    """Different images of the network's size, (count, channels, height, width)."""
    return np.random.default_rng(5).integers(0, 256, (count, *model.network.input), np.uint8)


def scaled(model: Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The images as the first layer sees them, which is what other runtimes want."""
    factors = np.array(model.preprocess.per_channel(model.network.input[0]), np.float32)
    scale, shift = factors[:, :, None, None]
    white = np.float32(model.preprocess.white or 1)
    return np.asarray(images / np.float32(255) * white * scale + shift, np.float32)
