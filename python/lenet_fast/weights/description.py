"""Between a model and its file: the tensors by name, and everything else as one JSON text in the metadata.

The metadata's "lenet_fast" holds format (1), network, preprocess, classes (or null), card, calibration (or null), and
sha256 of all tensors. The tensors are those of the network, and check.images (uint8) with check.scores (float32), run
again when loaded: the checksum finds a file that was altered, the check a reader that computes something else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..model import Model
    from .source import Tensors

KEY = "lenet_fast"
#: Of a graph of another writer, which has nothing but the names of its classes: "classes", a list of them, as JSON.
CLASSES = "lenet_fast.classes"
FORMAT = 1
_CHECKS = 4  # images


def tensors_of(model: Model) -> tuple[Tensors, dict[str, str]]:
    """What a file of this model holds: tensors and metadata."""
    images = np.random.default_rng(FORMAT).integers(0, 256, (_CHECKS, *model.network.input), np.uint8)
    if model.preprocess.white is None:
        images = (images / np.float32(255)).astype(np.float32)
    tensors = {**model.weights, "check.images": images, "check.scores": model.scores(images)}
    description = {
        "format": FORMAT,
        "sha256": sha256_of(tensors),
        "network": model.network.to_dict(),
        "preprocess": asdict(model.preprocess),
        "classes": None if model.classes_.dtype.kind == "i" else model.classes_.tolist(),
        "card": dict(model.card),
        "calibration": None if model.calibration is None else asdict(model.calibration),
    }
    return tensors, {KEY: json.dumps(description)}


def sha256_of(tensors: Tensors) -> str:
    """The checksum of all tensors, their names, types and shapes."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()
