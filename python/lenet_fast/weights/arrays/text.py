"""Folders with one file per tensor, by any suffix: numbers as text, or .npy; the file's name is the tensor's.

Numbers stand between spaces, commas, semicolons or new lines. A first line "# shape 6 1 5 5" gives the shape; without
it several lines of as many numbers each are a matrix, and one line, or one number a line, a vector. What follows //,
and other lines that begin with #, are remarks.

Words may be hexadecimal (`hexadecimal`) instead. A folder has one notation: a file of four digits each, such as 0012,
is in that of the others, and a question where these do not tell. Whole numbers alone, in either, are fixed point.

What a folder has beside tensors is left aside: documents, programs, pictures and settings by their names, texts that
have no number at all, folders. Every other file is a tensor or an error, since what is dropped would be missed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...budget import charge, current
from ...errors import WeightsError, inside, refuse
from ..files import File
from ..names import natural
from ..signatures import NUMPY, is_c_header
from ..source import UNKNOWN, Source, Tensors
from . import hexadecimal, numpy
from .dtypes import MOST_AXES

_MOST_FILES, _MOST_ENTRIES = 200, 20_000
_LONGEST_NUMBER = 64
_IS_GAP = np.isin(np.arange(256), list(b" \t\r\n\f\v,;"))
_PIECE = 1 << 20
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_SHAPE = re.compile(r"#\s*shape[:\s=]*((?:[\dx,()\[\]][\dx\s,()\[\]]*)?)", re.IGNORECASE | re.ASCII)
_UNKNOWN = re.compile(r"[+-]?(nan|inf(inity)?)|[xz]+", re.IGNORECASE | re.ASCII)  # as memories have x for any digit
_ADDRESS = re.compile(r"@0{1,16}")  # of the first word of a memory
_WAY_OUT = "put one file of numbers (or .npy) per tensor, and no others, into a folder and pass the folder"

_IN_C = frozenset(".c .h .cc .cpp .cxx .hh .hpp .hxx .ino .cu .cuh".split())
_BESIDE = frozenset(
    ".md .rst .htm .html .tex .bib .pdf .doc .docx .ipynb .log "
    ".py .pyc .pyi .sh .bat .m .v .sv .vh .svh .vhd .vhdl .tcl .xdc .js .ts .java .rs .go .cl .mk .cmake "
    ".png .jpg .jpeg .bmp .gif .tif .tiff .svg .webp .ppm .pgm .ico "
    ".json .yml .yaml .toml .ini .cfg .xml .lock".split()
)
_NAMED_BESIDE = re.compile(
    r"(readme|licen[cs]e|copying|changelog|makefile|dockerfile|cmakelists|requirements)", re.IGNORECASE
)
#: What is a suffix, and no part of a tensor's name as it is in conv1.weight or layer.0.
_SUFFIX = re.compile(r"(?<=.)\.(?!(?:\d+|weights?|kernel|bias(?:es)?|[wb])$)[^.]+$", re.IGNORECASE)


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a text, as each notation reads them; None where it does not."""

    decimal: NDArray[Any] | None
    hexadecimal: NDArray[Any] | None


_Tensor: TypeAlias = "NDArray[Any] | _Numbers"


def read(file: File) -> Source:
    """Refuse a text of numbers, which is one tensor at most."""
    refuse("", "a model", "one text of numbers", _WAY_OUT)


def read_folder(path: Path) -> Source:
    """Read the tensors of a folder, in the natural order of their names.

    What is wrong with one of its files is raised as an error of that file's.
    """
    found: dict[str, _Tensor] = {}
    files: dict[str, str] = {}
    left = 8 * current().parameters  # bytes, as float64 has them
    for one in sorted(_files(path), key=lambda one: natural(one.name)):
        with inside(str(one)):
            left -= one.lstat().st_size
            if left < 0:
                refuse("", "a model of a few megabytes", "more, all files together", "it is a data set")
            tensor = _tensor(File.in_folder(one))
            name = _SUFFIX.sub("", one.name)
            if tensor is None:
                continue
            if name in found:
                refuse("", "one file per tensor", f"two of the name {name!r} ({files[name]}, {one.name})", "rename one")
            found[name], files[name] = tensor, one.name
    if not found:
        refuse("", "a folder with a model", "no file of numbers in it", _WAY_OUT)
    return _source(found)


