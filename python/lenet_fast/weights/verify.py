"""Which network, layout and scaling reproduces a trainer's outputs: everything that a file leaves open is tried."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..budget import spending
from ..errors import ArgumentError, OpenQuestionError, WeightsError
from ..images import Preprocess
from ..network import Network
from ..networks import Template, template_named
from .agreement import distance
from .build import Imported, Wishes, build
from .description import KEY
from .mapping.fit import names_that_fit
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
    """Try every reading; return them, best first.

    Raises
    ------
    WeightsError
        If nothing fits the shapes at all.
    ValueError
        If images and expected outputs do not fit each other.
    """
    images, wanted = np.asarray(images), np.asarray(expected)
    if wanted.ndim not in (1, 2) or len(wanted) != len(images) or not len(images):
        rows = f"one row of outputs or one label per image ({len(images)})"
        raise ArgumentError("expected", rows, f"shape {wanted.shape}")
    found: list[Finding] = []
    built: list[Imported] = []
    first: WeightsError | None = None
    with spending():
        readings = list(_networks(source, wishes))
    for reading, wish in readings:
        try:
            for words, imported in _answered(source, wish, name):
                if not any(_same(imported, other) for other in built):
                    built.append(imported)
                    found += _scaled({**reading, **words}, imported, wishes, images, wanted)
        except WeightsError as failure:
            first = first or failure
    if not found:
        raise first or WeightsError("", f"a reading that fits images of shape {images.shape}", "none", file=name)
    return sorted(found, key=lambda finding: (not finding.reproduces, finding.error))


def _answered(source: Source, wish: Wishes, name: str) -> Iterator[tuple[dict[str, str], Imported]]:
    """The model, or one for every answer to what the file leaves open."""
    try:
        with spending():  # every reading has the whole budget
            imported = build(source, wish, name)
        yield {}, imported
    except OpenQuestionError as question:
        for choice in question.choices:
            answered = replace(wish, answers=replace(wish.answers, **{question.keyword: choice}))
            for words, imported in _answered(source, answered, name):
                yield {question.keyword: choice, **words}, imported


def _scaled(
    reading: dict[str, str], imported: Imported, wishes: Wishes, images: NDArray[Any], wanted: NDArray[Any]
) -> Iterator[Finding]:
    """The model with every scaling that the file and the user leave open."""
    own = imported.model.preprocess
    is_open = wishes.preprocess is None and own == Preprocess(background=own.background, white=None)
    for scaling in _SCALINGS if is_open else ("",):
        if scaling == "as-is" and images.dtype == np.uint8:
            continue
        model = imported.model.replace(preprocess=Preprocess.named(scaling)) if scaling else imported.model
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                error, close = distance(model, images, wanted)
        except (ValueError, TypeError) as failure:
            if isinstance(failure, ArgumentError) and failure.argument == "expected":
                raise
            return  # images of another size
        words = {**reading, "preprocess": scaling} if scaling else reading
        yield Finding(words, replace(imported, model=model), error, close)


def best(findings: list[Finding], name: str) -> Imported:
    """The reading that reproduces the outputs; WeightsError if there is none, or two that differ."""
    good = [finding for finding in findings if finding.reproduces]
    if not good:
        nearest = findings[0]
        found = f"none of {len(findings)} readings that gives them"
        way_out = f"the nearest, {nearest}, is off by {nearest.error:.1e}; export the model to ONNX"
        raise WeightsError("", "the outputs that were passed", found, way_out, name)
    if len(good) > 1:
        found = f"{len(good)}: " + "; ".join(map(str, good[:4]))
        way_out = "pass more images, or outputs instead of labels"
        raise WeightsError("", "one reading that gives what was passed", found, way_out, name)
    return good[0].imported


def _same(one: Imported, other: Imported) -> bool:
    a, b = one.model, other.model
    same = a.network.input == b.network.input and a.network.layers == b.network.layers  # whatever the head
    return same and all(np.array_equal(a.weights[key], b.weights[key]) for key in a.weights)


def _networks(source: Source, wishes: Wishes) -> Iterator[tuple[dict[str, str], Wishes]]:
    """Named networks that fit, with every activation, pooling and padding that is open, in words and as wishes."""
    if source.trace is not None or KEY in source.metadata or isinstance(wishes.network, Network):
        yield {}, wishes
        return
    found: dict[Template, tuple[int, dict[str, str], Wishes]] = {}
    for name in [wishes.network] if wishes.network else names_that_fit(source):
        template = template_named(str(name)).varied(**wishes.variations)
        for varied in _variations(template, wishes):
            one = template.varied(**varied)
            far = sum(getattr(template, key) != value for key, value in varied.items())
            key = replace(one, head="rbf" if one.head == "rbf" else "scores", channels=0, side=0)
            if key not in found or far < found[key][0]:
                words = {"network": str(name), **{k: str(value) for k, value in varied.items()}}
                found[key] = far, words, replace(wishes, network=name, variations={**wishes.variations, **varied})
    for _, words, wish in found.values():
        yield words, wish


def _variations(template: Template, wishes: Wishes) -> Iterator[dict[str, Any]]:
    """Values for what is open; activations of a network that ends in RBF units, or of Caffe's, are what they are."""
    activations: tuple[str, ...] = _ACTIVATIONS
    poolings: tuple[str, ...] = ("max", "average", "trainable")
    if template.head == "rbf" or template.conv_activation is not None:
        activations, poolings = (template.activation,), (template.pooling,)
    for activation, pooling, padding in product(activations, poolings, ((0, 0), (2, 0), (2, 2))):
        values = {"activation": activation, "pooling": pooling, "padding": padding}
        if template.conv_activation is not None:
            del values["activation"]
        yield {key: value for key, value in values.items() if key not in wishes.variations}
