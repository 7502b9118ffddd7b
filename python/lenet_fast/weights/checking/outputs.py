"""A trainer's outputs, and how far a model's are from them, in the space that they were given in.

Logits, distances and log-probabilities are compared as they are, probabilities as their logarithms, labels as labels.
A difference counts as a share of the spread, from the smallest to the largest of all outputs that were given: no model
has a say in it. Two programs that compute the same differ by the rounding of float32, in a LeNet by a millionth or so.
Where rounding does more, which a model's own float32 and float64 tell, more is allowed, up to a limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ArgumentError
from ...model import Model
from . import float64

Outputs = NDArray[np.float64]

#: Shares of the spread: what rounding may do, and the most that it may do where a model rounds worse than most.
CLOSE, FARTHEST = 1e-5, 1e-4
#: Of a model's own difference between float32 and float64: the trainer's rounding is another one.
_ROUNDINGS = 3
#: Probabilities below it count as it: float32 has no exact ones much further down.
_LEAST = 2.0**-120
#: How much rows of probabilities may miss 1 by, which few digits do.
_SUM = 1e-2
#: Probabilities above it say no more than the label.
_SURE = 0.999
#: So many others are wanted: a wrong reading hits one by chance once in a thousand, all five once in 1e15.
_FEWEST = 5
_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Expected:
    """Outputs of a trainer's program for some images.

    Parameters
    ----------
    kind
        "labels", "probabilities", "log-probabilities" or "scores" (logits or distances).
    values
        (n,) labels, or (n, classes) in the space in which they are compared.
    spread
        The largest of all values minus the smallest.
    digits
        What few digits they have: "float16", "bfloat16", "4 decimals"; "" for those that float32 has.
    least
        Probabilities below it count as it.
    images
        How many were passed, of which these may be some.
    """

    kind: str
    values: NDArray[Any]
    spread: float = 0.0
    digits: str = ""
    least: float = _LEAST
    images: int = 0

    @classmethod
    def of(cls, outputs: ArrayLike, images: int) -> Expected:
        """Tell what the outputs are; ArgumentError if they are none of so many images."""
        given = np.asarray(outputs)
        rows = f"one row of outputs or one label per image ({images})"
        if given.ndim not in (1, 2) or len(given) != images or not given.size:
            raise ArgumentError("expected", rows, f"shape {given.shape}")
        if given.dtype.kind not in "fiu":
            raise ArgumentError("expected", rows, f"{given.dtype}")
        if not np.isfinite(given).all():
            raise ArgumentError("expected", "finite outputs", f"{given[~np.isfinite(given)][0]}")
        if given.ndim == 1:
            return cls("labels", given, images=images)
        kind, digits = _kind(given.astype(np.float64)), _digits(given)
        least = max(_LEAST, _resolution(digits)) if kind == "probabilities" else _LEAST
        values = given.astype(np.float64)
        if kind == "probabilities":
            values = np.log(np.maximum(values, least))
        if kind == "log-probabilities":
            values = np.maximum(values, np.log(least))
        return cls(kind, values, float(np.ptp(values)), digits, least, images)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice) -> Expected:
        """The outputs of some of the images, with the spread of all."""
        return replace(self, values=self.values[part])

    def check(self, classes: int) -> None:
        """Refuse outputs of another number of classes."""
        n, given = self.images, (self.images, *self.values.shape[1:])
        if self.kind == "labels" and classes == 1:
            raise ArgumentError("expected", f"one output per image, shape ({n}, 1)", f"shape {given}")
        if self.kind != "labels" and given[1] != classes:
            raise ArgumentError("expected", f"outputs of shape ({n}, {classes}) or labels", f"shape {given}")

    def difference(self, scores: NDArray[Any], head: str, temperature: float = 1.0) -> float:
        """The largest difference as a share of the spread, or the share of labels that differ; infinite for NaN."""
        scores = scores.astype(np.float64)
        if self.kind == "labels":
            return float(self._wrong(-scores if head == "rbf" else scores).mean())
        sides = self._sides(scores, head, temperature)
        far = min(float(np.abs(side - self.values).max()) if np.isfinite(side).all() else np.inf for side in sides)
        return far / self.spread if self.spread else (0.0 if far == 0 else np.inf)

    def apart(self, one: NDArray[Any], other: NDArray[Any], head: str) -> float:
        """How far two of a model's own scores are from each other, in the same space and measure."""
        sides = [self._sides(scores.astype(np.float64), head, 1.0)[0] for scores in (one, other)]
        return float(np.abs(sides[0] - sides[1]).max()) / (self.spread or 1.0)

    def _sides(self, scores: Outputs, head: str, temperature: float) -> list[Outputs]:
        """What a model's scores are in the space of the outputs; distances may have been given as their negatives."""
        if self.kind == "scores":
            return [scores, -scores] if head == "rbf" else [scores]
        likeness = -scores if head == "rbf" else scores
        return [
            np.maximum(_log_softmax(likeness / divisor), np.log(self.least))
            for divisor in dict.fromkeys((1.0, temperature))
        ]

    def _wrong(self, scores: Outputs) -> NDArray[np.bool_]:
        """Images that get another label, unless rounding decides between the two."""
        rows = np.arange(len(scores))
        exists = (self.values >= 0) & (self.values < scores.shape[1]) & (self.values == np.floor(self.values))
        theirs = scores[rows, np.where(exists, self.values, 0).astype(np.int64)]
        tie = CLOSE * np.ptp(scores, axis=1)
        with np.errstate(invalid="ignore"):
            return np.asarray(~(exists & (scores.max(axis=1) - theirs <= tie)))

    @property
    def tells_nothing(self) -> str:
        """Why these outputs can tell no model from another; "" if they may."""
        if self.kind == "labels":
            return "the same label for every image" if len(np.unique(self.values)) < 2 else ""
        if not self.spread:
            return "the same number everywhere"
        if self.kind == "scores":
            return ""
        between = (self.values > np.log(self.least)) & (self.values < np.log(_SURE))
        few = np.count_nonzero(between) < _FEWEST
        return "probabilities of 0 and 1 alone, which say no more than labels" if few else ""


