"""Folders with one file per tensor: numbers as text (.txt, .csv), or .npy; the file's name is the tensor's.

Numbers stand between spaces, commas, semicolons or new lines. A first line "# shape 6 1 5 5" gives the shape; without
it several lines of as many numbers each are a matrix, and one line, or one number a line, a vector. Other lines that
begin with # are remarks.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...budget import charge, current
from ...errors import WeightsError, inside, refuse
from ..files import File
from ..names import natural
from ..signatures import NUMPY
from ..source import UNKNOWN, Source, Tensors
from . import numpy
from .dtypes import MOST_AXES

_ENDINGS = (".txt", ".csv", ".npy")
_MOST_FILES = 200
_LONGEST_NUMBER = 64
_IS_GAP = np.isin(np.arange(256), list(b" \t\r\n\f\v,;"))
_PIECE = 1 << 20
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_SHAPE = re.compile(r"#\s*shape[:\s=]*((?:[\dx,()\[\]][\dx\s,()\[\]]*)?)", re.IGNORECASE | re.ASCII)
_WAY_OUT = "put one .txt, .csv or .npy file per tensor into a folder and pass the folder"


def read(file: File) -> Source:
    """Refuse a text of numbers, which is one tensor at most."""
    refuse("", "a model", "one text of numbers", _WAY_OUT)


def read_folder(path: Path) -> Source:
    """Read the tensors of a folder, in the natural order of their names; other files in it are left alone.

    What is wrong with one of its files is raised as an error of that file's.
    """
    tensors: Tensors = {}
    left = 8 * current().parameters  # bytes, as float64 has them
    for one in sorted(_files(path), key=lambda one: natural(one.name)):
        with inside(str(one)):
            left -= one.lstat().st_size
            if left < 0:
                refuse("", "a model of a few megabytes", "more, all files together", "it is a data set")
            file = File.in_folder(one)
            if one.stem in tensors:
                refuse("", "one file per tensor", f"two of the name {one.stem!r}", "remove one")
            tensors[one.stem] = _npy(file) if one.suffix == ".npy" else _text(file)
    return Source("folder", tensors, UNKNOWN)


def _files(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        found = [
            path / entry.name
            for _, entry in zip(range(100 * _MOST_FILES), entries, strict=False)
            if entry.name.endswith(_ENDINGS) and not entry.name.startswith(".")
        ]
    if not found:
        refuse("", "a folder with a model", f"none of {', '.join(_ENDINGS)} in it", _WAY_OUT)
    if len(found) > _MOST_FILES:
        refuse("", f"one file per tensor, {_MOST_FILES} at most", f"{len(found):,}", _WAY_OUT)
    return found


def _npy(file: File) -> NDArray[Any]:
    if not file.data.startswith(NUMPY):
        refuse("", "a .npy array", "something else", "write it with numpy.save")
    arrays = numpy.parse(file.data)
    if list(arrays) != [""]:
        refuse("", "one array", "pickled objects", "pass this file alone, or one array per file")
    return arrays[""]


def _text(file: File) -> NDArray[Any]:
    lines = _lines(file.data)
    shape = _SHAPE.fullmatch(lines[0].strip()) if lines else None
    rows = [row for row in (_row(line) for line in lines if not line.lstrip().startswith("#")) if row]
    values = np.array([number for row in rows for number in row], np.float64)
    if not len(values):
        refuse("", "numbers", "none", _WAY_OUT)
    if shape is not None:
        return _shaped(values, [int(size[:9]) for size in re.findall(r"\d+", shape[1])[: MOST_AXES + 1]])
    widths = {len(row) for row in rows}
    return values.reshape(len(rows), -1) if len(rows) > 1 and len(widths) == 1 and widths != {1} else values


def _lines(data: bytes) -> list[str]:
    charge("visits", _words_in(data))
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise WeightsError("", "numbers as text", "other bytes", _WAY_OUT) from error


def _words_in(data: bytes) -> int:
    """How many numbers, or whatever stands between gaps, there are, and how many lines."""
    count, is_behind_gap = data.count(b"\n"), True
    for at in range(0, len(data), _PIECE):
        gap = _IS_GAP[np.frombuffer(data[at : at + _PIECE], np.uint8)]
        count += int(np.count_nonzero(gap[:-1] & ~gap[1:])) + (is_behind_gap and not gap[0])
        is_behind_gap = bool(gap[-1])
    return count


def _row(line: str) -> list[float]:
    numbers = re.split(r"[\s,;]+", line.strip(" \t\r,;"))
    if numbers == [""]:
        return []
    bad = next((text for text in numbers if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text)), None)
    if bad is not None:
        refuse("", "numbers", f"{bad[:40]!r}", _WAY_OUT)
    return [float(text) for text in numbers]


def _shaped(values: NDArray[Any], shape: list[int]) -> NDArray[Any]:
    count = math.prod(shape)
    if len(shape) > MOST_AXES or count != len(values):
        refuse("", f"{count:,} numbers for the shape {tuple(shape)}", f"{len(values):,}")
    return values.reshape(shape)
