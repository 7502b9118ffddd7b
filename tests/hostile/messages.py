"""Hostile protobuf of the formats that are read without a package for it: Core ML's layers, MindSpore's values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from protobuf_bytes import field, message, varint

from .case import Case

NAMED = {"network": "lenet5-relu-max"}
_NETWORK, _CLASSIFIER = 500, 403
_CONVOLUTION, _POOLING, _ACTIVATION, _INNER_PRODUCT, _SCALE = 100, 120, 130, 140, 245
_RESHAPE, _TRANSPOSE, _EXPAND, _CONSTANT, _ADD, _PAD = 1140, 985, 1125, 1070, 880, 1155


# --- Core ML ---


def _array(*sizes: int) -> bytes:
    return message({5: message({1: sizes})})


def _image(width: int, height: int) -> bytes:
    return message({4: message({1: width, 2: height, 3: 10})})


def _layer(name: str | bytes, kind: int, settings: bytes, inputs: Sequence[str | bytes] = ("x",)) -> bytes:
    return field(1, message({1: name, 2: list(inputs), 3: name, kind: settings}))


def _kernels(name: str = "c", **fields: Any) -> bytes:
    """A convolution of one 5x5 kernel of ones."""
    settings = {
        1: 1,
        2: 1,
        20: (5, 5),
        50: b"",
        90: field(1, np.ones(25)),
        **{int(k[1:]): v for k, v in fields.items()},
    }
    return _layer(name, _CONVOLUTION, message(settings))


def _model(
    layers: bytes, given: bytes = b"", output: str | bytes = "c", kind: int = _NETWORK, exact: bool = False
) -> bytes:
    """A file of these layers, from "x" to one of theirs."""
    description = {1: message({1: "x", 3: given or _array(1, 5, 5)}), 10: message({1: output})}
    return message({1: 4, 2: message(description), kind: layers + (field(5, 1) if exact else b"")})


def _of(layers: Callable[[], bytes], **how: Any) -> Callable[[Path], bytes]:
    return lambda path: _model(layers(), **how)


def _labels(labels: bytes) -> Callable[[Path], bytes]:
    return lambda path: _model(_kernels() + labels, kind=_CLASSIFIER)


def _bytes_of_weights(count: int, how: Mapping[int, Any]) -> bytes:
    """Weights of eight bits each, and what they stand for."""
    return message({30: bytes(count), 40: message({1: 8, **how})})


def _quantised() -> bytes:
    """16 MiB of them, as a full connection: 64 of floating point numbers."""
    how = {101: message({1: np.ones(1), 2: np.ones(1)})}
    rows = message({1: 1, 2: 1 << 24, 20: _bytes_of_weights(1 << 24, how)})
    return _kernels() + _layer("d", _INNER_PRODUCT, rows, ["c"])


def _outer() -> bytes:
    """A column and a row of constants, added."""
    column = _layer("a", _CONSTANT, message({1: (60_000, 1), 2: field(2, bytes(120_000))}), [])
    row = _layer("b", _CONSTANT, message({1: (1, 60_000), 2: field(2, bytes(120_000))}), [])
    return column + row + _layer("s", _ADD, b"", ["a", "b"]) + _layer("c", _ADD, b"", ["x", "s"])


def _doubled() -> bytes:
    """A constant of no values in the file, if its shape were believed."""
    return _layer("a", _CONSTANT, message({1: (1 << 40, 1 << 40)}), []) + _layer("c", _ADD, b"", ["x", "a"])


# --- MindSpore ---


def _value(name: str | bytes, sizes: Sequence[int], kind: str, data: bytes) -> bytes:
    return field(1, message({1: name, 2: message({1: list(sizes), 2: kind, 3: data})}))


def _classes(path: Path) -> bytes:
    """1,000 matrices, each of another number of classes."""
    return b"".join(_value(f"a{n}", (1, n), "UInt8", bytes(n)) for n in range(2, 1000))


def _checkpoint(*values: bytes) -> Callable[[Path], bytes]:
    return lambda path: b"".join((_value("w", (7, 3), "UInt8", bytes(21)), *values))


_WIDE = 1 << 62
_LONG = field(20, varint(5) * 3_000_000)

CASES = {
    "coreml_whole": Case("m.mlmodel", _of(_kernels), "nothing", ends="model"),
    "coreml_empty_layers": Case("m.mlmodel", _of(lambda: field(1, b"") * 2_000_000), "memory", "visits"),
    "coreml_layers": Case("m.mlmodel", _of(lambda: _layer("a", 600, b"") * 5_000), "time"),
    "coreml_fields": Case(
        "m.mlmodel", _of(lambda: b"".join(field(n, 0) for n in range(1000, 400_000))), "memory", "visits"
    ),
    "coreml_fields_of_a_layer": Case(
        "m.mlmodel", _of(lambda: field(1, b"".join(field(n, 0) for n in range(2000, 400_000)))), "memory", "visits"
    ),
    "coreml_packed": Case("m.mlmodel", _of(lambda: _layer("c", _CONVOLUTION, _LONG)), "memory", "visits"),
    "coreml_one_by_one": Case(
        "m.mlmodel", _of(lambda: _kernels(_90=b"\x0d\0\0\0\0" * 1_000_000)), "memory", "visits", ends="refused"
    ),
    "coreml_labels": Case("m.mlmodel", _labels(field(100, field(1, b"") * 2_000_000)), "memory", "visits"),
    "coreml_numbers": Case("m.mlmodel", _labels(field(101, field(1, bytes(3_000_000)))), "memory", "visits"),
    "coreml_long_label": Case("m.mlmodel", _labels(field(100, field(1, b"a" * 3_000_000))), "memory", ends="refused"),
    "coreml_label_no_text": Case("m.mlmodel", _labels(field(100, field(1, b"\xed\xa0\x80"))), "exception"),
    "coreml_image": Case("m.mlmodel", _of(_kernels, given=_image(1 << 20, 1 << 20)), "memory", "values"),
    "coreml_image_wide": Case("m.mlmodel", _of(_kernels, given=_image(_WIDE, _WIDE)), "exception", "values"),
    "coreml_image_negative": Case("m.mlmodel", _of(_kernels, given=_image(-5, 5)), "exception", ends="refused"),
    "coreml_axes": Case(
        "m.mlmodel", _of(_kernels, given=_array(*[1] * 5_000), exact=True), "exception", ends="refused"
    ),
    "coreml_array": Case("m.mlmodel", _of(_kernels, given=_array(1, _WIDE, _WIDE)), "memory", "values"),
    "coreml_kernels": Case("m.mlmodel", _of(lambda: _kernels(_1=_WIDE, _2=_WIDE)), "exception", ends="refused"),
    "coreml_stride": Case("m.mlmodel", _of(lambda: _kernels(_30=(_WIDE, -1))), "exception", ends="refused"),
    "coreml_stride_of_zero": Case("m.mlmodel", _of(lambda: _kernels(_30=(0, 0))), "exception", ends="refused"),
    "coreml_border": Case(
        "m.mlmodel",
        _of(lambda: _layer("c", _PAD, message({2: (0, 0, 0, 0, _WIDE, _WIDE, _WIDE, _WIDE)}))),
        "memory",
        "values",
    ),
    "coreml_quantised": Case("m.mlmodel", _of(_quantised, output="d"), "memory", ends="refused"),
    "coreml_outer_sum": Case("m.mlmodel", _of(_outer), "memory", "values"),
    "coreml_constant": Case("m.mlmodel", _of(_doubled), "memory", ends="refused"),
    "coreml_reshape": Case("m.mlmodel", _of(lambda: _layer("c", _RESHAPE, field(1, (_WIDE, -1)))), "exception"),
    "coreml_transpose": Case("m.mlmodel", _of(lambda: _layer("c", _TRANSPOSE, field(1, (_WIDE, 3)))), "exception"),
    "coreml_expand": Case("m.mlmodel", _of(lambda: _layer("c", _EXPAND, field(1, tuple(range(1000))))), "exception"),
    "coreml_enum": Case("m.mlmodel", _of(lambda: _layer("c", _POOLING, field(1, -1))), "exception", ends="refused"),
    "coreml_circle": Case("m.mlmodel", _of(lambda: _layer("c", 600, b"", ["c"])), "time", ends="refused"),
    "coreml_no_text": Case("m.mlmodel", _of(lambda: _layer(b"\xff\xfe", 180, b""), output=b"\xff\xfe"), "exception"),
    "coreml_long_name": Case(
        "m.mlmodel", _of(lambda: _kernels("c" * 100_000, _30=(2, 2)), output="c" * 100_000), "sentence"
    ),
    "coreml_newlines": Case(
        "m.mlmodel", _of(lambda: _kernels("\n\0\x1b[2J", _30=(2, 2)), output="\n\0\x1b[2J"), "sentence"
    ),
    "coreml_types": Case(
        "m.mlmodel",
        lambda path: _model(b"") + b"".join(field(n, b"") for n in range(1000, 20_000)),
        "sentence",
        ends="refused",
    ),
    "mindspore_values": Case("m.ckpt", lambda path: _value("a", (), "str", b"") * 200_000, "memory", "visits"),
    "mindspore_fields": Case(
        "m.ckpt",
        _checkpoint(field(1, field(1, b"a") + b"".join(field(n, 0) for n in range(4, 900_000)))),
        "memory",
        "visits",
    ),
    "mindspore_sizes": Case("m.ckpt", _checkpoint(_value("a", [1] * 500_000, "UInt8", b"a")), "memory", ends="refused"),
    "mindspore_pieces": Case(
        "m.ckpt", _checkpoint(*[_value("a", (5_000_000,), "UInt8", bytes(2_500_000))] * 2), "memory", "values"
    ),
    "mindspore_bfloat16": Case(
        "m.ckpt", _checkpoint(_value("a", (5_000_000,), "BFloat16", bytes(10_000_000))), "memory", "values"
    ),
    "mindspore_wide": Case("m.ckpt", _checkpoint(_value("a", (0, _WIDE, _WIDE), "UInt8", b"")), "exception"),
    "mindspore_negative": Case(
        "m.ckpt", _checkpoint(_value("a", (-1, -1), "UInt8", b"a")), "exception", ends="refused"
    ),
    "mindspore_many_classes": Case("m.ckpt", _classes, "time"),
    "mindspore_no_text": Case("m.ckpt", _checkpoint(_value(b"\xed\xa0\x80", (1,), "UInt8", b"a")), "exception"),
    "mindspore_newlines": Case(
        "m.ckpt", _checkpoint(_value("\n\x1b[2J\0", (2, 2), "UInt8", b"abcd")), "sentence", options=NAMED
    ),
    "mindspore_long_name": Case(
        "m.ckpt", _checkpoint(_value("a" * 500_000, (7, 3), "UInt8", bytes(21))), "sentence", options=NAMED
    ),
    "mindspore_long_type": Case(
        "m.ckpt", _checkpoint(_value("a", (1,), "I" * 500_000, b"a")), "sentence", ends="refused"
    ),
}
