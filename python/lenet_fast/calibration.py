"""How far a model's answers are to be trusted: temperature, thresholds for rejection, and the error that is left.

An image is rejected where the two best scores differ by too little (the paper's own rule, section III-C), or where the
nearest RBF code is too far away: the first finds digits that could be another, the second what is no digit at all.
Scores divided by a temperature give probabilities that are as often right as they say (Guo, Pleiss, Sun, Weinberger,
"On Calibration of Modern Neural Networks", ICML 2017). Both are fitted to images that the model was not trained on.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .finite import TINY, fit_float32, number

Measure = Literal["margin", "distance"]
MEASURES: tuple[Measure, ...] = ("margin", "distance")
Floats = NDArray[np.float32]
Booleans = NDArray[np.bool_]

#: Temperatures that are tried.
_TEMPERATURES = (1e-2, 1e3)
_MOST_BINS = 1_000_000
_Z = 1.959964  # of a 95 % interval


@dataclass(frozen=True)
class Calibration:
    """What `Model.calibrate` found: the temperature, the thresholds, and counts on the images it was given.

    Attributes
    ----------
    temperature
        What scores are divided by before they become probabilities; from 1.18e-38, the smallest normal float32.
    margin
        Images whose two best scores differ by less are rejected; None: not looked at.
    distance
        Images whose nearest RBF code is further away are rejected; None: not looked at.
    images, rejected, errors
        How many images there were, how many of them are rejected, and how many of the others get a wrong label.
    """

    temperature: float = 1.0
    margin: float | None = None
    distance: float | None = None
    images: int = 0
    rejected: int = 0
    errors: int = 0

    def __post_init__(self) -> None:
        for name in ("temperature", *MEASURES):
            value = getattr(self, name)
            if value is None and name != "temperature":
                continue
            plain = number(name, value)
            smallest = 0.0 if name in MEASURES else TINY
            if not fit_float32(plain) or plain < smallest:
                raise ValueError(f"{name}: wanted a finite float32 number, {smallest:.3g} at least, found {plain:g}")
            object.__setattr__(self, name, plain)
        counts = (self.images, self.rejected, self.errors)
        if not all(isinstance(count, int) for count in counts) or not 0 <= self.errors <= self.images - self.rejected:
            raise ValueError(f"calibration: wanted counts of images, rejected and errors, found {counts}")

    def accepts(self, scores: Floats, head: str) -> Booleans:
        """Which images are not rejected, (n,) bool, by the scores of a network with this head."""
        _, margin, distance = map(np.float32, self.for_engine())
        near = confidence(scores, head, "distance") >= -distance
        return np.asarray(near & (confidence(scores, head, "margin") >= margin), np.bool_)

    @property
    def rejects(self) -> bool:
        """Whether there is a threshold."""
        return self.margin is not None or self.distance is not None

    def for_engine(self) -> tuple[float, float, float]:
        """One over the temperature, the smallest margin and the largest distance that are accepted."""
        distance = math.inf if self.distance is None else self.distance
        return 1 / self.temperature, self.margin or 0.0, distance

    @property
    def rejected_interval(self) -> tuple[float, float]:
        """95 % interval of the share of such images that is rejected."""
        return wilson_interval(self.rejected, self.images)

    @property
    def error_interval(self) -> tuple[float, float]:
        """95 % interval of the share of wrong labels among such images that are not rejected."""
        return wilson_interval(self.errors, self.images - self.rejected)

    def __str__(self) -> str:
        """Say everything in two lines; in one where no images are counted."""
        rules = [
            f"the two best scores differ by less than {self.margin:g}" if self.margin else "",
            f"the nearest code is further away than {self.distance:g}" if self.distance is not None else "",
        ]
        when = " or ".join(rule for rule in rules if rule) or "never"
        accepted = self.images - self.rejected
        rules_line = f"temperature {self.temperature:.4g}; rejected: {when}"
        if not self.images:
            return rules_line
        return f"{rules_line}\n{self.images:,} images: {share(self.rejected, self.images)} rejected, {share(self.errors, accepted)} of the others wrong"


def fitted(
    scores: Floats,
    labels: ArrayLike,
    head: str,
    measure: Measure,
    before: Calibration | None,
    target_error: float,
    target_rejection: float | None,
) -> Calibration:
    """Temperature, and a threshold on one measure beside the one that there may be on the other."""
    if target_rejection is not None and target_error != 0.005:
        raise ValueError("target_rejection: wanted it or target_error, found both; leave one out")
    labels = as_labels(labels, *scores.shape)
    target_error = as_share("target_error", target_error)
    target_rejection = None if target_rejection is None else as_share("target_rejection", target_rejection)
    if not np.isfinite(scores).all():
        image, output = np.argwhere(~np.isfinite(scores))[0]
        raise ValueError(
            f"images: wanted some whose scores are finite, found {scores[image, output]} for image {image}"
        )
    if len(scores) < 100:
        warnings.warn(
            f"calibrate: wanted some hundred images, found {len(scores)}: thresholds from so few say little of others; see the intervals in calibration",
            stacklevel=3,
        )
    other = _thresholds(before or Calibration(), measure, None)
    right = as_distances(scores, head).argmin(1) == labels
    candidates = other.accepts(scores, head)
    if not candidates.any():
        raise ValueError(
            "images: wanted some that the threshold on the other measure leaves, found none; model.replace(calibration=None) has no threshold"
        )
    points = curve(confidence(scores, head, measure)[candidates], right[candidates])
    if target_rejection is None:
        chosen = _fewest_rejected(points, target_error)
    else:  # of all images: those that the other threshold rejects are already gone
        gone = 1 - candidates.mean()
        if gone > target_rejection:
            raise ValueError(
                f"target_rejection: wanted at least the {gone:.4g} that the threshold on the other measure rejects, found {target_rejection:g}; model.replace(calibration=None) has none"
            )
        kept = (1 - target_rejection) * len(scores) / candidates.sum()
        chosen = int(np.flatnonzero(points.rejected <= max(1 - kept, 0) + 1e-12)[-1])
    threshold = 0.0 if chosen == 0 and measure == "margin" else _threshold(points, chosen)
    found = _thresholds(other, measure, abs(threshold))
    accepted = found.accepts(scores, head)
    return replace(
        found,
        temperature=other.temperature if right.all() else best_temperature(scores, labels, head),
        images=len(scores),
        rejected=int((~accepted).sum()),
        errors=int((accepted & ~right).sum()),
    )


def _thresholds(others: Calibration, measure: Measure, threshold: float | None) -> Calibration:
    return replace(others, margin=threshold) if measure == "margin" else replace(others, distance=threshold)


def _fewest_rejected(points: Curve, target_error: float) -> int:
    """The first point with so few errors."""
    if not (points.error <= target_error).any():
        best = points.error.min(initial=1)
        raise ValueError(
            f"target_error: wanted at most {target_error:g} of the images that are not rejected to be wrong, found {best:.4g} at best; allow more, or pass more images"
        )
    return int(np.flatnonzero(points.error <= target_error)[0])


def _threshold(points: Curve, chosen: int) -> float:
    """Halfway between the least sure image that is accepted at a point and the surest that is rejected."""
    if chosen == 0:
        return float(points.threshold[0])
    below, above = points.threshold[chosen - 1], points.threshold[chosen]
    middle = np.float32((float(below) + float(above)) / 2)
    return float(middle if middle > below else above)


def share(count: int, total: int) -> str:
    """'0.31 % (31 of 10,000; 95 % interval 0.22 to 0.44 %)'."""
    low, high = (100 * bound for bound in wilson_interval(count, total))
    return f"{100 * count / max(total, 1):.2f} % ({count:,} of {total:,}; 95 % interval {low:.2f} to {high:.2f} %)"


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share, where `count` of `total` independent cases were seen (E. B. Wilson, 1927)."""
    if total == 0:
        return 0.0, 1.0
    p = count / total
    centre, half = p + _Z * _Z / (2 * total), _Z * math.sqrt(p * (1 - p) / total + _Z * _Z / (4 * total * total))
    low, high = (centre - half) / (1 + _Z * _Z / total), (centre + half) / (1 + _Z * _Z / total)
    return max(low, 0.0) if count else 0.0, min(high, 1.0) if count < total else 1.0


