"""Words of fixed point: whole numbers that stand for fractions, of how many bits only the user can say."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np

from ...budget import charge
from ...errors import OpenQuestionError, refuse
from ..source import Source, Tensors
from .answers import FRACTION_BITS

_DIVIDE = "divide them by their scale and pass the arrays to lenet_fast.from_state_dict"


def as_fractions(source: Source, fraction_bits: int | None) -> Source:
    """The source with its words as the fractions that they stand for; WeightsError asks where nobody says how."""
    if not source.fixed_point:
        if fraction_bits is not None:
            refuse("fraction_bits", "words of fixed point", f"none ({source.format})", "leave fraction_bits out")
        return source
    words = {name: source.tensors[name] for name in source.tensors if name in source.fixed_point}
    _refuse_other_words(words)
    if fraction_bits is None:
        _ask(next(iter(words)))
    charge("values", sum(array.size for array in words.values()))
    fractions = {name: np.ldexp(array.astype(np.float64), -fraction_bits) for name, array in words.items()}
    return replace(source, tensors={**source.tensors, **fractions}, fixed_point=frozenset())


def _refuse_other_words(words: Tensors) -> None:
    """Words of more bits do not fit into 16; of fewer bits, or without a sign, none is negative."""
    limits = np.iinfo(np.int16)
    for name, array in words.items():
        if array.min() < limits.min or array.max() > limits.max:
            found = f"{max(array.min(), array.max(), key=abs):,.0f}"
            refuse(name, f"whole numbers of 16 bits ({limits.min:,} to {limits.max:,})", found, _DIVIDE)
    if all(array.min() >= 0 for array in words.values()):
        found = "none that is negative: words of fewer bits, or without a sign"
        refuse(next(iter(words)), "words of 16 bits in two's complement", found, f"write them so, or {_DIVIDE}")


def _ask(name: str) -> NoReturn:
    wanted = "to know how many bits of a word stand behind the point"
    found = "whole numbers alone, which do not tell"
    way_out = "pass fraction_bits=8 if 256 stands for 1, fraction_bits=15 if 32,768 does, or any from 0 to 15"
    raise OpenQuestionError(name, wanted, found, way_out, keyword="fraction_bits", choices=FRACTION_BITS)
