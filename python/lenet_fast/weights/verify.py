"""Which network, layout and scaling reproduces a trainer's outputs: everything that a file leaves open is tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import WeightsError
from ..images import Preprocess
from ..networks import TEMPLATES
from .build import Imported, Wishes, build, distance
from .mapping import names_that_fit, relevant
from .source import Source

_ACTIVATIONS = ("relu", "tanh", "scaled_tanh", "sigmoid")
_SCALINGS = ("as-is", "unit", "mnist", "symmetric", "lecun", "raw", "zscore")


@dataclass(frozen=True)
class Finding:
    """One reading of a file: what was assumed, the model, and its error.

    `error` is the largest difference, of an image's largest output, or the share of labels that differ.
    """

    reading: Mapping[str, str]
    imported: Imported
    error: float
    reproduces: bool

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}" for key, value in self.reading.items()) or "as the file says"


def verify(source: Source, wishes: Wishes, images: ArrayLike, expected: ArrayLike, name: str) -> list[Finding]:
    """Try every reading; return them, best first, those that give the same model once.

    Raises
    ------
    WeightsError
        If nothing fits the shapes at all.
    ValueError
        If images and expected outputs do not fit each other.
    """
    images, wanted = np.asarray(images), np.asarray(expected)
    if wanted.ndim == 2 and 1 in wanted.shape and len(images) == wanted.size and wanted.dtype.kind in "iu":
        wanted = wanted.ravel()
    if wanted.ndim not in (1, 2) or len(wanted) != len(images) or not len(images):
        raise ValueError(
            f"expected: wanted one row of outputs or one label per image ({len(images)}), found shape {wanted.shape}"
        )
    found: list[Finding] = []
    first: WeightsError | None = None
    for reading, wish in _readings(source, wishes, images):
        try:
            imported = build(source, wish, name)
            error, close = distance(imported.model, images, wanted)
        except WeightsError as failure:
            first = first or failure
        except (ValueError, TypeError):
            continue  # images of another size, for example
        else:
            if not any(_same(imported, other.imported) and error == other.error for other in found):
                found.append(Finding(reading, imported, error, close))
    if not found:
        raise first or WeightsError(f"{name}: wanted a reading that fits images of shape {images.shape}, found none")
    return sorted(found, key=lambda finding: (not finding.reproduces, finding.error))


def best(findings: list[Finding], name: str) -> Imported:
    """The reading that reproduces the outputs; WeightsError if there is none, or two that differ."""
    good = [finding for finding in findings if finding.reproduces]
    if not good:
        nearest = findings[0]
        raise WeightsError(
            f"{name}: wanted the outputs that were passed, found none of {len(findings)} readings that gives them; the "
            f"nearest, {nearest}, is off by {nearest.error:.1e}; export the model to ONNX"
        )
    if len(good) > 1:
        raise WeightsError(
            f"{name}: wanted one reading that gives what was passed, found {len(good)}: "
            + "; ".join(map(str, good[:4]))
            + "; pass more images, or outputs instead of labels"
        )
    return good[0].imported


def _same(one: Imported, other: Imported) -> bool:
    a, b = one.model, other.model
    return (
        a.network == b.network
        and a.preprocess == b.preprocess
        and all(np.array_equal(a.weights[key], b.weights[key]) for key in a.weights)
    )


def _readings(source: Source, wishes: Wishes, images: NDArray[Any]) -> Iterator[tuple[dict[str, str], Wishes]]:
    """Every combination of what is open, in words and as wishes."""
    for network, answers, scaling in product(
        _networks(source, wishes, images), _answers(source, wishes), _scalings(source, wishes, images)
    ):
        wish = wishes
        if network:
            wish = replace(wish, network=network["network"], variations={**wishes.variations, **_settings(network)})
        wish = replace(wish, answers=replace(wish.answers, **answers))
        if scaling:
            wish = replace(wish, preprocess=scaling)
        words = {key: str(value) for key, value in {**network, **answers}.items()}
        yield {**words, **({"preprocess": scaling} if scaling else {})}, wish


def _settings(network: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in network.items() if key != "network"}


def _networks(source: Source, wishes: Wishes, images: NDArray[Any]) -> list[dict[str, Any]]:
    """Named networks that fit, each with every activation, pooling and padding; each combination once."""
    if source.trace is not None or (wishes.network is not None and not isinstance(wishes.network, str)):
        return [{}]
    names = [wishes.network] if wishes.network else names_that_fit(relevant(source.tensors))
    found: list[dict[str, Any]] = []
    seen: set[Any] = set()
    for name in names:
        template = TEMPLATES[name].varied(**wishes.variations) if name in TEMPLATES else None
        own = template is not None and (template.head == "rbf" or template.conv_activation is not None)
        for activation, pooling in product(_ACTIVATIONS, ("max", "average", "trainable")):
            for padding in (None, (0, 0), (2, 0), (2, 2)):
                if own and (activation, pooling) != (template.activation, template.pooling):  # type: ignore[union-attr]
                    continue
                one = {"activation": activation, "pooling": pooling, "padding": padding}
                one = {k: v for k, v in one.items() if v is not None and k not in wishes.variations}
                if own:
                    one = {k: v for k, v in one.items() if k == "padding"}
                key = (name if own else template and (template.maps, template.units), *sorted(map(str, one.items())))
                if key not in seen:
                    seen.add(key)
                    found.append({"network": name, **one})
    return found or [{}]


def _answers(source: Source, wishes: Wishes) -> list[dict[str, str]]:
    if source.trace is not None:
        return [{}]
    given = wishes.answers
    flatten = [{}] if given.flatten or source.layout.flatten else [{}, {"flatten": "CHW"}, {"flatten": "HWC"}]
    more: list[dict[str, str]] = [{}]
    if not given.coefficients:
        more += [{"coefficients": "sum"}, {"coefficients": "mean"}]
    if not given.compact:
        more += [{**m, "compact": order} for m in more for order in ("ascending", "wrapped")]
    return [{**a, **b} for a in flatten for b in more]


def _scalings(source: Source, wishes: Wishes, images: NDArray[Any]) -> list[str]:
    """Names of scalings; an empty one leaves the file's own."""
    if wishes.preprocess is not None:
        return [""]
    if source.trace is not None:
        from .recognise import recognise

        if recognise(source.trace).preprocess != Preprocess(white=None):
            return [""]
    return [s for s in _SCALINGS if not (s == "as-is" and images.dtype == np.uint8)]