def checked_measure(measure: str, head: str) -> str:
    """The head, if a network with it has this measure."""
    if measure not in MEASURES:
        raise ValueError(f"measure: wanted one of {', '.join(MEASURES)}, found {measure!r}")
    if measure == "distance" and head != "rbf":
        raise ValueError(f"measure: wanted 'margin', since the network's head is {head}, not rbf; found 'distance'")
    return head


def as_distances(scores: Floats, head: str) -> Floats:
    """Scores of which the smallest wins: RBF distances as they are, others negated."""
    return scores if head == "rbf" else -scores


def confidence(scores: Floats, head: str, measure: Measure) -> Floats:
    """How sure each image's label is, (n,) float32, larger is surer; computed as the engine does.

    The second smallest distance minus the smallest, or the smallest one negated; of two classes or more.
    """
    distances = as_distances(scores, head)
    if measure == "distance":
        return np.asarray(-distances.min(1), np.float32)
    nearest = np.partition(distances, 1, axis=1)
    with np.errstate(invalid="ignore"):  # of two that are infinite alike there is no difference: NaN, never sure enough
        return np.asarray(nearest[:, 1] - nearest[:, 0], np.float32)


def best_temperature(scores: Floats, labels: NDArray[np.int64], head: str) -> float:
    """The temperature at which these labels are likeliest; there is none above 0 if every image is right.

    Their mean log-probability is concave in 1 / temperature, so bisecting its slope (the score expected of an image
    minus the score of its label) finds the one maximum.
    """
    logits = -as_distances(scores, head).astype(np.float64)
    logits -= logits.max(1, keepdims=True)
    right = logits[np.arange(len(logits)), labels].mean()

    def too_sharp(temperature: float) -> bool:
        weights = np.exp(logits / temperature)
        return bool((logits * weights).sum(1) @ (1 / weights.sum(1)) / len(logits) > right)

    low, high = _TEMPERATURES
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if too_sharp(middle) else (low, middle)
    return math.sqrt(low * high)


