"""Which reading of a file computes a trainer's outputs.

Everything that the file leaves open is tried. What no image rules out is run as the model that it would be, on all
images, and certified if it differs from the outputs by rounding alone, if no other reading does too, and if the outputs
would have shown it otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...budget import spending
from ...errors import ArgumentError, WeightsError, warn
from ...model import Model
from ..build import Imported, Wishes, imported
from ..source import Source
from . import float64
from .elimination import Candidate, Progress, eliminated
from .outputs import Expected, agreement
from .readings import readings, readings_otherwise
from .saturation import unseen

#: How many readings are run on all images: of those that nothing rules out, and of the others, to be shown.
_MOST, SHOWN = 32, 8
#: Nearer than this a wrong reading hardly comes.
_FEW_DIGITS = 1e-2


@dataclass(frozen=True)
class Finding:
    """One reading of a file: what was assumed, the model, and how far it is from the trainer's outputs.

    Parameters
    ----------
    reading
        What was assumed, keyword to value.
    imported
        The model.
    error
        The largest difference as a share of the spread of all outputs, or the share of labels that differ.
    reproduces
        Whether that is rounding alone.
    same
        Other values of what was assumed that compute the same for images such as these.
    """

    reading: Mapping[str, str]
    imported: Imported
    error: float
    reproduces: bool
    same: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return ", ".join(f"{key} {value}{self._also(key)}" for key, value in self.reading.items()) or "as the file says"

    def _also(self, key: str) -> str:
        return f" (the same here: {' and '.join(self.same[key])})" if self.same.get(key) else ""


@dataclass(frozen=True)
class Verdict:
    """The findings, best first, of how many readings that were tried, and what they were held against."""

    findings: list[Finding]
    tried: int
    images: NDArray[Any]
    expected: Expected

    def best(self, name: str) -> Imported:
        """The reading that computes the outputs, its card says so; WeightsError if there is none, or no certain one."""
        good = [finding for finding in self.findings if finding.reproduces]
        if not good:
            raise WeightsError("", "the outputs that were passed", *self._none(), name)
        if len(good) > 1:
            raise WeightsError("", "one reading that gives what was passed", *self._several(good), name)
        model = good[0].imported.model
        if self.tried > 1 and self.expected.kind != "labels" and (doubt := self._doubt(good[0])):
            raise WeightsError("", "outputs that only one reading can give", doubt, f"pass {self._instead()}", name)
        return replace(good[0].imported, model=self._told(model, good[0].error))

    def _none(self) -> tuple[str, str]:
        """What was found, and the way out, where no reading is good."""
        nearest, n = self.findings[0], len(self.expected)
        found = f"none of {self.tried} readings that gives them" if self.tried > 1 else "others"
        if self.expected.kind == "labels":
            return found, f"the nearest, {nearest}, gives {round(nearest.error * n)} of {n} images another label"
        found = f"{found}; the nearest, {nearest}, is off by {nearest.error:.1e} of their spread"
        if self.expected.tells_nothing:
            return found, f"what was passed is {self.expected.tells_nothing}: pass {self._instead()}"
        if self.expected.digits:
            return found, f"what was passed has the digits of {self.expected.digits}: pass float32 outputs, unrounded"
        few = "if the trainer computed with fewer digits (float16, a GPU's TF32), run it in float32 on a CPU"
        return found, few if nearest.error < _FEW_DIGITS else "export the model to ONNX"

    def _several(self, good: list[Finding]) -> tuple[str, str]:
        count = f"{len(good)} or more" if len(good) >= _MOST else f"{len(good)}"
        found = f"{count}: " + "; ".join(map(str, good[:4]))
        reason = self.expected.tells_nothing or "outputs that cannot tell them apart"
        return found, f"these are {reason}: pass {self._instead()}"

    def _instead(self) -> str:
        """What would tell more."""
        kinds = {"labels": "more images, or outputs instead of labels", "scores": "other images, or more"}
        return kinds.get(self.expected.kind, "logits instead of probabilities, or other images")

    def _doubt(self, finding: Finding) -> str:
        """Why a reading that was not tried might give the same; "" where it could not."""
        if self.expected.tells_nothing:
            return self.expected.tells_nothing
        is_scaled = "preprocess" in finding.reading
        what = unseen(finding.imported.model, self.images, self.expected, is_scaled=is_scaled)
        return f"ones that hardly depend on {what}, saturated perhaps" if what else ""

    def _told(self, model: Model, error: float) -> Model:
        """The model with a card that says what was compared."""
        n = len(self.expected)
        if self.expected.kind == "labels":
            warn(f"check: labels only, of {n:,} images, which a wrong model may give too; pass the trainer's outputs")
            said = f"labels only, {n:,} images"
        else:
            said = f"{self._kind(model)} of {n:,} images, largest difference {error:.1e} of their spread"
        return model.replace(card={**model.card, "checked": said}, calibration=model.calibration)

    def _kind(self, model: Model) -> str:
        """What the outputs are called."""
        if self.expected.kind != "scores":
            return self.expected.kind
        return "distances" if model.network.head == "rbf" else "logits"


def verify(
    source: Source,
    wishes: Wishes,
    images: ArrayLike,
    expected: ArrayLike,
    name: str,
    progress: Progress | None = None,
) -> Verdict:
    """Try every reading.

    Raises
    ------
    WeightsError
        If nothing fits the shapes at all.
    TypeError, ValueError
        If images and expected outputs do not fit each other, or the images no reading.
    """
    pixels = np.asarray(images)
    wanted = Expected.of(expected, len(pixels) if pixels.ndim else 0)
    if wanted.kind != "labels" and not wanted.spread:
        raise ArgumentError("expected", "outputs that differ", f"{wanted.tells_nothing}", "pass those of other images")
    several = readings(source, wishes, name, pixels)
    left, out = eliminated(several, pixels, wanted, progress)
    if out and not left and (others := readings_otherwise(source, wishes, name, pixels, several)):
        left, more = eliminated(others, pixels, wanted, None)
        out = sorted([*out, *more], key=lambda one: one.error)
    if not left and not out:
        float64.scaled(pixels, several[0].parts.network.input, several[0].scaled[0][1])  # says why they do not fit
    run = [*left[:_MOST], *out[: max(0, SHOWN - len(left))]]
    found = [_run(candidate, pixels, wanted, name) for candidate in run]
    findings = sorted(_merged(found, pixels), key=lambda finding: (not finding.reproduces, finding.error))
    return Verdict(findings, len(left) + len(out), pixels, wanted)


def _run(candidate: Candidate, images: NDArray[Any], expected: Expected, name: str) -> tuple[Finding, bytes]:
    """The candidate as the model that it would be, and its scores."""
    with spending():
        made = imported(replace(candidate.reading.parts, scaling=candidate.scaling), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = made.model.scores(images)
    error, reproduces = agreement(made.model, images, expected, scores)
    same = {"preprocess": candidate.reading.scalings.get(candidate.words.get("preprocess", ""), ())}
    return Finding(candidate.words, made, error, reproduces, same), scores.tobytes()


def _merged(found: list[tuple[Finding, bytes]], images: NDArray[Any]) -> Iterator[Finding]:
    """One finding of those that differ in padding alone and give the same scores: the one of the images' own size."""
    alike: dict[tuple[Any, ...], list[Finding]] = {}
    for number, (finding, scores) in enumerate(found):
        assumed = [item for item in finding.reading.items() if item[0] not in ("network", "padding")]
        alike.setdefault((*assumed, scores if finding.reproduces else number), []).append(finding)
    for several in alike.values():
        several.sort(key=lambda finding: finding.imported.model.network.input[1] not in images.shape)
        first, *others = several
        paddings = tuple(dict.fromkeys(other.reading.get("padding", "") for other in others))
        yield replace(first, same={**first.same, "padding": paddings}) if others else first
