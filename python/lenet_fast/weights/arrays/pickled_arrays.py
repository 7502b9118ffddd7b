"""The arrays in the tree of a pickle (`pickled`): found, named by the way to them, made without NumPy's pickling."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .pickled import Call

#: Makes the array of an object that stands for one; None for any other.
Leaf: TypeAlias = Callable[[Any], "NDArray[Any] | None"]
#: Attributes of objects that hold other objects under their own names: they are no part of a tensor's name.
_TRANSPARENT = ("_parameters", "_buffers", "_modules")
_DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
_DEEPEST, _LONGEST_PATH = 32, 1024


def named(tree: Any, leaf: Leaf) -> dict[str, NDArray[Any]]:
    """Every array in a tree by the path to it, in order."""
    found: dict[str, NDArray[Any]] = {}
    seen: set[int] = set()
    for path, value in _walk("", tree, seen, leaf, 0):
        name = path.strip(".") or "array"
        while name in found:
            name += "'"
        found[name] = value
    return found


def _walk(path: str, value: Any, seen: set[int], leaf: Leaf, depth: int) -> Iterator[tuple[str, NDArray[Any]]]:
    array = leaf(value)
    if array is not None:
        yield path, array
        return
    if depth > _DEEPEST or len(path) > _LONGEST_PATH or id(value) in seen:
        return
    if not isinstance(value, (Call, dict, list, tuple)):
        return
    seen.add(id(value))
    for key, item in _children(value):
        yield from _walk(f"{path}.{key}" if key != "" else path, item, seen, leaf, depth + 1)


def _children(value: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values of what is inside; the key is "" where it is no part of a name."""
    if isinstance(value, dict):
        yield from ((key, item) for key, item in value.items() if isinstance(key, (str, int)))
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    else:
        yield from _children(value.items)
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


def _from_bytes(data: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    if isinstance(data, Call) and data.path == "_codecs.encode":  # bytes as Python 2's protocol carries them
        data = data.arguments[0]
    if isinstance(data, str):
        data = data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)) or not isinstance(dtype, Call):
        raise ValueError("an array without plain numbers (objects, perhaps)")
    kind = np.dtype(dtype.arguments[0])
    if isinstance(dtype.state, tuple) and len(dtype.state) > 1 and dtype.state[1] in ("<", ">", "="):
        kind = kind.newbyteorder(dtype.state[1])
    sizes = tuple(int(n) for n in shape)
    if kind.hasobject or min(sizes, default=0) < 0 or math.prod(sizes) * kind.itemsize != len(data):
        raise ValueError(f"an array of shape {sizes} in {len(data):,} bytes")
    return np.frombuffer(data, kind).reshape(sizes, order="F" if order == "F" else "C")
