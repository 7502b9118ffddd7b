"""How far a model's outputs are from those of the program that it came from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ArgumentError
from ..model import Model

#: Of an image's largest output: what float32 in another order of summation may differ by.
_CLOSE = 1e-5


def distance(model: Model, images: ArrayLike, wanted: NDArray[Any]) -> tuple[float, bool]:
    """Share of labels that differ, or the largest difference of an image's largest output, and whether it is small.

    Where scores are off by a share of the largest, a probability is off by that share times the largest score.
    """
    if wanted.ndim == 1 and model.network.classes == 1:
        raise ArgumentError("expected", f"one output per image, shape ({len(wanted)}, 1)", f"shape {wanted.shape}")
    if wanted.ndim == 1:
        labels = model.predict(images)
        if labels.shape != wanted.shape:
            raise ArgumentError("expected", f"{len(labels)} labels", f"{len(wanted)}")
        share = float((labels != wanted).mean()) if len(wanted) else 0.0
        return share, share == 0
    scores = model.scores(images).astype(np.float64)
    if wanted.shape != scores.shape:
        raise ArgumentError("expected", f"outputs of shape {scores.shape} or labels", f"shape {wanted.shape}")
    scale = np.abs(wanted).max(axis=1, keepdims=True, initial=1e-30)
    if model.network.classes == 1:  # a lone output may be near zero by itself: of the largest of all images, then
        scale = scale.max(initial=1e-30)
        errors = [np.abs(scores - wanted) / scale]
    else:
        probabilities = model.predict_proba(images).astype(np.float64)
        with np.errstate(divide="ignore"):
            readings = [scores, -scores, probabilities, np.log(probabilities)]
        errors = [np.abs(reading - wanted) / scale for reading in readings]
        errors[2] /= np.abs(scores).max(axis=1, keepdims=True, initial=1)
    smallest = min(float(e.max(initial=0)) if np.isfinite(e).all() else np.inf for e in errors)
    return smallest, smallest <= _CLOSE
