"""TensorRT weights as text (.wts): a count, then a line for each array, its name, its length and its values.

    5
    conv1.weight 150 bc8c4d9a 3d1f0e22 ...        tensorrtx, from PyTorch: bits of float32, highest byte first
    conv1bias 0 20 bdf4a3c1 0 ...                 samples of TensorRT: a type before the length, leading zeros left out

Arrays are flat: no shape is told. Those of tensorrtx lie as PyTorch's tensors do.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse
from ..files import File
from ..source import TORCH, UNKNOWN, Source, Tensors

#: As the samples number types -> hexadecimal digits of a value, and what it is.
_TYPES = {"0": (8, ">f4"), "1": (4, ">f2")}
_PIECE = 1 << 12  # values that are padded at once
_CONTROL = set(range(32))
_BLANKS = b" \t\n\r\v\f"
_PYTORCH = _TYPES["0"]
_WAY_OUT = "write it anew, or save the state dict with torch.save"


def read(file: File) -> Source:
    """Read the arrays of a file."""
    count, *lines = _lines(file.data)
    if count.strip() != str(len(lines)):
        refuse("", f"as many arrays as its first line says ({count[:20]!r})", f"{len(lines):,}", _WAY_OUT)
    tensors: Tensors = {}
    is_typed = False
    for line in lines:
        name, kind, words = _parts(line)
        if name in tensors:
            refuse(name, "one array of each name", "two", _WAY_OUT)
        tensors[name] = _values(name, words, *_TYPES.get(kind, _PYTORCH))
        is_typed = is_typed or bool(kind)
    return Source("TensorRT", tensors, UNKNOWN if is_typed else TORCH)


def _lines(data: bytes) -> list[str]:
    """Its lines, without those that are empty."""
    if not data.isascii() or not set(data) & _CONTROL <= set(_BLANKS):
        refuse("", "a TensorRT .wts file", "other bytes", _WAY_OUT)
    charge("visits", 1 + data.count(b"\n") + sum(map(data.count, _BLANKS)))
    return [line for line in data.decode().split("\n") if line.strip(_BLANKS.decode())] or [""]


def _parts(line: str) -> tuple[str, str, list[str]]:
    """Name, type ("" if there is none) and values, which are as many as the line says."""
    words = line.split()
    if len(words) > 2 and _says(words[1], len(words) - 2):
        return words[0], "", words[2:]
    if len(words) > 3 and words[1] in _TYPES and _says(words[2], len(words) - 3):
        return words[0], words[1], words[3:]
    _refuse_line(words)


def _says(length: str, count: int) -> bool:
    return length == str(count)


def _refuse_line(words: list[str]) -> NoReturn:
    told = " ".join(word[:20] for word in words[1:3]) or "nothing"
    found = f"{told!r} before {max(len(words) - 2, 0):,} more"
    refuse(words[0], "a length (behind a type that is 0 or 1) and as many values", found, _WAY_OUT)


def _values(name: str, words: list[str], digits: int, kind: str) -> NDArray[Any]:
    if max(map(len, words)) > digits:
        bad = next(word for word in words if len(word) > digits)
        refuse(name, f"values of {digits} hexadecimal digits at most", repr(bad[:40]), _WAY_OUT)
    try:
        starts = range(0, len(words), _PIECE)
        data = b"".join(_bytes(words[start : start + _PIECE], digits) for start in starts)
    except ValueError:
        bad = next(word for word in words if not set(word) <= set("0123456789abcdefABCDEF"))
        refuse(name, "values in hexadecimal digits", repr(bad[:40]), _WAY_OUT)
    return np.frombuffer(data, kind)


def _bytes(words: list[str], digits: int) -> bytes:
    return bytes.fromhex("".join(word.rjust(digits, "0") for word in words))
