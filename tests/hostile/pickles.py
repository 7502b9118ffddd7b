"""Hostile pickles: PyTorch's files of both layouts, NumPy's objects, and plain ones.

A pickle refers to one object as often as it likes, a byte each time, so a tree of a thousand bytes has more ways to its
leaves than there are seconds. Numbers are as long as the file, and a shape may be any object at all.
"""

from __future__ import annotations

import math
from pathlib import Path

from . import opcodes as op
from .case import Case

NAMED = {"network": "lenet5-relu-max"}
_DEEP = 40  # levels of doubling that nobody walks to the end of
_MEBIBYTE = 1 << 20


# --- shared objects ---


def _shared_calls(path: Path) -> bytes:
    """Calls whose two arguments are the same call, 40 deep."""
    level = op.put(0) + op.POP + op.called(op.name("a", "b"), op.get(0), op.get(0))
    return op.torch_legacy(op.called(op.name("a", "b")) + level * _DEEP)


def _repeated_tree(path: Path) -> bytes:
    """A list of one parameter inside a parameter inside a parameter, which is looked through every time."""
    parameter = op.name("torch._utils", "_rebuild_parameter")
    chain = parameter * 300 + op.NONE + (op.TUPLE1 + op.REDUCE) * 300
    return op.torch_zip(op.listed(chain, op.DUP * 100_000))


def _conv_with(**state: bytes) -> bytes:
    """Two pickled convolutions with these attributes."""
    pairs = [(op.text(key), value) for key, value in state.items()]
    one = op.module("torch.nn.modules.conv.Conv2d", op.mapping(*pairs))
    return op.listed(one, one)


def _strides_as_text(path: Path) -> bytes:
    """A setting that has no end when it is put into a sentence."""
    return op.torch_zip(_conv_with(stride=op.doubled(op.EMPTY_TUPLE, _DEEP)))


def _padding_hashed(path: Path) -> bytes:
    """A tuple that takes for ever to hash."""
    return op.torch_zip(_conv_with(padding=op.doubled(op.EMPTY_TUPLE, _DEEP) + op.TUPLE1))


def _padding_deep(path: Path) -> bytes:
    """A tuple so deep that hashing it ends the process: the interpreter counts no levels there."""
    return op.torch_zip(_conv_with(padding=op.EMPTY_TUPLE + op.TUPLE1 * 400_000))


def _padding_of_calls(path: Path) -> bytes:
    """Paddings that are calls, told in the sentence that refuses them."""
    level = op.put(0) + op.POP + op.called(op.name("a", "b"), op.get(0), op.get(0))
    call = op.called(op.name("a", "b")) + level * _DEEP
    weights = op.tensor(op.sizes([10, 84]), op.sizes([84, 1]))
    tree = op.listed(weights, _conv_with(padding=call + op.TUPLE1))
    return op.torch_zip(tree, bytes(4 * 840))


def _key_as_text(path: Path) -> bytes:
    """A storage whose key is a tree."""
    return op.torch_zip(op.tensor(op.sizes([1]), op.sizes([1]), key=op.doubled(op.text("0"), _DEEP)))


def _legacy_keys_as_text(path: Path) -> bytes:
    """The same in the list of storages."""
    return op.torch_legacy(op.EMPTY_DICT, op.listed(op.doubled(op.text("0"), _DEEP)), bytes(8))


def _dtype_tree(path: Path) -> bytes:
    """A record type of two fields, each of the same record type of two fields."""
    level = op.put(0) + op.POP + op.listed(*(op.text(f) + op.get(0) + op.TUPLE2 for f in "ab"))
    kind = op.text("f4") + level * _DEEP
    return op.npy_of(op.mapping((op.text("a"), op.numpy_array(op.sizes([1]), bytes(4), kind))))


def _shared_lists(width: int) -> bytes:
    """Lists of the same list of the same list: five levels, each as wide."""
    level = op.put(0) + op.POP + op.listed(op.get(0), op.DUP * (width - 1))
    return op.npy_of(op.mapping((op.text("a"), op.listed(op.whole(1), op.DUP * (width - 1)) + level * 4)))


# --- names ---