# --- which files ---


def _files(path: Path) -> list[Path]:
    """The files that are tensors, or should say why not."""
    with os.scandir(path) as entries:
        listed = list(islice(entries, _MOST_ENTRIES + 1))
    found = [path / entry.name for entry in listed if not _is_beside(entry)]
    if len(found) > _MOST_FILES or len(listed) > _MOST_ENTRIES:
        count = f"{len(found):,}" if len(listed) <= _MOST_ENTRIES else f"more than {_MOST_ENTRIES:,}"
        refuse("", f"one file per tensor, {_MOST_FILES} at most", count, _WAY_OUT)
    return found


def _is_beside(entry: os.DirEntry[str]) -> bool:
    """Whether its name says that it is no tensor, or it is a folder."""
    suffix = Path(entry.name).suffix.lower()
    is_named = entry.name.startswith(".") or suffix in _BESIDE or _NAMED_BESIDE.match(entry.name)
    return bool(is_named) or entry.is_dir(follow_symlinks=False)


def _tensor(file: File) -> _Tensor | None:
    """What a file holds; None for what has no number at all."""
    if file.path.suffix == ".npy" or file.data.startswith(NUMPY):
        return _npy(file)
    if file.path.suffix.lower() in _IN_C:
        if is_c_header(file.data):
            refuse("", "one text of numbers", "arrays in C", "pass this file alone")
        return None
    return _numbers(file)


def _npy(file: File) -> NDArray[Any]:
    if not file.data.startswith(NUMPY):
        refuse("", "a .npy array", "something else", "write it with numpy.save")
    arrays = numpy.parse(file.data)
    if list(arrays) != [""]:
        refuse("", "one array", "pickled objects", "pass this file alone, or one array per file")
    return arrays[""]


# --- one text ---


def _numbers(file: File) -> _Numbers | None:
    text = _decoded(file.data)
    in_memory = hexadecimal.behind_memory_header(text)
    lines = (text if in_memory is None else in_memory).splitlines()
    shape = _SHAPE.fullmatch(lines[0].strip()) if lines else None
    words, widths = _words(lines)
    if not words:
        refuse("", "numbers", "none", _WAY_OUT)
    decimal = np.fromiter(map(float, words), np.float64, len(words)) if all(map(_is_number, words)) else None
    is_hexadecimal = hexadecimal.are_words(words)
    if decimal is None and not is_hexadecimal:
        _refuse_other(words, has_shape=shape is not None)
        return None
    if is_hexadecimal and (in_memory is not None or file.path.suffix.lower() == ".hex"):
        decimal = None
    whole = hexadecimal.whole_numbers(words) if is_hexadecimal else None
    axes = _axes(shape, len(words), widths)
    return _Numbers(*(None if values is None else values.reshape(axes) for values in (decimal, whole)))


def _decoded(data: bytes) -> str:
    charge("visits", _words_in(data))
    try:
        if b"\0" in data:  # which is UTF-8 too
            raise ValueError("a zero byte")
        return data.decode("utf-8-sig")
    except ValueError as error:
        raise WeightsError("", "numbers as text", "other bytes", _WAY_OUT) from error


def _words_in(data: bytes) -> int:
    """How many numbers, or whatever stands between gaps, there are, and how many lines."""
    count, is_behind_gap = data.count(b"\n"), True
    for at in range(0, len(data), _PIECE):
        gap = _IS_GAP[np.frombuffer(data[at : at + _PIECE], np.uint8)]
        count += int(np.count_nonzero(gap[:-1] & ~gap[1:])) + (is_behind_gap and not gap[0])
        is_behind_gap = bool(gap[-1])
    return count


