"""Hexadecimal words of 16 bits as text, as hardware projects leave weights: whole numbers in two's complement.

Four digits each (FF3A), or 0x before each (0xff3a, 0x12), of which the widest has four: that is what tells that words
have 16 bits, since 8 bits take two digits and floats eight. Where the point stands in them, no text says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse

_WORD = re.compile(r"[0-9a-fA-F]{4}", re.ASCII)
_PREFIXED = re.compile(r"0[xX][0-9a-fA-F]{1,4}", re.ASCII)
#: What stands before the words of a Xilinx memory (.coe), behind remarks.
_MEMORY = re.compile(
    r"(?:\s*;[^\n]*\n)*\s*memory_initialization_radix\s*=\s*(\d{1,2})\s*;\s*memory_initialization_vector\s*=",
    re.IGNORECASE | re.ASCII,
)


def are_words(texts: Sequence[str]) -> bool:
    """Whether all of them are words of 16 bits in one writing."""
    if texts[0][:2] in ("0x", "0X"):
        return all(map(_PREFIXED.fullmatch, texts)) and max(map(len, texts)) == 6
    return all(map(_WORD.fullmatch, texts))


def is_word(text: str) -> bool:
    """Whether it is one."""
    return bool(_WORD.fullmatch(text) or _PREFIXED.fullmatch(text))


def whole_numbers(words: Sequence[str]) -> NDArray[np.int16]:
    """(n,) what the words stand for."""
    return np.fromiter((int(word, 16) for word in words), np.uint16, len(words)).view(np.int16)


def behind_memory_header(text: str) -> str | None:
    """The words of a .coe file; None for any other."""
    header = _MEMORY.match(text)
    if header is None:
        return None
    if int(header[1]) != 16:
        refuse("", "memory_initialization_radix=16", header[1], "write hexadecimal words of 16 bits")
    return text[header.end() :]
