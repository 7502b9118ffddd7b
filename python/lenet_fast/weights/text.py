"""Folders with one file per tensor: numbers as text (.txt, .csv), or .npy; the file's name is the tensor's.

Numbers stand between spaces, commas, semicolons or new lines. A first line "# shape 6 1 5 5" gives the shape; without
it several lines of as many numbers each are a matrix, and one line, or one number a line, a vector. Other lines that
begin with # are remarks.
"""

from __future__ import annotations

import math
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import WeightsError
from . import numpy
from .files import File
from .source import UNKNOWN, Source, Tensors

_ENDINGS = (".txt", ".csv", ".npy")
_MOST_FILES = 200
_LARGEST, _LARGEST_ALL = 1 << 25, 1 << 26  # bytes of a file, of all files
_MOST_NUMBERS, _LONGEST_NUMBER = 1 << 21, 64
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_SHAPE = re.compile(r"#\s*shape[:\s=]*([\dx\s,()\[\]]*)", re.IGNORECASE | re.ASCII)
_ONLY_NUMBERS = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:#[^\n]*\n\s*)*[+-]?\.?\d[\d\s,;.eE+-]*")
_WAY_OUT = "put one .txt, .csv or .npy file per tensor into a folder and pass the folder"


def looks_like(data: bytes) -> bool:
    """Whether this is a text of numbers."""
    return _ONLY_NUMBERS.fullmatch(data[:1024]) is not None


def read(file: File) -> Source:
    """Refuse a text of numbers, which is one tensor at most."""
    raise WeightsError(f"{file}: wanted a model, found one text of numbers; {_WAY_OUT}")


def read_folder(path: Path) -> Source:
    """Read the tensors of a folder, in the natural order of their names; other files in it are left alone."""
    found = _files(path)
    tensors: Tensors = {}
    left = _LARGEST_ALL
    for one in sorted(found, key=lambda one: _natural(one.name)):
        file = _open(one)
        left -= len(file.data)
        if left < 0:
            raise WeightsError(f"{path}: wanted a model of a few megabytes, found more than {_LARGEST_ALL:,} bytes")
        if one.stem in tensors:
            raise WeightsError(f"{one}: wanted one file per tensor, found two of the name {one.stem!r}; remove one")
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
        raise WeightsError(
            f"{path}: wanted a folder with a model, found none of {', '.join(_ENDINGS)} in it; {_WAY_OUT}"
        )
    if len(found) > _MOST_FILES:
        raise WeightsError(
            f"{path}: wanted one file per tensor, {_MOST_FILES} at most, found {len(found):,}; {_WAY_OUT}"
        )
    return found


def _open(path: Path) -> File:
    """A regular file: no link, no pipe, nothing large."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise WeightsError(f"{path}: wanted a regular file, found a link or something else; copy the file itself here")
    if status.st_size > _LARGEST:
        raise WeightsError(
            f"{path}: wanted a tensor of a few megabytes, found {status.st_size:,} bytes; it is a data set"
        )
    return File.open(path)


def _npy(file: File) -> NDArray[Any]:
    if not numpy.looks_like(file.data):
        raise WeightsError(f"{file}: wanted a .npy array, found something else; write it with numpy.save")
    arrays = numpy._parse(file.data, str(file))
    if list(arrays) != [""]:
        raise WeightsError(
            f"{file}: wanted one array, found pickled objects; pass this file alone, or one array per file"
        )
    return arrays[""]


def _text(file: File) -> NDArray[Any]:
    try:
        lines = file.data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise WeightsError(f"{file}: wanted numbers as text, found other bytes; {_WAY_OUT}") from error
    if sum(1 for _ in re.finditer(rb"[^\s,;]+", file.data)) > _MOST_NUMBERS:
        raise WeightsError(f"{file}: wanted a tensor, found more than {_MOST_NUMBERS:,} numbers; it is a data set")
    wanted = _SHAPE.fullmatch(lines[0].strip()) if lines else None
    rows = [row for row in (_row(line, file) for line in lines if not line.lstrip().startswith("#")) if row]
    values = np.array([number for row in rows for number in row], np.float64)
    if not len(values):
        raise WeightsError(f"{file}: wanted numbers, found none; {_WAY_OUT}")
    if wanted is None:
        widths = {len(row) for row in rows}
        return values.reshape(len(rows), -1) if len(rows) > 1 and len(widths) == 1 and widths != {1} else values
    shape = tuple(int(size[:9]) for size in re.findall(r"\d+", wanted[1]))
    if len(shape) > 8 or math.prod(shape) != len(values):
        raise WeightsError(f"{file}: wanted {math.prod(shape):,} numbers for the shape {shape}, found {len(values):,}")
    return values.reshape(shape)


def _row(line: str, file: File) -> list[float]:
    numbers = re.split(r"[\s,;]+", line.strip(" \t\r,;"))
    if numbers == [""]:
        return []
    bad = next((text for text in numbers if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text)), None)
    if bad is not None:
        raise WeightsError(f"{file}: wanted numbers, found {bad[:40]!r}; {_WAY_OUT}")
    return [float(text) for text in numbers]


def _natural(name: str) -> list[Any]:
    """A key that puts w2 before w10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]