def _same_names(path: Path) -> bytes:
    """A dictionary made of 4,000 times the same pair: each name is made unique by one more apostrophe."""
    pair = op.text("a") + op.numpy_array(op.sizes([1]), bytes(4)) + op.TUPLE2
    return op.program(op.called(op.name("collections", "OrderedDict"), op.listed(pair, op.DUP * 4000)))


def _same_names_paddle(path: Path) -> bytes:
    """The same of Paddle."""
    pair = op.text("a") + op.numpy_array(op.sizes([1]), bytes(4)) + op.TUPLE2
    inside = op.called(op.name("collections", "OrderedDict"), op.listed(pair, op.DUP * 4000))
    return op.program(op.mapping((op.text("StructuredToParameterName@@"), op.EMPTY_DICT), (op.text("m"), inside)))


def _same_names_torch(path: Path, **members: bytes) -> bytes:
    """The same of PyTorch."""
    pair = op.text("a") + op.tensor(op.sizes([1]), op.sizes([1])) + op.TUPLE2
    return op.torch_zip(op.called(op.name("collections", "OrderedDict"), op.listed(pair, op.DUP * 20_000)), **members)


def _long_names(path: Path) -> bytes:
    """One long name in 20,000 dictionaries."""
    first = op.text("a" * 50_000) + op.put(0) + op.POP + op.tensor(op.sizes([1]), op.sizes([1])) + op.put(1) + op.POP
    one = op.EMPTY_DICT + op.get(0) + op.get(1) + op.SETITEM
    return op.torch_zip(first + op.listed(one * 20_000))


def _long_globals(path: Path) -> bytes:
    """One long module's name in 20,000 globals."""
    first = op.text("a" * 100_000) + op.put(0) + op.POP
    return op.program(first + op.listed((op.get(0) + op.get(0) + op.STACK_GLOBAL) * 10_000))


def _lenet_and(*names: str) -> bytes:
    """LeNet-5, and tensors of these names that no layer takes."""
    shapes = {"c1": [6, 1, 5, 5], "c3": [16, 6, 5, 5], "f5": [120, 400], "f6": [84, 120], "f7": [10, 84]}
    tensors = {**shapes, **{name: [7, 3] for name in names}}
    strides = {name: [math.prod(shape[n + 1 :]) for n in range(len(shape))] for name, shape in tensors.items()}
    pairs = ((op.text(name), op.tensor(op.sizes(tensors[name]), op.sizes(strides[name]))) for name in tensors)
    return op.torch_zip(op.mapping(*pairs), bytes(4 * 48_000))


# --- numbers ---


def _long_shape(path: Path) -> bytes:
    """100,000 sizes of 250 bytes each, which are multiplied."""
    shape = op.MARK + op.whole(1 << 1999) + op.DUP * 100_000 + op.TUPLE
    return op.program(op.mapping((op.text("a"), op.numpy_array(shape, b""))))


def _long_sizes_as_text(path: Path) -> bytes:
    """100,000 sizes of 4,000 digits each, told in a sentence."""
    shape = op.MARK + op.whole(10**4000) + op.DUP * 100_000 + op.TUPLE
    return op.torch_zip(op.tensor(shape, shape))


def _huge_key(path: Path) -> bytes:
    """A number of 500,000 bytes as a key, hashed 150,000 times."""
    return op.program(op.EMPTY_DICT + op.MARK + op.whole(1 << 4_000_000) + op.DUP * 299_999 + op.SETITEMS)


def _colliding_keys(path: Path) -> bytes:
    """60,000 different keys of the same hash."""
    keys = (op.whole(n * ((1 << 61) - 1)) + op.NONE for n in range(1, 60_000))
    return op.program(op.EMPTY_DICT + op.MARK + b"".join(keys) + op.SETITEMS)


def _digits(path: Path) -> bytes:
    """A number of 5,000 digits as text, more than the interpreter converts."""
    return op.program(op.listed(b"L" + b"9" * 5000 + b"L\n"))


def _text_as_offset(path: Path) -> bytes:
    """A size that is no number."""
    return op.torch_zip(op.tensor(op.row([op.text("x1")]), op.sizes([1])))


