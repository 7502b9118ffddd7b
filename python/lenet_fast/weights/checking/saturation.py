"""What a trainer's outputs do not show: a network of saturated units gives them whatever came before those units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model import Model
from . import float64
from .elimination import scores
from .outputs import CLOSE, Expected

#: What a layer's weights are multiplied with, and by how many times what rounding may do the outputs must then move.
_NUDGE, _MOVES = np.float32(1.05), 3
_MOST_IMAGES = 100


def unseen(model: Model, images: NDArray[Any], expected: Expected, *, is_scaled: bool) -> str:
    """What could be something else, with these outputs all the same: a layer, or the scaling where that was open."""
    network, weights = model.network, model.weights
    x = float64.scaled(images[:_MOST_IMAGES], network.input, model.preprocess).astype(np.float32)
    before = scores(network, weights, x)
    brighter = replace(model.preprocess, scale=tuple(float(_NUDGE) * scale for scale in model.preprocess.scale))
    if is_scaled and not model.preprocess.per_image:
        after = scores(
            network, weights, float64.scaled(images[:_MOST_IMAGES], network.input, brighter).astype(np.float32)
        )
        if expected.apart(before, after, network.head) < _MOVES * CLOSE:
            return "the scale of the pixels"
    for layer, figures in zip(network.layers, network.figures, strict=True):
        if getattr(layer, "activation", "identity") != "identity" and figures.parameters:
            nudged = {name: weights[name] * _NUDGE for name in figures.parameters}
            after = scores(network, {**weights, **nudged}, x)
            if expected.apart(before, after, network.head) < _MOVES * CLOSE:
                return f"what {figures.name} computes"
    return ""
