"""The core's plan of a model: network, weights and scaling, packed once for the chosen instruction set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ._core import DefaultArithmetic, Plan
from .calibration import Calibration
from .images import Preprocess
from .network import Network
from .tensors import Floats

_NOTHING = np.empty(0, np.float32)


def plan_of(
    network: Network,
    weights: Mapping[str, Floats],
    preprocess: Preprocess,
    calibration: Calibration,
    *,
    every_layer: bool,
) -> Plan:
    """Make the plan; with `every_layer` no layer is computed inside another, so that each can be read."""
    scale, shift = preprocess.per_channel(network.input[0])
    layers = []
    for figures in network.figures:
        first, second, *_ = [*(weights[name] for name in figures.parameters), _NOTHING, _NOTHING]
        layers.append((first, second))
    white, background = preprocess.white or 0.0, preprocess.background
    with DefaultArithmetic():
        return Plan(network.core, layers, scale, shift, white, background, calibration.for_engine(), every_layer)
