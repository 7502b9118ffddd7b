"""The values of an array in C, between braces: numbers that are written out, in braces that are nested evenly.

As in C, inner braces may be left out, so that the values of all inner axes stand one behind the other. A list of one
zero fills an array with zeros: a buffer. Any other list that is too short, which C fills up too, is refused: it was cut
off.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
from .dtypes import MOST_AXES

_PIECE = re.compile(r"[{}]|[^{}]+")
_DECIMAL = re.compile(
    r"[+-]?\s*((?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d{1,4})?|\d+[eE][+-]?\d{1,4}|0|[1-9]\d*)[fFlL]?", re.ASCII
)
_WHOLE = re.compile(r"([+-]?)\s*0[xX]([0-9a-fA-F]{1,16})[uU]?[lL]{0,2}", re.ASCII)
_BITS = re.compile(r"([+-]?0[xX][0-9a-fA-F]{1,16}(?:\.[0-9a-fA-F]{0,32})?[pP][+-]?\d{1,4})[fFlL]?", re.ASCII)
_LONGEST_NUMBER = 80


def array_in(text: str, at: int, name: str, sizes: Sequence[int | None]) -> tuple[NDArray[Any] | None, int]:
    """The float64 array whose first brace opened before `at`, and the place behind the one that closes it.

    `sizes` are those of its declaration, None where brackets are empty. A buffer is None.
    """
    if len(sizes) > MOST_AXES:
        refuse(name, f"an array of {MOST_AXES} axes at most", f"{len(sizes)}")
    braces = _Braces(name)
    end = braces.read(text, at)
    if braces.is_buffer(sizes):
        return None, end
    return np.array(braces.values, np.float64).reshape(braces.shape(sizes)), end


class _Braces:
    """The values of an array, and how the braces around them are nested."""

    def __init__(self, name: str) -> None:
        self.values: list[float] = []
        self._name = name
        self._lengths: dict[int, int] = {}  # of every list at a depth
        self._depth = 0  # of the numbers

    def read(self, text: str, at: int) -> int:
        """Read to the brace that closes the first; return the place behind it."""
        counts = [0]
        for piece in _PIECE.finditer(text, at):
            charge("visits")
            if piece[0] == "{":
                counts.append(0)
                if len(counts) > MOST_AXES or 0 < self._depth < len(counts):
                    self._refuse_nesting()
            elif piece[0] == "}":
                self._close(counts.pop(), len(counts))
                if not counts:
                    return piece.end()
                counts[-1] += 1
            elif piece[0].strip() not in ("", ","):
                counts[-1] += self._numbers(piece[0], len(counts))
        refuse(self._name, "a whole array", "a brace that does not close", "the file was cut off")

    def _close(self, length: int, depth: int) -> None:
        """Lists of one depth are as long as each other."""
        other = self._lengths.setdefault(depth, length)
        if other != length:
            refuse(self._name, "inner braces with as much in them each", f"{other:,} and {length:,}")

    def _numbers(self, piece: str, depth: int) -> int:
        """Take the numbers of one list; how many there are."""
        charge("visits", piece.count(","))
        if self._depth not in (0, depth):
            self._refuse_nesting()
        self._depth = depth
        words = piece.split(",")
        if not words[-1].strip():
            words.pop()  # a comma behind the last
        self.values += [_number(self._name, word.strip()) for word in words]
        return len(words)

    def _refuse_nesting(self) -> NoReturn:
        wanted = f"braces that are nested evenly, {MOST_AXES} deep at most"
        refuse(self._name, wanted, "numbers beside a brace, at two depths, or deeper")

    @property
    def _nested(self) -> tuple[int, ...]:
        """How many rows or values there are at each depth."""
        return tuple(self._lengths[depth] for depth in sorted(self._lengths))

    def is_buffer(self, sizes: Sequence[int | None]) -> bool:
        """Whether an array of more values is filled by one zero, or by none."""
        is_zero = not any(self.values) and all(length <= 1 for length in self._nested)
        return is_zero and None not in sizes and math.prod(size or 0 for size in sizes) > len(self.values)

    def shape(self, sizes: Sequence[int | None]) -> tuple[int, ...]:
        """The declared shape, if braces and values are of it; where it is empty brackets, what the braces are."""
        nested, count = self._nested, len(self.values)
        first, *others = sizes
        if not count or None in others:
            refuse(self._name, "values, and empty brackets in the first place alone", "others")
        inner = tuple(size or 0 for size in others)
        if first is None and not inner:
            return nested
        if first is None:
            first = nested[0] if len(nested) > 1 else count // math.prod(inner)
        shape = (first, *inner)
        flat = len(nested) - 1  # from this axis on, values stand one behind the other
        if (*shape[:flat], math.prod(shape[flat:])) != nested:
            refuse(self._name, f"{math.prod(shape):,} values for the shape {shape}", f"{count:,} in braces of {nested}")
        return shape


def _number(name: str, word: str) -> float:
    """A number as C writes it; an octal one, a name or an expression is refused."""
    if len(word) <= _LONGEST_NUMBER:
        if number := _DECIMAL.fullmatch(word):
            return -float(number[1]) if word[0] == "-" else float(number[1])
        if number := _WHOLE.fullmatch(word):
            return float(int(number[1] + number[2], 16))
        if number := _BITS.fullmatch(word):
            return float.fromhex(number[1])
    refuse(name, "numbers between commas", repr(word[:40]), "write every value out, in the order of the array")