def agreement(model: Model, images: ArrayLike, expected: Expected, scores: NDArray[Any]) -> tuple[float, bool]:
    """How far the model's scores for the images are from the outputs, and whether that is rounding alone."""
    head = model.network.head
    temperature = model.calibration.temperature if model.calibration else 1.0
    off = expected.difference(scores, head, temperature)
    if expected.kind == "labels" or off <= CLOSE or off > FARTHEST:
        return off, off == 0 if expected.kind == "labels" else off <= CLOSE
    exact = float64.scores(model.network, model.weights, float64.scaled(images, model.network.input, model.preprocess))
    own = expected.apart(scores, exact, head)
    return off, off <= (min(_ROUNDINGS * own, FARTHEST) if own > CLOSE / _ROUNDINGS else CLOSE)


def _kind(values: Outputs) -> str:
    """What rows of outputs are, by their sums."""
    if values.shape[1] > 1 and (values >= 0).all() and (np.abs(values.sum(axis=1) - 1) <= _SUM).all():
        return "probabilities"
    if values.shape[1] > 1 and (values <= 0).all() and (np.abs(np.exp(values).sum(axis=1) - 1) <= _SUM).all():
        return "log-probabilities"
    return "scores"


def _digits(given: NDArray[Any]) -> str:
    values = given.astype(np.float64)
    if not (np.ascontiguousarray(values.astype(np.float32)).view(np.uint32) & 0xFFFF).any():
        return "bfloat16"
    with np.errstate(over="ignore"):
        if (given.astype(np.float16).astype(np.float64) == values).all():
            return "float16"
    for decimals in range(1, _MOST_DECIMALS + 1):
        if (np.abs(values - np.round(values, decimals)) <= 1e-3 * 10.0**-decimals).all():
            return f"{decimals} decimals"
    return ""


def _resolution(digits: str) -> float:
    """The smallest probability that so few digits can tell from 0."""
    return 0.5 * 10.0 ** -int(digits.split()[0]) if digits.endswith("decimals") else 2.0**-24 * (digits == "float16")


def _log_softmax(scores: Outputs) -> Outputs:
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = scores - scores.max(axis=1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
