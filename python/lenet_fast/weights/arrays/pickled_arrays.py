"""The arrays in the tree of a pickle (`pickled`): found, named by the way to them, made without NumPy's pickling."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from . import dtypes
from .pickled import Call

#: Makes the array of an object that stands for one; None for any other.
Leaf: TypeAlias = Callable[[Any], "NDArray[Any] | None"]
#: Attributes of objects that hold other objects under their own names: they are no part of a tensor's name.
_TRANSPARENT = ("_parameters", "_buffers", "_modules")
_DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
_DEEPEST, _LONGEST_PATH = 32, 1024
_DTYPE = re.compile(r"[<>|=]?[fiubc]\d{1,2}")


def named(tree: Any, leaf: Leaf) -> dict[str, NDArray[Any]]:
    """Every array in a tree by the path to it, in order."""
    found: dict[str, NDArray[Any]] = {}
    counts: dict[str, int] = {}
    for path, value in _walk("", tree, set(), leaf, 0):
        name = unique = path.strip(".") or "array"
        while unique in found:
            counts[name] = counts.get(name, 1) + 1
            unique = f"{name}'{counts[name]}"
        found[unique] = value
    return found


def _walk(path: str, value: Any, seen: set[int], leaf: Leaf, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
    charge("visits", 2)
    array = leaf(value)
    if array is not None:
        yield path, array
        return
    if depth > _DEEPEST or id(value) in seen or not isinstance(value, (Call, dict, list, tuple)):
        return
    seen.add(id(value))
    for key, item in children(value):
        part = key if isinstance(key, str) else str(key)
        if len(path) + len(part) < _LONGEST_PATH:
            yield from _walk(f"{path}.{part}" if part else path, item, seen, leaf, depth + 1)


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of what is inside; the key is "" where it is no part of a name."""
    if isinstance(value, dict):
        yield from ((key, item) for key, item in value.items() if isinstance(key, (str, int)))
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    else:
        yield from children(value.items)
        yield from enumerate(value.elements)
        for state in value.state if isinstance(value.state, tuple) else (value.state,):
            for key, item in state.items() if isinstance(state, dict) else ():
                yield ("" if key in _TRANSPARENT else key), item
        if value.path in _DICTIONARIES:
            yield from _pairs(value.arguments)


def _pairs(arguments: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of a dictionary that is made of a list of them."""
    pairs = arguments[0] if isinstance(arguments, tuple) and arguments else ()
    if isinstance(pairs, (list, tuple)):
        yield from ((pair[0], pair[1]) for pair in pairs if isinstance(pair, (list, tuple)) and len(pair) == 2)


def numpy_array(value: Any) -> NDArray[Any] | None:
    """The array that a NumPy pickle's call stands for, or None if this is no such call."""
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, Call):
        return None
    if value.path.startswith("numpy") and value.path.endswith("._reconstruct"):
        _, shape, dtype, fortran, data = value.state
        return _from_bytes(data, dtype, shape, "F" if fortran else "C")
    if value.path.startswith("numpy") and value.path.endswith("._frombuffer"):
        data, dtype, shape, order = value.arguments
        return _from_bytes(data.arguments[0] if isinstance(data, Call) else data, dtype, shape, order)
    if value.path.startswith("numpy") and value.path.endswith(".scalar"):
        dtype, data = value.arguments
        return _from_bytes(data, dtype, (), "C")
    return None


def _from_bytes(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    if isinstance(data, Call) and data.path == "_codecs.encode":  # bytes as Python 2's protocol carries them
        data = data.arguments[0]
    if isinstance(data, str):
        charge("values", len(data) // 8)
        data = data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)) or not isinstance(dtype, Call):
        raise ValueError("an array without plain numbers (objects, perhaps)")
    kind, sizes = _plain_dtype(dtype), dtypes.whole_numbers(shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) * kind.itemsize != len(data):
        raise ValueError(f"an array of shape {sizes} in {len(data):,} bytes")
    return np.frombuffer(data, kind).reshape(sizes, order="F" if order == "F" else "C")


def _plain_dtype(call: Call) -> np.dtype[Any]:
    """The type of plain numbers that a call of numpy.dtype stands for; ValueError for any other."""
    if not has_plain_dtype(call):
        raise ValueError("an array of no plain numbers")
    kind: np.dtype[Any] = np.dtype(call.arguments[0])
    order = call.state[1] if isinstance(call.state, tuple) and len(call.state) > 1 else None
    return kind.newbyteorder(order) if order in ("<", ">", "=") else kind


def has_plain_dtype(call: Any) -> bool:
    """Whether a call of numpy.dtype is of numbers, and not of objects, texts or records."""
    name = call.arguments[0] if isinstance(call, Call) and isinstance(call.arguments, tuple) and call.arguments else ""
    return isinstance(name, str) and _DTYPE.fullmatch(name) is not None


def of_lists(value: Any) -> NDArray[Any] | None:
    """The array of nested lists of numbers, which may be in the pickle once and in its tree a thousand times."""
    shape: list[int] = []
    level: Any = value
    while isinstance(level, list) and level and len(shape) < dtypes.MOST_AXES:
        shape.append(len(level))
        level = level[0]
    if not shape or not _is_number(level):
        return None
    charge("visits", math.prod(shape))
    flat = _flattened(value, shape)
    return None if flat is None else np.array(flat, np.float64).reshape(shape)


def _flattened(value: list[Any], shape: list[int]) -> list[float] | None:
    """The numbers of nested lists, or None if these are no rectangle of numbers."""
    level: list[Any] = [value]
    for size in shape:
        if not all(isinstance(item, list) and len(item) == size for item in level):
            return None
        level = [number for item in level for number in item]
    return level if all(map(_is_number, level)) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