# --- memory ---


def _one_storage(sizes: list[int], strides: list[int], count: int, kind: str = "FloatStorage", size: int = 16) -> bytes:
    """One storage of mebibytes of zeros, and as many tensors of it."""
    one = op.tensor(op.sizes(sizes), op.sizes(strides), kind=kind)
    return op.torch_zip(op.listed(one, op.DUP * (count - 1)), bytes(size * _MEBIBYTE))


def _many_calls(path: Path) -> bytes:
    """500,000 calls of nothing."""
    return op.program(op.listed((op.MARK + op.OBJ) * 500_000))


def _deep(path: Path) -> bytes:
    """Lists in lists, 300,000 deep."""
    return op.program(op.EMPTY_LIST * 300_000 + b"a" * 299_999)


CASES = {
    "torch_legacy_shared_calls": Case("m.pt", _shared_calls, "time"),
    "torch_legacy_shared_keys": Case("m.pt", _legacy_keys_as_text, "time"),
    "torch_zip_repeated_parameter": Case("m.pt", _repeated_tree, "time", "visits"),
    "torch_zip_stride_as_text": Case("m.pt", _strides_as_text, "time"),
    "torch_zip_padding_hashed": Case("m.pt", _padding_hashed, "time"),
    "torch_zip_padding_deep": Case("m.pt", _padding_deep, "crash", "visits"),
    "torch_zip_padding_of_calls": Case("m.pt", _padding_of_calls, "time", options=NAMED),
    "torch_zip_key_as_text": Case("m.pt", _key_as_text, "time"),
    "torch_zip_same_names": Case("m.pt", _same_names_torch, "time", "visits"),
    "torch_zip_long_names": Case("m.pt", _long_names, "memory"),
    "torch_zip_long_sentence": Case("m.pt", lambda path: _lenet_and("a" * 100_000), "sentence", options=NAMED),
    "torch_zip_many_names": Case(
        "m.pt", lambda path: _lenet_and(*(f"b{n}" for n in range(1000))), "sentence", options=NAMED
    ),
    "torch_zip_surrogate": Case("m.pt", lambda path: _lenet_and("\ud800"), "sentence", options=NAMED),
    "torch_zip_long_sizes": Case("m.pt", _long_sizes_as_text, "memory"),
    "torch_zip_size_of_text": Case("m.pt", _text_as_offset, "exception"),
    "torch_zip_one_transposed_storage": Case(
        "m.pt", lambda path: _one_storage([2048, 2048], [1, 2048], 2000), "memory", "", NAMED
    ),
    "torch_zip_stride_zero": Case("m.pt", lambda path: _one_storage([1 << 22], [0], 2000), "memory", "", NAMED),
    "torch_zip_bfloat16_storage": Case(
        "m.pt", lambda path: _one_storage([1], [1], 2000, "BFloat16Storage", 31), "memory", "parameters", NAMED
    ),
    "torchscript_same_names": Case(
        "m.pt", lambda path: _same_names_torch(path, **{"code/a.py": b""}), "time", "visits"
    ),
    "pickle_same_names": Case("m.pkl", _same_names, "time", "", NAMED),
    "pickle_long_globals": Case("m.pkl", _long_globals, "memory"),
    "pickle_long_shape": Case("m.pkl", _long_shape, "time"),
    "pickle_huge_key": Case("m.pkl", _huge_key, "time", "visits"),
    "pickle_colliding_keys": Case("m.pkl", _colliding_keys, "time"),
    "pickle_digits": Case("m.pkl", _digits, "exception"),
    "pickle_many_calls": Case("m.pkl", _many_calls, "memory", "visits"),
    "pickle_deep": Case("m.pkl", _deep, "crash", "visits"),
    "pdparams_same_names": Case("m.pdparams", _same_names_paddle, "time"),
    "npy_shared_lists": Case("m.npy", lambda path: _shared_lists(300), "time", "visits"),
    "npy_shared_lists_made": Case("m.npy", lambda path: _shared_lists(28), "memory", "visits"),
    "npy_dtype_tree": Case("m.npy", _dtype_tree, "time"),
}
