"""Between a model and its file: the tensors by name, and everything else as one JSON text in the metadata.

The metadata's "lenet_fast" holds format (1), network, preprocess, classes (or null), card, calibration (or null), and
sha256 of all tensors. The tensors are those of the network, and check.images (uint8) with check.scores (float32), run
again when loaded: the checksum finds a file that was altered, the check a reader that computes something else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..calibration import Calibration
from ..errors import WeightsError, brief
from ..images import Preprocess
from ..model import Model
from ..network import Network

if TYPE_CHECKING:
    from .source import Tensors

KEY = "lenet_fast"
_FORMAT = 1
_CHECKS = 4  # images
#: Of the largest score of an image: what float32 arithmetic may differ by between versions and machines.
_TOLERANCE = 1e-5


def tensors_of(model: Model) -> tuple[Tensors, dict[str, str]]:
    """What a file of this model holds: tensors and metadata."""
    images = np.random.default_rng(_FORMAT).integers(0, 256, (_CHECKS, *model.network.input), np.uint8)
    if model.preprocess.white is None:
        images = (images / np.float32(255)).astype(np.float32)
    tensors = {**model.weights, "check.images": images, "check.scores": model.scores(images)}
    description = {
        "format": _FORMAT,
        "sha256": _sha256(tensors),
        "network": model.network.to_dict(),
        "preprocess": asdict(model.preprocess),
        "classes": None if model.classes_.dtype.kind == "i" else model.classes_.tolist(),
        "card": dict(model.card),
        "calibration": None if model.calibration is None else asdict(model.calibration),
    }
    return tensors, {KEY: json.dumps(description)}


def model_from(tensors: Tensors, metadata: Mapping[str, str], name: str) -> Model:
    """Make the model that a file describes, and run its check; WeightsError if either fails."""
    if KEY not in metadata:
        raise WeightsError(
            f"{name}: wanted a file written by Model.save, found safetensors without a network description"
        )
    _core.chosen_isa()  # a forced instruction set that is not there is no fault of the file
    try:
        description = json.loads(metadata[KEY])
        if not isinstance(description, dict) or description.get("format") != _FORMAT:
            raise ValueError(f"wanted format {_FORMAT}; a newer lenet_fast may read it")
        if description["sha256"] != _sha256(tensors):
            raise ValueError(
                "wanted the tensors that were saved, found others (their checksum differs); get the file again"
            )
        images, scores = (tensors.pop(key) for key in ("check.images", "check.scores"))
        model = _model(tensors, description)
    except KeyError as error:
        raise WeightsError(f"{name}: wanted {error} in its metadata, found none") from error
    except (json.JSONDecodeError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise WeightsError(
            f"{name}: wanted the metadata that lenet_fast wrote, found it damaged ({brief(error)})"
        ) from error
    except ValueError as error:
        raise WeightsError(f"{name}: {error}") from error
    _run_check(model, images, scores, name)
    return model


def _sha256(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _model(tensors: Tensors, description: dict[str, Any]) -> Model:
    for tensor, array in tensors.items():
        if array.dtype != np.float32:
            raise ValueError(f"{tensor}: wanted float32, found {array.dtype}")
    return Model(Network.from_dict(description["network"]), tensors, **parts_beside_network(description))


def parts_beside_network(description: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `Model`: scaling, class names, card and calibration."""
    calibration = description.get("calibration")
    return {
        "preprocess": Preprocess(**description["preprocess"]),
        "classes": description["classes"],
        "card": {str(key): str(value) for key, value in description["card"].items()},
        "calibration": None if calibration is None else Calibration(**calibration),
    }


def _run_check(model: Model, images: Any, wanted: Any, name: str) -> None:
    if (
        images.dtype not in (np.uint8, np.float32)
        or images.shape[1:] != model.network.input
        or wanted.shape != (len(images), model.network.classes)
    ):
        raise WeightsError(
            f"{name}: wanted check images and scores that fit the network, found {images.shape} and {wanted.shape}"
        )
    found = model.scores(images)
    error = np.abs(found - wanted) / np.abs(wanted).max(axis=1, keepdims=True, initial=np.finfo(np.float32).tiny)
    if not (error <= _TOLERANCE).all():
        raise WeightsError(
            f"{name}: its check images wanted other scores than it computes (off by {error.max():.1e}); "
            "its description is altered"
        )
