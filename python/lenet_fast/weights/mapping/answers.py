"""What only the user can say of arrays without a graph."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import ArgumentError, shown

FLATTEN = ("CHW", "HWC")
COEFFICIENTS = ("sum", "mean")
COMPACT = ("ascending", "wrapped")
KERNELS = ("OIHW", "HWIO", "OHWI", "IOHW", "IHWO")
DENSE = ("OI", "IO")
FRACTION_BITS = tuple(range(16))  # of words of 16 bits, one of which is the sign

_WORDS = {"flatten": FLATTEN, "coefficients": COEFFICIENTS, "compact": COMPACT, "kernels": KERNELS, "dense": DENSE}


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
    kernels
        Of `KERNELS`: the order of axes of convolutions, O outputs, I inputs, H rows, W columns, the slowest first.
    dense
        "OI" or "IO": the same of full connections.
    fraction_bits
        0 to 15: how many bits of a word of fixed point stand behind the point.
    """

    flatten: str | None = None
    coefficients: str | None = None
    compact: str | None = None
    kernels: str | None = None
    dense: str | None = None
    fraction_bits: int | None = None

    def __post_init__(self) -> None:
        for keyword, words in _WORDS.items():
            value = getattr(self, keyword)
            if value is not None and not (isinstance(value, str) and value in words):
                raise ArgumentError(keyword, " or ".join(words), shown(value))
        bits = self.fraction_bits
        if bits is not None and (type(bits) is not int or bits not in FRACTION_BITS):
            raise ArgumentError("fraction_bits", "a whole number from 0 to 15", shown(bits))
