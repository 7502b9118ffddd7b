"""A model out of what `description` wrote beside its tensors, or of a graph that carries the same text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..budget import need
from ..calibration import Calibration
from ..errors import refuse, whole
from ..images import Preprocess
from ..model import Model
from ..network import Network
from . import json_text
from .cost import afford
from .description import CLASSES, FORMAT, KEY, sha256_of

if TYPE_CHECKING:
    from .source import Tensors

#: Of the largest score of an image: what float32 arithmetic may differ by between versions and machines.
_TOLERANCE = 1e-5
_WANTED = "a description that lenet_fast wrote"
_ALTERED = "Model.save wrote another file: get that"


def parts_from(tensors: Tensors, metadata: Mapping[str, str]) -> tuple[Network, dict[str, Any], tuple[Any, Any]]:
    """Return network, other arguments of `Model`, and images with their scores, which are taken out of the tensors."""
    description = _parsed(metadata)
    if description.get("format") != FORMAT:
        refuse("", f"format {FORMAT}", f"{description.get('format')!r}", "a newer lenet_fast may read it")
    if _part(description, "sha256") != sha256_of(tensors):
        refuse("", "the tensors that were saved", "others (their checksum differs)", "get the file again")
    images, scores = (_taken(tensors, key) for key in ("check.images", "check.scores"))
    for name, array in tensors.items():
        if array.dtype != np.float32:
            refuse(name, "float32", f"{array.dtype}", _ALTERED)
    with whole(_WANTED):
        network = Network.from_dict(_part(description, "network"))
        parts = _parts(description)
    afford(network)
    return network, parts, (images, scores)


def parts_beside_network(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `Model` that a graph's metadata hold: scaling, class names, card and calibration; none without."""
    if KEY in metadata:
        with whole(_WANTED):
            return _parts(_parsed(metadata))
    if CLASSES in metadata:
        return {"classes": _part(json_text.parsed(metadata[CLASSES], "names of classes"), "classes")}
    return {}


def _parsed(metadata: Mapping[str, str]) -> dict[str, Any]:
    return json_text.parsed(metadata[KEY], _WANTED)


def _part(description: Mapping[str, Any], key: str) -> Any:
    if key not in description:
        refuse("", f"{key!r} in its metadata", "none", _ALTERED)
    return description[key]


def _taken(tensors: Tensors, key: str) -> Any:
    if key not in tensors:
        refuse("", f"{key!r} among its tensors", "none", _ALTERED)
    return tensors.pop(key).copy()  # or it holds the bytes of the whole file


def _parts(description: Mapping[str, Any]) -> dict[str, Any]:
    calibration = description.get("calibration")
    return {
        "preprocess": Preprocess(**_part(description, "preprocess")),
        "classes": _part(description, "classes"),
        "card": {str(key): str(value) for key, value in _part(description, "card").items()},
        "calibration": None if calibration is None else Calibration(**calibration),
    }


def run_check(model: Model, images: Any, wanted: Any) -> None:
    """Refuse a model that does not give the scores that were saved with it."""
    if (
        images.dtype not in (np.uint8, np.float32)
        or images.shape[1:] != model.network.input
        or wanted.shape != (len(images), model.network.classes)
    ):
        refuse("", "check images and scores that fit the network", f"{images.shape} and {wanted.shape}")
    need("check_images", len(images))
    found = model.scores(images)
    error = np.abs(found - wanted) / np.abs(wanted).max(axis=1, keepdims=True, initial=np.finfo(np.float32).tiny)
    if not (error <= _TOLERANCE).all():
        others = f"others (off by {error.max():.1e})"
        refuse("", "the scores that were saved for its check images", others, "its description is altered")
