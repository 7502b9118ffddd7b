"""Pickles of NumPy arrays: PaddlePaddle's .pdparams, and dictionaries or lists that anybody pickled.

Paddle pickles a dictionary from name to array, in some versions to (name, array), with one more entry, a table of
names; its bfloat16 are uint16. Other pickles say nothing on the order of axes. None is ever executed: see `pickled`.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import refuse, whole
from .. import settings
from ..files import File
from ..source import PADDLE, UNKNOWN, Source, Tensors
from . import dtypes, pickled, pickled_arrays
from .pickled import Call

_TABLE = "StructuredToParameterName@@"
_MOST_PICKLES = 32  # in a row


def read(file: File) -> Source:
    """Read the arrays of a pickle; the keys on the way to an array, joined by dots, are its name."""
    with whole("a pickle of NumPy arrays"):
        tree = _tree(file.data)
        paddle = _is_paddle(tree)
        tensors = pickled_arrays.named(tree, _leaf)
    if not tensors:
        refuse("", "a pickle of NumPy arrays", "one without any", _way_out(file.data))
    said = [settings.said_in(tree, "in its dictionary")]
    if not paddle:
        return Source("pickle", tensors, UNKNOWN, said=said)
    return Source("PaddlePaddle", _widened(tensors), PADDLE, said=said)


def _tree(data: bytes) -> Any:
    """The object in a file, or a list of the arrays that were dumped into it one after another."""
    stream = io.BytesIO(data)
    trees = [pickled.parse(stream)]
    while stream.tell() < len(data):
        if not isinstance(trees[-1], Call) or len(trees) == _MOST_PICKLES:
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


def _leaf(value: Any) -> NDArray[Any] | None:
    """What stands for an array: NumPy's calls, Paddle's pairs, rectangles of numbers in nested lists."""
    if _pair(value):
        value = (value.arguments[0] if isinstance(value, Call) else value)[1]
    if isinstance(value, list):
        return pickled_arrays.of_lists(value)
    if not isinstance(value, Call) or not value.path.startswith("numpy"):
        return None
    if value.path.endswith(("._reconstruct", "._frombuffer", ".scalar")) and not _is_plain(value):
        return None  # objects, texts, records
    return pickled_arrays.numpy_array(value)


def _is_plain(value: Call) -> bool:
    """Whether a call makes an array of plain numbers."""
    where = value.state if value.path.endswith("._reconstruct") else value.arguments
    place = {"_reconstruct": 2, "_frombuffer": 1, "scalar": 0}[value.path.rpartition(".")[2]]
    return pickled_arrays.has_plain_dtype(where[place])
