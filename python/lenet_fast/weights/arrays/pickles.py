"""Pickles of NumPy arrays: PaddlePaddle's .pdparams, and dictionaries or lists that anybody pickled.

Paddle pickles a dictionary from name to array, in some versions to (name, array), with one more entry, a table of
names; its bfloat16 are uint16. Other pickles say nothing on the order of axes. None is ever executed: see `pickled`.
"""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse, whole
from ..files import File
from ..source import PADDLE, UNKNOWN, Source, Tensors
from . import dtypes, pickled, pickled_arrays
from .pickled import Call

_TABLE = "StructuredToParameterName@@"
_DTYPE = re.compile(r"[<>|=]?[fiubc]\d{1,2}")
_MOST_ARRAYS = 1 << 12
_MOST_PICKLES, _LARGEST_ROW = 32, 1 << 24  # pickles in a row, and all of their bytes


def read(file: File) -> Source:
    """Read the arrays of a pickle; the keys on the way to an array, joined by dots, are its name."""
    with whole("a pickle of NumPy arrays"):
        tree = _tree(file.data)
        paddle = _is_paddle(tree)
        tensors = pickled_arrays.named(tree, _Leaves(len(file.data)))
    if not tensors:
        refuse("", "a pickle of NumPy arrays", "one without any", _way_out(file.data))
    if not paddle:
        return Source("pickle", tensors, UNKNOWN)
    return Source("PaddlePaddle", _widened(tensors), PADDLE)


def _tree(data: bytes) -> Any:
    """The object in a file, or a list of the arrays that were dumped into it one after another."""
    stream = io.BytesIO(data)
    trees = [pickled.parse(stream)]
    while stream.tell() < len(data):
        if not isinstance(trees[-1], Call) or len(trees) == _MOST_PICKLES or len(data) > _LARGEST_ROW:
            raise ValueError("more behind its end")
        trees.append(pickled.parse(stream))
    return trees if len(trees) > 1 else trees[0]


def _way_out(data: bytes) -> str:
    if b"torch" in data:
        return "save PyTorch's tensors with torch.save(model.state_dict(), path)"
    return "save the weights with numpy.savez, or export the model to ONNX"


def _is_paddle(tree: Any) -> bool:
    """Whether a dictionary, or one in it, has Paddle's table of names, or only pairs of a name and an array."""
    level, seen = [tree], set()
    for _ in range(4):
        level = list({id(one): one for one in level if id(one) not in seen}.values())
        seen |= {id(one) for one in level}
        inside = [one.items if isinstance(one, Call) else one for one in level if isinstance(one, (Call, dict))]
        if any(_TABLE in one or (one and all(map(_pair, one.values()))) for one in inside):
            return True
        level = [value for one in inside for value in one.values()]
    return False


def _pair(value: Any) -> bool:
    """Whether this is (name, array): a tuple, or the call that Paddle writes for one."""
    if isinstance(value, Call) and value.path in ("builtins.tuple", "__builtin__.tuple"):
        value = value.arguments[0] if isinstance(value.arguments, tuple) and value.arguments else None
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Call)


def _widened(tensors: Tensors) -> Tensors:
    """The arrays, bfloat16 widened: Paddle has no uint16 of its own."""
    return {name: dtypes.widened(a) if a.dtype == np.uint16 else a for name, a in tensors.items()}


class _Leaves:
    """What stands for an array: NumPy's calls, Paddle's pairs, rectangles of numbers in nested lists.

    A list or an array may be in a pickle once and in its tree a thousand times, so no more is made of either than a
    file of this size may hold.
    """

    def __init__(self, size: int) -> None:
        self._left, self._bytes, self._arrays = size, 4 * size, 0

    def __call__(self, value: Any) -> NDArray[Any] | None:
        if _pair(value):
            value = (value.arguments[0] if isinstance(value, Call) else value)[1]
        array = self._of_lists(value) if isinstance(value, list) else self._of_call(value)
        if array is not None:
            self._arrays += 1
            self._bytes -= array.nbytes if isinstance(value, Call) else 0
        if self._arrays > _MOST_ARRAYS or self._bytes < 0:
            raise ValueError("more arrays than a model has")
        return array

    @staticmethod
    def _of_call(value: Any) -> NDArray[Any] | None:
        if not isinstance(value, Call) or not value.path.startswith("numpy"):
            return None
        if value.path.endswith(("._reconstruct", "._frombuffer", ".scalar")):
            dtype = _dtype_of(value)
            if not _DTYPE.fullmatch(dtype):
                return None  # objects, texts, records
        return pickled_arrays.numpy_array(value)

    def _of_lists(self, value: list[Any]) -> NDArray[Any] | None:
        shape: list[int] = []
        level: Any = value
        while isinstance(level, list) and level and len(shape) < 6:
            shape.append(len(level))
            level = level[0]
        if isinstance(level, bool) or not isinstance(level, (int, float)) or math.prod(shape) > self._left:
            return None
        self._left -= math.prod(shape)
        flat = _flattened(value, shape)
        return None if flat is None else np.array(flat, np.float64).reshape(shape)


def _dtype_of(value: Call) -> str:
    """The name of the type in a call that makes an array."""
    where = value.state if value.path.endswith("._reconstruct") else value.arguments
    place = {"_reconstruct": 2, "_frombuffer": 1, "scalar": 0}[value.path.rpartition(".")[2]]
    dtype = where[place]
    name = dtype.arguments[0] if isinstance(dtype, Call) else ""
    return name if isinstance(name, str) else ""


def _flattened(value: list[Any], shape: list[int]) -> list[float] | None:
    """The numbers of nested lists, or None if these are no rectangle of numbers."""
    level: list[Any] = [value]
    for size in shape:
        if not all(isinstance(item, list) and len(item) == size for item in level):
            return None
        level = [number for item in level for number in item]
    return level if all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in level) else None
