"""Digits for the bundled model: other people's brought to MNIST's form, and a few drawn by code.

MNIST's own preparation (section II-B of the 1998 paper): the digit is scaled, keeping its proportions, into a 20x20
box, and placed in a 28x28 image so that its centre of mass lies in the middle. A model trained on MNIST reads digits
prepared that way, and only those: size and place decide more than the strokes do.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .images import Images, as_array

_SIZE, _BOX = 28, 20
#: Ink fainter than this share of the darkest does not widen the digit's bounding box.
_FAINT = 0.2
#: With more ink than this share of a box at least this wide there are no strokes: digits leave more paper (of MNIST's
#: and scikit-learn's the fullest has 0.86 ink), the grain of an empty sheet leaves none once its contrast is stretched.
_FULL, _WIDE = 0.9, 12

Grey = NDArray[np.float64]


def prepare_digits(images: Images, *, ink: str = "auto") -> NDArray[np.uint8]:
    """Bring grey images of one digit each, of any size, to MNIST's form: white on black, 28x28, sized and centred.

    Contrast is stretched to the full range, the digit cut out, scaled into a 20x20 box with bicubic interpolation and
    centred by its mass.

    Parameters
    ----------
    images : (n, h, w) or (h, w), or a list of (h, w) of different sizes
        Real numbers in any range: uint8 scans, scikit-learn's 8x8 digits with values 0 to 16, ...; or PIL images.
    ink
        "light" (on dark), "dark" (on light) or "auto": unlike the border of the image.

    Returns
    -------
    (n, 28, 28) uint8
        Blank where there are no strokes: empty sheets with or without grain, noise, frames that are filled.

    Raises
    ------
    TypeError, ValueError
        If the images are not real, finite numbers of that shape, or `ink` is something else.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> lenet_fast.prepare_digits(load_digits().images[:5]).shape
    (5, 28, 28)
    """
    if ink not in ("auto", "light", "dark"):
        raise ValueError(f"ink: wanted 'auto', 'light' or 'dark', found {ink!r}")
    several = isinstance(images, (list, tuple)) and not (images and as_array(images[0], 1).ndim < 2)
    items: Iterable[Any] = images if several else [images]  # type: ignore[assignment]
    batch = [image for item in items for image in _grey(item)]
    return np.array([_prepared(image, ink) for image in batch], np.uint8).reshape(-1, _SIZE, _SIZE)


def _grey(images: Any) -> Grey:
    """One image, or several of one size, as (n, h, w) float64."""
    array = as_array(images, 1)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"images: wanted real numbers, found {array.dtype}")
    if array.ndim not in (2, 3) or 0 in array.shape[-2:]:
        raise ValueError(f"images: wanted grey images (n, h, w) or (h, w), found shape {array.shape}")
    if array.ndim == 3 and array.shape[-1] in (3, 4) and min(array.shape[:2]) > 4:
        raise ValueError(
            f"images: wanted grey images, found what looks like colour, {array.shape}; convert them to grey first"
        )
    if not np.isfinite(array).all():
        raise ValueError("images: wanted finite pixels, found NaN or infinity")
    return array.reshape(-1, *array.shape[-2:]).astype(np.float64)


def _prepared(image: Grey, ink: str) -> NDArray[np.uint8]:
    image = image / max(np.abs(image).max(), np.finfo(float).tiny)  # first: the span of huge numbers is infinite
    span = np.ptp(image)
    if span == 0:
        return np.zeros((_SIZE, _SIZE), np.uint8)
    image = (image - image.min()) / span
    if ink == "dark" or (ink == "auto" and _border_median(image) > 0.5):
        image = 1 - image
    box = _fitted(_cut_out(image))
    if min(box.shape) >= _WIDE and (box > _FAINT * box.max()).mean() > _FULL:
        return np.zeros((_SIZE, _SIZE), np.uint8)
    canvas = np.zeros((_SIZE, _SIZE))
    top, left = (_offset(box, axis) for axis in (0, 1))
    canvas[top : top + box.shape[0], left : left + box.shape[1]] = box
    return np.asarray(np.rint(canvas * 255 / canvas.max()), np.uint8)


def _border_median(image: Grey) -> float:
    return float(np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])))


def _cut_out(image: Grey) -> Grey:
    inked = image > _FAINT
    rows, columns = (np.flatnonzero(inked.any(axis)) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fitted(image: Grey) -> Grey:
    """Scale so that the longer side has 20 pixels."""
    height, width = (max(1, round(_BOX * side / max(image.shape))) for side in image.shape)
    rows, columns = _resampling(image.shape[0], height), _resampling(image.shape[1], width)
    return np.asarray(np.clip(rows @ image @ columns.T, 0, 1))


def _resampling(before: int, after: int) -> Grey:
    """(after, before) matrix of bicubic interpolation; the kernel is widened where it shrinks, so nothing is skipped."""
    scale = max(1.0, before / after)
    centres = (np.arange(after) + 0.5) * before / after - 0.5
    x = np.abs(np.arange(before) - centres[:, None]) / scale
    a = -0.5
    near, far = ((a + 2) * x - (a + 3)) * x * x + 1, ((x - 5) * x + 8) * x * a - 4 * a
    weights = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _offset(box: Grey, axis: int) -> int:
    """Where the box begins along an axis so that the centre of mass lies in the middle of the image."""
    mass = box.sum(axis=1 - axis)
    centre = float(mass @ (np.arange(len(mass)) + 0.5) / mass.sum())
    return int(np.clip(round(_SIZE / 2 - centre), 0, _SIZE - len(mass)))


#: Pen strokes of each digit: points of smooth curves, x to the right and y down, in a box 1 high.
_STROKES: dict[int, list[list[tuple[float, float]]]] = {
    0: [[(0.50, 0.02), (0.22, 0.18), (0.12, 0.50), (0.22, 0.84), (0.46, 0.98), (0.72, 0.84), (0.82, 0.48), (0.72, 0.14), (0.50, 0.02)]],
    1: [[(0.56, 0.00), (0.52, 0.33), (0.48, 0.66), (0.44, 1.00)]],
    2: [[(0.16, 0.24), (0.28, 0.05), (0.56, 0.02), (0.76, 0.20), (0.66, 0.46), (0.40, 0.74), (0.14, 0.96)], [(0.14, 0.96), (0.46, 0.94), (0.84, 0.95)]],
    3: [[(0.18, 0.12), (0.42, 0.00), (0.72, 0.10), (0.70, 0.34), (0.42, 0.47), (0.72, 0.58), (0.80, 0.80), (0.54, 0.98), (0.16, 0.88)]],
    4: [[(0.26, 0.04), (0.20, 0.34), (0.20, 0.54), (0.46, 0.58), (0.80, 0.52)], [(0.76, 0.06), (0.72, 0.50), (0.66, 1.00)]],
    5: [[(0.78, 0.03), (0.50, 0.04), (0.28, 0.05)], [(0.28, 0.05), (0.24, 0.26), (0.22, 0.44), (0.52, 0.38), (0.78, 0.56), (0.72, 0.86), (0.44, 0.99), (0.16, 0.90)]],
    6: [[(0.66, 0.00), (0.38, 0.22), (0.20, 0.56), (0.26, 0.88), (0.52, 0.99), (0.74, 0.82), (0.68, 0.58), (0.44, 0.54), (0.24, 0.70)]],
    7: [[(0.14, 0.10), (0.46, 0.08), (0.82, 0.05)], [(0.82, 0.05), (0.66, 0.38), (0.50, 0.70), (0.40, 1.00)]],
    8: [[(0.72, 0.12), (0.46, 0.00), (0.24, 0.16), (0.40, 0.40), (0.66, 0.62), (0.74, 0.86), (0.48, 1.00), (0.24, 0.84), (0.36, 0.60), (0.64, 0.38), (0.72, 0.12)]],
    9: [[(0.74, 0.18), (0.50, 0.02), (0.24, 0.18), (0.26, 0.42), (0.52, 0.48), (0.72, 0.30), (0.74, 0.18)], [(0.74, 0.18), (0.70, 0.56), (0.60, 1.00)]],
}  # fmt: skip
_PEN = 1.3  # pixels from the middle of a stroke to its edge


def sample_digits(digits: Iterable[int] = range(10), *, seed: int = 0) -> NDArray[np.uint8]:
    """Draw handwriting-like digits by code, in MNIST's form: always at hand where no data is.

    Parameters
    ----------
    digits
        Which ones, each from 0 to 9.
    seed
        Another one writes with another hand.

    Returns
    -------
    (n, 28, 28) uint8, white on black

    Raises
    ------
    TypeError, ValueError
        If these are not numbers from 0 to 9.

    Examples
    --------
    >>> lenet_fast.sample_digits([7]).shape
    (1, 28, 28)
    """
    try:
        wanted = [index(digit) for digit in digits]
    except TypeError:
        raise TypeError(f"digits: wanted several numbers from 0 to 9, found {digits!r}") from None
    if unknown := [digit for digit in wanted if digit not in _STROKES]:
        raise ValueError(f"digits: wanted numbers from 0 to 9, found {unknown[0]}")
    hand = np.random.default_rng(seed)
    return np.array([_drawn(digit, hand) for digit in wanted], np.uint8).reshape(-1, _SIZE, _SIZE)


def _drawn(digit: int, hand: np.random.Generator) -> NDArray[np.uint8]:
    """One digit, drawn three times larger than needed, slanted and shaken a little, then prepared like any scan."""
    side = 3 * _SIZE
    slant, width = hand.uniform(-0.15, 0.25), hand.uniform(0.85, 1.1)
    rows, columns = np.mgrid[:side, :side] + 0.5
    distance = np.full((side, side), np.inf)
    for stroke in _STROKES[digit]:
        points = np.array(stroke) + hand.normal(0, 0.012, (len(stroke), 2))
        points[:, 0] = width * (points[:, 0] - 0.5) + slant * (0.5 - points[:, 1]) + 0.5
        curve = _smooth(points) * 3 * (_BOX - 2 * _PEN) + 3 * (_SIZE - _BOX + 2 * _PEN) / 2
        for (x, y), (dx, dy) in zip(curve, np.diff(curve, axis=0), strict=False):
            along = np.clip(((columns - x) * dx + (rows - y) * dy) / max(dx * dx + dy * dy, 1e-12), 0, 1)
            distance = np.minimum(distance, np.hypot(columns - x - along * dx, rows - y - along * dy))
    return _prepared(np.clip(3 * _PEN + 0.5 - distance, 0, 1), "light")


def _smooth(points: Grey, steps: int = 8) -> Grey:
    """A Catmull-Rom curve through the points."""
    before, after = 2 * points[0] - points[1], 2 * points[-1] - points[-2]
    p = np.vstack([before, points, after])
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    p0, p1, p2, p3 = (p[i : len(p) - 3 + i, None] for i in range(4))
    curve = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.vstack([curve.reshape(-1, 2), points[-1:]])
