"""Hostile files of our own, whose description says what is computed when they are loaded, and safetensors of anybody's."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2
from lenet_fast.weights.description import KEY, sha256_of

from . import opcodes as op
from .case import Case

NAMED = {"network": "lenet5-relu-max", "flatten": "CHW"}
_TYPES = {"f": "F32", "u": "U8"}


def safetensors(header: str, data: bytes = b"") -> bytes:
    """A file with this text as its header."""
    text = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + data


def _entry(shape: list[int], begin: int, size: int, kind: str = "U8") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, begin + size]}


# --- files of ours ---


def _network(side: int, *layers: Conv5x5 | Dense | Subsample2x2) -> Network:
    return Network((1, side, side), layers, "scores")


def _described(
    network: Network, images: int, other: Mapping[str, Any] = MappingProxyType({})
) -> tuple[dict[str, Any], str]:
    """Tensors of zeros for a network, so many check images with their right scores, and the description."""
    tensors: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in network.parameters.items()}
    tensors["check.images"] = np.zeros((images, *network.input), np.uint8)
    tensors["check.scores"] = np.zeros((images, network.classes), np.float32)
    parts = {"network": network.to_dict(), "preprocess": {}, "classes": None, "card": {}, "calibration": None}
    return tensors, json.dumps({"format": 1, "sha256": sha256_of(tensors)} | parts | other)


def _as_npz(tensors: Mapping[str, Any], text: str) -> bytes:
    """Our .npz: compressed, which `Model.save` does not do but `load` reads."""
    description = op.npy(text.encode("utf-32-le"), f"'<U{len(text)}'", "()")
    members = {n: op.npy(a.tobytes(), f"'{a.dtype.str}'", repr(a.shape)) for n, a in tensors.items()}
    return op.npz(**{f"__{KEY}__": description}, **members)


def as_safetensors(tensors: Mapping[str, Any], text: str) -> bytes:
    """Our safetensors."""
    header: dict[str, Any] = {"__metadata__": {KEY: text}}
    begin = 0
    for name, array in tensors.items():
        header[name] = _entry(list(array.shape), begin, array.nbytes, _TYPES[array.dtype.kind])
        begin += array.nbytes
    return safetensors(json.dumps(header), b"".join(array.tobytes() for array in tensors.values()))


def _small(**other: Any) -> bytes:
    """A small model whose description says something else in places."""
    return as_safetensors(*_described(_network(8, Conv5x5(1), Dense(2)), 1, other))


#: A small model of ours: its tensors and its description.
SMALL = _described(_network(8, Conv5x5(1), Dense(2)), 1)


def text_of(path: Path) -> bytes:
    """The description in that model."""
    return SMALL[1].encode()


def _many_images(path: Path) -> bytes:
    """16 MiB of check images, zeros, of two layers of 256 maps: some 10^14 multiply-adds."""
    return _as_npz(*_described(_network(64, Conv5x5(256), Conv5x5(256), Dense(1)), 4096))


def _few_images(path: Path) -> bytes:
    """One image of 512 x 512 through two convolutions of 60 maps."""
    layers = [Conv5x5(60), Conv5x5(60), *[Subsample2x2("max")] * 6, Conv5x5(1)]
    return as_safetensors(*_described(_network(512, *layers), 1))


def _one_image(path: Path) -> bytes:
    """The same in an archive: twenty convolutions of 60 maps, none subsampled."""
    return _as_npz(*_described(_network(512, *[Conv5x5(60)] * 20, Conv5x5(1)), 1))


def _one_row(path: Path) -> bytes:
    """A full connection of two million values to one, which is packed for vectors."""
    return _as_npz(*_described(_network(2800, Dense(1)), 0))


def _wide(path: Path) -> bytes:
    """60,000 maps of one value."""
    return _as_npz(*_described(_network(5, Conv5x5(60_000), Dense(100)), 0))


def _sparse(path: Path) -> bytes:
    """A connection table of 60,000 maps that read one each."""
    layers = (Conv5x5(2), Conv5x5(60_000, connections=((0,),) * 60_000), Dense(1))
    return _as_npz(*_described(_network(9, *layers), 0))


def _deep_network(path: Path) -> bytes:
    """Layers in lists, as deep as JSON is read."""
    layers: list[Any] = []
    for _ in range(900):
        layers = [layers]
    return _small(network={"input": [1, 8, 8], "layers": layers, "head": "scores"})


# --- safetensors of anybody's ---


def _many_classes(path: Path) -> bytes:
    """1,023 matrices, each of another number of classes that a network might have."""
    header, begin = {}, 0
    for count in range(2, 1025):
        header[f"a{count}"] = _entry([1, count], begin, count)
        begin += count
    return safetensors(json.dumps(header), bytes(begin))


def _many_arrays(path: Path) -> bytes:
    """12,000 vectors."""
    header = {f"{n}": _entry([1], n, 1) for n in range(12_000)}
    return safetensors(json.dumps(header, separators=(",", ":")), bytes(12_000))


def _many_orders(path: Path) -> bytes:
    """Two convolutions, and 60 full connections that can be put in more orders than anybody can try, none complete."""
    shapes = {"c1": (1, 1, 5, 5), "c2": (1, 1, 5, 5), "first": (8, 16)}
    for n in range(29):
        shapes |= {f"out{n}": (9 + n, 8), f"back{n}": (8, 9 + n)}
    shapes |= {"gone": (50, 51)}
    header, begin = {}, 0
    for name, shape in shapes.items():
        header[name] = _entry(list(shape), begin, int(np.prod(shape)))
        begin += int(np.prod(shape))
    return safetensors(json.dumps(header), bytes(begin))


def _one_name(name: str, shape: tuple[int, ...] = (7, 3), kind: str = "U8") -> Callable[[Path], bytes]:
    """LeNet-5, and one tensor of this name that no layer takes."""
    lenet = {"c1": (6, 1, 5, 5), "c3": (16, 6, 5, 5), "f5": (120, 400), "f6": (84, 120), "f7": (10, 84), name: shape}
    header, begin = {}, 0
    for tensor, sizes in lenet.items():
        size = int(np.prod(sizes, dtype=object))
        header[tensor] = _entry(list(sizes), begin, size, kind)
        begin += size
    text = json.dumps(header)
    return lambda path: safetensors(text, bytes(begin))


def _raw(header: str) -> Callable[[Path], bytes]:
    return lambda path: safetensors(header)


_NOTHING = '"dtype":"U8","data_offsets":[0,0],"shape":'

CASES = {
    "ours_many_check_images": Case("m.npz", _many_images, "time", "parameters"),
    "ours_multiply_adds": Case("m.safetensors", _few_images, "time", "multiply_adds"),
    "ours_multiply_adds_npz": Case("m.npz", _one_image, "time", "multiply_adds"),
    "ours_one_row": Case("m.npz", _one_row, "memory", "parameters"),
    "ours_wide": Case("m.npz", _wide, "memory", "parameters"),
    "ours_sparse": Case("m.npz", _sparse, "memory"),
    "ours_surrogate_class": Case("m.safetensors", lambda path: _small(classes=["\ud800", "b"]), "sentence"),
    "ours_surrogate_card": Case("m.safetensors", lambda path: _small(card={"\ud800": "\udfff"}), "sentence"),
    "ours_surrogate_format": Case("m.safetensors", lambda path: _small(format="\ud800"), "sentence"),
    "ours_surrogate_kind": Case(
        "m.safetensors",
        lambda path: _small(network={"input": [1, 8, 8], "layers": [{"kind": "\ud800"}], "head": "scores"}),
        "sentence",
    ),
    "ours_surrogate_head": Case(
        "m.safetensors",
        lambda path: _small(network={"input": [1, 8, 8], "layers": [{"kind": "Dense", "units": 2}], "head": "\ud800"}),
        "exception",
    ),
    "ours_surrogate_activation": Case(
        "m.safetensors",
        lambda path: _small(
            network={
                "input": [1, 8, 8],
                "layers": [{"kind": "Dense", "units": 2, "activation": "\ud800"}],
                "head": "scores",
            }
        ),
        "exception",
    ),
    "ours_long_format": Case("m.safetensors", lambda path: _small(format="a" * 100_000), "sentence"),
    "ours_long_head": Case(
        "m.safetensors",
        lambda path: _small(network={"input": [1, 8, 8], "layers": [], "head": "a" * 100_000}),
        "sentence",
    ),
    "ours_deep_network": Case("m.safetensors", _deep_network, "exception"),
    "ours_card_of_list": Case("m.safetensors", lambda path: _small(card=["a"]), "exception"),
    "ours_infinite_scale": Case(
        "m.safetensors", lambda path: _small(preprocess={"scale": [float("inf")]}), "exception"
    ),
    "ours_white_of_text": Case("m.safetensors", lambda path: _small(preprocess={"white": "x"}), "exception"),
    "ours_huge_side": Case(
        "m.safetensors",
        lambda path: _small(network={"input": [1 << 70, 8, 8], "layers": [], "head": "scores"}),
        "exception",
    ),
    "safetensors_many_classes": Case("m.safetensors", _many_classes, "time"),
    "safetensors_many_arrays": Case("m.safetensors", _many_arrays, "time", "", NAMED),
    "safetensors_many_orders": Case("m.safetensors", _many_orders, "time", "visits", NAMED),
    "safetensors_long_name": Case("m.safetensors", _one_name("a" * 500_000), "sentence", options=NAMED),
    "safetensors_digits_in_name": Case("m.safetensors", _one_name("1a" * 400_000), "memory", options=NAMED),
    "safetensors_surrogate": Case("m.safetensors", _one_name("\ud800"), "sentence", options=NAMED),
    "safetensors_name_with_newlines": Case("m.safetensors", _one_name("\n\0\x1b[2J"), "sentence", options=NAMED),
    "safetensors_nothing_large": Case(
        "m.safetensors", _raw('{"a":{' + _NOTHING + "[0,281474976710655,281474976710655]}}"), "exception"
    ),
    "safetensors_long_number": Case("m.safetensors", _raw('{"a":{' + _NOTHING + "[" + "9" * 5000 + "]}}"), "exception"),
    "safetensors_metadata_damaged": Case(
        "m.safetensors", _raw('{"__metadata__":{"lenet_fast":"' + "[" * 100_000 + '"}}'), "exception"
    ),
    "safetensors_empty_lists": Case("m.safetensors", _raw('{"a":[' + "[]," * 340_000 + "0]}"), "memory"),
}