class Curve(NamedTuple):
    """What each threshold leaves, the one that accepts all images first.

    rejected, error : (m,) float64, the share of images below the threshold, and of wrong labels among the others
    threshold : (m,) float32, the confidence of the least sure image that is accepted
    """

    rejected: NDArray[np.float64]
    error: NDArray[np.float64]
    threshold: Floats


def curve(confidences: Floats, right: Booleans) -> Curve:
    """Error against rejection: one point per confidence that occurs, since equals are rejected together."""
    order = np.argsort(-confidences, kind="stable")
    ranked = confidences[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))[::-1]
    wrong = np.cumsum(~right[order])[last]
    return Curve(1 - (last + 1) / len(ranked), wrong / (last + 1), ranked[last])


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> float:
    """Return how far stated confidence is from accuracy on average: 0 is perfect, 0.1 means off by ten points.

    Images are sorted into `bins` equal ranges of their largest probability; the result is the mean over images of the
    difference between mean confidence and accuracy within a range (Naeini et al. 2015; Guo et al. 2017).

    Parameters
    ----------
    probabilities : (n, classes)
        As `Model.predict_proba` gives them; rows sum to 1, or to less where rubbish takes part.
    labels : (n,)
        The right classes, whole numbers from 0.
    bins
        How many ranges.

    Raises
    ------
    TypeError, ValueError
        If these are not arrays of that kind, or there is no image.

    Examples
    --------
    >>> round(lenet_fast.expected_calibration_error([[0.9, 0.1], [0.7, 0.3]], [0, 1]), 2)
    0.4
    """
    try:
        given = np.asarray(probabilities)
    except ValueError as error:
        raise ValueError("probabilities: wanted rows of one length, found others") from error
    if given.dtype.kind not in "fiu":
        raise TypeError(f"probabilities: wanted real numbers, found {given.dtype}")
    if given.ndim != 2 or given.shape[1] == 0:
        raise ValueError(f"probabilities: wanted shape (n, classes), found {given.shape}")
    wanted = as_labels(labels, *given.shape)
    p = given.astype(np.float64)
    if not ((p >= 0) & (p <= 1 + 1e-5)).all():
        raise ValueError(
            f"probabilities: wanted numbers from 0 to 1, found {p.min():g} to {p.max():g}; predict_proba gives them"
        )
    if not isinstance(bins, (int, np.integer)) or isinstance(bins, bool) or not 1 <= bins <= _MOST_BINS:
        raise ValueError(f"bins: wanted a whole number from 1 to {_MOST_BINS:,}, found {bins!r}")
    stated, right = p.max(1), p.argmax(1) == wanted
    place = np.clip(np.ceil(stated * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(place, stated - right, bins)
    return float(np.abs(gap).sum() / len(p))


def as_labels(labels: ArrayLike, images: int, classes: int) -> NDArray[np.int64]:
    """Check the right classes of as many images."""
    array: NDArray[Any] = np.asarray(labels)
    if images == 0:
        raise ValueError("labels: wanted at least one image, found none")
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"labels: wanted whole numbers, found {array.dtype}; pass the index of each class in model.classes_"
        )
    if array.shape != (images,):
        raise ValueError(f"labels: wanted one per image, ({images},), found shape {array.shape}")
    if array.min() < 0 or array.max() >= classes:
        raise ValueError(f"labels: wanted classes from 0 to {classes - 1}, found {array.min()} to {array.max()}")
    return array.astype(np.int64)


def as_share(name: str, value: float) -> float:
    """Check a share, at least 0 and below 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)):
        raise TypeError(f"{name}: wanted a share such as 0.005, found {value!r}")
    if not 0 <= value < 1:
        raise ValueError(f"{name}: wanted a share of at least 0 and below 1, such as 0.005, found {value}")
    return float(value)
