"""Readings are given up at the first images that rule them out.

A reading's plan takes pixels as they are, and the scalings that are open go through it side by side. Pixels scaled here
round otherwise than in the kernels, so what is nearly good enough is kept, to be run as the model that it would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...calibration import Calibration
from ...images import Preprocess
from ...network import Network
from ...plan import plan_of
from . import float64
from .outputs import FARTHEST, Expected
from .readings import Reading

Floats = NDArray[np.float32]
#: Told of every reading that was looked at for the first time: how many were, of how many.
Progress = Callable[[int, int], None]

#: How many images have been looked at, look by look; then so many more at a time.
_LOOKS, _MORE = (2, 8, 32, 128), 512
#: Somewhat beyond what is ever allowed.
_RULED_OUT = 1.2 * FARTHEST


@dataclass(frozen=True)
class Candidate:
    """A reading with one scaling, and how far it was from the outputs of the images looked at so far."""

    reading: Reading
    words: Mapping[str, str]
    scaling: Preprocess
    error: float = 0.0

    @property
    def is_possible(self) -> bool:
        return self.error <= _RULED_OUT


def eliminated(
    readings: Sequence[Reading], images: NDArray[Any], expected: Expected, progress: Progress | None
) -> tuple[list[Candidate], list[Candidate]]:
    """Return the candidates that no image rules out, and the others, nearest first by what was seen of them."""
    left = [Candidate(reading, words, scaling) for reading in readings for words, scaling in reading.scaled]
    out: list[Candidate] = []
    begin = 0
    for end in [*(look for look in (*_LOOKS, *range(_MORE, len(images), _MORE)) if look < len(images)), len(images)]:
        looked = list(_looked(left, images[begin:end], expected[begin:end], progress if begin == 0 else None))
        left = [candidate for candidate in looked if candidate.is_possible]
        out += [candidate for candidate in looked if not candidate.is_possible]
        begin = end
    return sorted(left, key=lambda one: one.error), sorted(out, key=lambda one: one.error)


def _looked(
    candidates: Iterable[Candidate], images: NDArray[Any], expected: Expected, progress: Progress | None
) -> Iterator[Candidate]:
    """Those candidates that the images fit, with the errors of these images too."""
    by_reading: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        by_reading.setdefault(id(candidate.reading), []).append(candidate)
    pixels = _Pixels(images)
    for done, several in enumerate(by_reading.values()):
        if progress:
            progress(done, len(by_reading))
        parts = several[0].reading.parts
        expected.check(parts.network.classes)
        seen = [x for x in (pixels.scaled(parts.network, one.scaling) for one in several) if x is not None]
        if len(seen) == len(several):
            found = scores(parts.network, parts.weights, np.concatenate(seen))
            for one, rows in zip(several, np.split(found, len(several)), strict=True):
                error = expected.difference(rows, parts.network.head)
                yield replace(one, error=max(one.error, error))


class _Pixels:
    """Images as the networks' first layers see them, each made once."""

    def __init__(self, images: NDArray[Any]) -> None:
        self._images = images
        self._made: dict[tuple[Any, ...], Floats | None] = {}

    def scaled(self, network: Network, scaling: Preprocess) -> Floats | None:
        """None if images of this size do not fit."""
        key = network.input, scaling
        if key not in self._made:
            try:
                self._made[key] = float64.scaled(self._images, network.input, scaling).astype(np.float32)
            except (TypeError, ValueError):
                self._made[key] = None
        return self._made[key]


def scores(network: Network, weights: Mapping[str, Floats], x: Floats) -> Floats:
    """What the network gives for scaled images."""
    as_they_are = Preprocess(white=None)
    plan = plan_of(network, weights, as_they_are, Calibration(), every_layer=False)
    found = np.empty((len(x), network.classes), np.float32)
    plan.run(x, layers=[(len(network.layers) - 1, found)])
    return found