def _words(lines: list[str]) -> tuple[list[str], list[int]]:
    """What stands between gaps, without remarks, and how much of it in each line that has any."""
    words: list[str] = []
    widths: list[int] = []
    for line in lines:
        if line.lstrip().startswith("#"):
            continue
        row = re.split(r"[\s,;]+", line.partition("//")[0].strip(" \t\r,;"))
        if row != [""] and (words or not _ADDRESS.fullmatch(row[0]) or len(row) > 1):
            words += row
            widths.append(len(row))
    return words, widths


def _is_number(word: str) -> bool:
    return len(word) <= _LONGEST_NUMBER and _NUMBER.fullmatch(word) is not None


def _refuse_other(words: list[str], has_shape: bool) -> None:
    """Refuse what has some numbers, or something that stands for them, and something else."""
    strange = (word for word in words if not _is_number(word) and not hexadecimal.is_word(word))
    bad = next(strange, None) or next(word for word in words if not _is_number(word))
    if has_shape or any(hexadecimal.is_word(w) or _UNKNOWN.fullmatch(w) or any(map(str.isdigit, w)) for w in words):
        way_out = f"decimal numbers, or hexadecimal words of four digits; {_WAY_OUT}"
        refuse("", "numbers", f"{bad[:40]!r}", way_out)


def _axes(shape: re.Match[str] | None, count: int, widths: list[int]) -> tuple[int, ...]:
    """The shape that the first line says; else a matrix of equal lines, or a vector."""
    if shape is not None:
        sizes = tuple(int(size[:9]) for size in re.findall(r"\d+", shape[1])[: MOST_AXES + 1])
        if len(sizes) > MOST_AXES or math.prod(sizes) != count:
            refuse("", f"{math.prod(sizes):,} numbers for the shape {sizes}", f"{count:,}")
        return sizes
    is_matrix = len(widths) > 1 and len(set(widths)) == 1 and widths[0] != 1
    return (len(widths), widths[0]) if is_matrix else (count,)


# --- all of them ---


def _source(found: Mapping[str, _Tensor]) -> Source:
    """The tensors in the folder's notation; whole numbers alone are words of fixed point."""
    texts = {name: tensor for name, tensor in found.items() if isinstance(tensor, _Numbers)}
    is_hexadecimal = _is_hexadecimal(texts)
    tensors: Tensors = {}
    for name, tensor in found.items():
        if isinstance(tensor, _Numbers):
            values = tensor.hexadecimal if is_hexadecimal else tensor.decimal
            assert values is not None
            tensors[name] = values
        else:
            tensors[name] = tensor
    whole = is_hexadecimal or (len(texts) == len(found) and all(map(_is_whole, tensors.values())))
    is_fixed = whole and any(tensors[name].any() for name in texts)
    return Source("folder", tensors, UNKNOWN, fixed_point=frozenset(texts) if is_fixed else frozenset())


def _is_hexadecimal(texts: Mapping[str, _Numbers]) -> bool:
    """Whether the folder's notation is that; refused where it is both, or cannot be told."""
    only = [name for name, numbers in texts.items() if numbers.decimal is None]
    decimal = [name for name, numbers in texts.items() if numbers.hexadecimal is None]
    if only and decimal:
        refuse(
            only[0], "one notation in a folder", f"hexadecimal words, and decimal numbers in {decimal[0]!r}", _WAY_OUT
        )
    open_ones = [name for name, numbers in texts.items() if numbers.decimal is not None and numbers.decimal.any()]
    if open_ones and not only and not decimal:
        found = "four digits each, which may be hexadecimal words or decimal numbers"
        way_out = "name hexadecimal files .hex, or write 0x before their words; write decimal numbers with a point"
        refuse(open_ones[0], "numbers in a notation that can be told", found, way_out)
    return bool(only)


def _is_whole(array: NDArray[Any]) -> bool:
    return bool((array == np.floor(array)).all())
