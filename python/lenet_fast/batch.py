"""Images on their way to the core, in pieces where NumPy must convert them first.

NumPy's functions hear no Ctrl-C before they end, and an array converted at once is a second array. So whatever takes
long goes piece by piece: some milliseconds of work, some megabytes of memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._core import DefaultArithmetic, Plan

#: uint8 or float32 pixels.
Pixels = NDArray[Any]

#: How many values a piece has: 8 MiB as float32.
VALUES = 1 << 21


def pieces(array: NDArray[Any], values: int | None = None) -> Iterator[slice]:
    """Slices of the first axis that cover it, each of so many values (VALUES) unless a row has more."""
    rows = max(1, (values or VALUES) // max(1, math.prod(array.shape[1:])))
    return (slice(start, min(start + rows, len(array))) for start in range(0, len(array), rows))


class Batch:
    """Images (n, channels, height, width), uint8 or floating point, that the core reads in place if it can.

    Others, or with `per_image` all, since each is brought to mean 0 and deviation 1 first, it gets in converted pieces.
    The images are never written.
    """

    def __init__(self, images: NDArray[Any], *, per_image: bool = False) -> None:
        self.images = _as_pixels(images) if images.size <= VALUES else images  # a single piece is converted once
        self._per_image = per_image

    def standardised(self) -> Batch:
        """The same with each image brought to mean 0 and standard deviation 1."""
        return Batch(self.images, per_image=True)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_read_in_place(self) -> bool:
        """Whether nothing must be converted."""
        return not self._per_image and _is_read_in_place(self.images)

    def pieces(self) -> Iterator[tuple[slice, Pixels]]:
        """What the core can read, piece by piece, and which images it holds; one piece if nothing is converted."""
        if self.is_read_in_place:
            yield slice(0, len(self)), self.images
            return
        for part in pieces(self.images):
            pixels = _as_pixels(self.images[part])
            yield part, _standardised(pixels) if self._per_image else pixels

    def run(
        self,
        plan: Plan,
        layers: Mapping[int, NDArray[np.float32]] = MappingProxyType({}),
        *,
        labels: NDArray[np.int64] | None = None,
        probabilities: NDArray[np.float32] | None = None,
        rubbish: float | None = None,
        reject: bool = False,
    ) -> None:
        """Compute what has an array to go to: outputs of layers by their number, labels, probabilities."""
        for part, pixels in self.pieces():
            outputs = [(layer, output[part]) for layer, output in layers.items()]
            label = None if labels is None else labels[part]
            shares = None if probabilities is None else probabilities[part]
            with DefaultArithmetic():  # for what the constant is rounded to
                plan.run(pixels, layers=outputs, labels=label, probabilities=shares, rubbish=rubbish, reject=reject)

    def whole(self) -> Pixels:
        """All of it as one array: the images themselves if nothing must be converted."""
        if self.is_read_in_place:
            return self.images
        result = np.empty(self.images.shape, np.float32)
        for part, pixels in self.pieces():
            result[part] = pixels
        return result


def _is_read_in_place(images: NDArray[Any]) -> bool:
    return images.dtype == np.uint8 or (images.dtype == np.float32 and images.dtype.isnative)


def _as_pixels(images: NDArray[Any]) -> Pixels:
    if _is_read_in_place(images):
        return images
    with DefaultArithmetic(), np.errstate(over="ignore", invalid="ignore"):  # what overflows is infinite, and refused
        return images.astype(np.float32)


def _standardised(images: Pixels) -> Pixels:
    """Bring every image to mean 0 and standard deviation 1, float32, none depending on its neighbours."""
    result = np.empty(images.shape, np.float32)
    with DefaultArithmetic():
        for i, image in enumerate(images):
            values = image.astype(np.float64, order="C").ravel()
            centred = values - values.mean()
            deviation = np.sqrt((centred**2).mean())
            result[i] = (centred / (deviation or 1.0)).reshape(image.shape)
    return result
