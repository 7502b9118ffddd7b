"""What only the user can say of arrays without a graph."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...errors import ArgumentError, shown

FLATTEN = ("CHW", "HWC")
COEFFICIENTS = ("sum", "mean")
COMPACT = ("ascending", "wrapped")


@dataclass(frozen=True)
class Answers:
    """What the user says of things that shapes do not tell; None leaves it open.

    Parameters
    ----------
    flatten
        "CHW" or "HWC": the order in which maps became a vector.
    coefficients
        "sum" or "mean": what a trainable subsampling's coefficient is multiplied with.
    compact
        "ascending" or "wrapped": the order of the kernels of a C3 map that are stored without gaps, by input map, or
        as the paper's neighbours wrap round (4, 5, 0).
    """

    flatten: str | None = None
    coefficients: str | None = None
    compact: str | None = None

    def __post_init__(self) -> None:
        for field, words in zip(fields(self), (FLATTEN, COEFFICIENTS, COMPACT), strict=True):
            value = getattr(self, field.name)
            if value is not None and not (isinstance(value, str) and value in words):
                raise ArgumentError(field.name, " or ".join(words), shown(value))
