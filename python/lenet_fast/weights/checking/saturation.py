"""What a trainer's outputs do not show: a network of saturated units gives them whatever came before those units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...images import Preprocess
from ...model import Model
from ...network import Network
from . import float64
from .elimination import Floats, scores
from .outputs import CLOSE, Expected

#: What a layer's weights are multiplied with, and by how many times what rounding may do the outputs must then move.
_NUDGE, _MOVES = np.float32(1.05), 3
_MOST_IMAGES = 100


def unseen(model: Model, images: NDArray[Any], expected: Expected, *, is_scaled: bool) -> str:
    """What could be something else, with these outputs all the same: a layer, or the scaling where that was open."""
    few, network = images[:_MOST_IMAGES], model.network
    before = scores(network, model.weights, _scaled(few, network, model.preprocess))
    for what, weights, preprocess in _nudged(model, is_scaled):
        after = scores(network, weights, _scaled(few, network, preprocess))
        if expected.apart(before, after, network.head) < _MOVES * CLOSE:
            return what
    return ""


def _scaled(images: NDArray[Any], network: Network, preprocess: Preprocess) -> Floats:
    return float64.scaled(images, network.input, preprocess).astype(np.float32)


def _nudged(model: Model, is_scaled: bool) -> Iterator[tuple[str, Mapping[str, Floats], Preprocess]]:
    """What is made larger, and the weights and the scaling with it: pixels, then the argument of each activation."""
    own = model.preprocess
    if is_scaled and not own.per_image:
        brighter = replace(own, scale=tuple(float(_NUDGE) * scale for scale in own.scale))
        yield "the scale of the pixels", model.weights, brighter
    for layer, figures in zip(model.network.layers, model.network.figures, strict=True):
        if getattr(layer, "activation", "identity") != "identity" and figures.parameters:
            larger = {name: model.weights[name] * _NUDGE for name in figures.parameters}
            yield f"what {figures.name} computes", {**model.weights, **larger}, own
