"""Hostile words beside weights: TorchScript's code, modules and settings in pickles, config.json, TensorFlow's graph."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from protobuf_bytes import field

from . import arrays, described
from . import opcodes as op
from .case import Case

NAMED = {"network": "lenet5-relu-max"}
_MEBIBYTE = 1 << 20
#: One tensor as safetensors has it.
WEIGHT = described.safetensors('{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}', bytes(4))
_SEQUENTIAL = "torch.nn.modules.container.Sequential"


# --- TorchScript ---


def script_of(code: bytes) -> bytes:
    """An archive with one tensor and this code."""
    tree = op.mapping((op.text("w"), op.tensor(op.sizes([1]), op.sizes([1]))))
    return op.torch_zip(tree, **{"code/__torch__.py": code})


def _code(code: bytes) -> Callable[[Path], bytes]:
    return lambda path: script_of(code)


# --- modules and settings in pickles ---


def _with_modules(inside: bytes) -> bytes:
    return op.module(_SEQUENTIAL, op.mapping((op.text("_modules"), inside)))


def _shared_sequentials(path: Path) -> bytes:
    """Sequentials of twice the same Sequential, 30 deep."""
    tree = _with_modules(op.EMPTY_DICT)
    for level in range(30):
        inside = op.mapping(*((op.text(key), op.get(level)) for key in "ab"))
        tree += op.put(level) + op.POP + _with_modules(inside)
    return op.torch_zip(tree)


def _many_layers(path: Path) -> bytes:
    """A Sequential of one layer under 100,000 names."""
    layer = op.module("torch.nn.modules.activation.ReLU", op.EMPTY_DICT) + op.put(0) + op.POP
    names = (op.text(f"{number}") + op.get(0) for number in range(100_000))
    return op.torch_zip(layer + _with_modules(op.EMPTY_DICT + op.MARK + b"".join(names) + op.SETITEMS))


def _deep_name(path: Path) -> bytes:
    """A layer whose name is a tuple so deep that hashing it would end the process."""
    pair = op.listed(op.EMPTY_TUPLE + op.TUPLE1 * 100_000, op.NONE)
    return op.torch_zip(_with_modules(op.called(op.name("collections", "OrderedDict"), op.listed(pair))))


def _paddings_compared(path: Path) -> bytes:
    """Paddings of two tuples that take for ever to compare."""
    pair = op.doubled(op.EMPTY_TUPLE, 40) + op.doubled(op.EMPTY_TUPLE, 40) + op.TUPLE2
    state = op.mapping((op.text("padding"), pair))
    return op.torch_zip(op.listed(op.module("torch.nn.modules.conv.Conv2d", state)))


def _settings_in_circles(path: Path) -> bytes:
    """A dictionary that is its own config, hparams, args and so on."""
    places = ("config", "cfg", "hparams", "hyper_parameters", "args", "options", "opt", "model_args", "init_args")
    made = op.EMPTY_DICT + op.put(0)
    for number in range(200):
        made += op.text(" " * number) + op.get(0) + op.SETITEM
    return op.torch_zip(made + b"".join(op.text(place) + op.get(0) + op.SETITEM for place in places))


def _settings(key: str, value: bytes) -> Callable[[Path], bytes]:
    return lambda path: op.torch_zip(op.mapping((op.text(key), value)))


# --- files beside ---


def _folder(name: str, make: Callable[[Path], object]) -> Callable[[Path], bytes]:
    """A file of safetensors, and whatever is made under a name beside it."""

    def write(path: Path) -> bytes:
        make(path.parent / name)
        return WEIGHT

    return write


def _config(text: bytes) -> Callable[[Path], bytes]:
    return _folder("config.json", lambda path: path.write_bytes(text))


def _graph(data: bytes) -> Callable[[Path], bytes]:
    """A checkpoint of one variable, and these bytes as its graph."""

    def write(path: Path) -> bytes:
        path.with_suffix(".data-00000-of-00001").write_bytes(bytes(4))
        path.with_suffix(".meta").write_bytes(data)
        return arrays.checkpoint({b"a": (1, (1,), 0, 4)})

    return write


def _nodes(count: int) -> bytes:
    node = field(1, field(2, b"Relu"))
    return field(2, node * count)


def _long_list(path: Path) -> bytes:
    """Strides of a million numbers."""
    strides = field(1, field(3, bytes(_MEBIBYTE)))
    attribute = field(5, field(1, b"strides") + field(2, strides))
    return _graph(field(2, field(1, field(2, b"Conv2D") + attribute)))(path)


# --- what a fuzzer begins with ---

CODE = b"""
    _1 = __torch__.torch.nn.functional.leaky_relu
    x0 = torch.conv2d(x, weight, bias, [1, 1], [2, 2], [1, 1])
    x1 = torch.max_pool2d(_1((c2).forward(x0, ), 0.2, False, ), [2, 2], annotate(List[int], []), [0, 0], [1, 1])
"""
GRAPH = field(2, b"".join(
    field(1, field(2, kind) + b"".join(
        field(5, field(1, key) + field(2, value)) for key, value in attributes
    ))
    for kind, attributes in (
        (b"Conv2D", [(b"padding", field(2, b"SAME")), (b"strides", b"\x0a\x06\x1a\x04\1\1\1\1")]),
        (b"LeakyRelu", [(b"alpha", b"\x25\xcd\xcc\xcc\x3d")]),
        (b"MaxPool", [(b"ksize", b"\x0a\x06\x1a\x04\1\2\2\1")]),
    )
))  # fmt: skip


def checkpoint_of_layers() -> bytes:
    """A pickle of a Sequential of a convolution and what is behind it, with settings beside it."""
    kernel = op.tensor(op.sizes([1, 1, 5, 5]), op.sizes([25, 25, 5, 1]), count=100)
    padding = op.row([op.whole(2), op.whole(2)])
    state = op.mapping((op.text("_parameters"), op.mapping((op.text("weight"), kernel))), (op.text("padding"), padding))
    slope = op.mapping((op.text("negative_slope"), op.text("0.1")))
    layers = (("conv.Conv2d", state), ("activation.LeakyReLU", slope), ("flatten.Flatten", op.EMPTY_DICT))
    inside = [(op.text(f"{n}"), op.module(f"torch.nn.modules.{kind}", s)) for n, (kind, s) in enumerate(layers)]
    settings = op.mapping((op.text("activation"), op.name("torch.nn.functional", "leaky_relu")))
    return op.mapping((op.text("model"), _with_modules(op.mapping(*inside))), (op.text("config"), settings))


CASES = {
    "code_of_megabytes": Case("m.pt", _code(b"#" * (12 * _MEBIBYTE)), "memory"),
    "code_of_calls_in_calls": Case("m.pt", _code((b"torch.a(" * 20 + b")" * 19) * 5000), "time", "visits"),
    "code_of_one_deep_call": Case("m.pt", _code(b"torch.a(" * 100_000), "time"),
    "code_of_long_words": Case("m.pt", _code(b"_" * 500_000 + b"torch." + b"a" * 500_000), "time"),
    "code_of_other_names": Case("m.pt", _code(b"_1 = __torch__.torch.nn.functional.a\n" * 25_000), "time"),
    "code_of_numbers": Case("m.pt", _code(b"torch.leaky_relu(x, " + b"9" * 1900 + b")"), "exception"),
    "code_of_many_slopes": Case(
        "m.pt", _code(b"".join(b"torch.leaky_relu(x, 0.%05d)\n" % n for n in range(30_000))), "time", ends="refused"
    ),
    "code_of_many_paddings": Case(
        "m.pt", _code(b"".join(b"torch.conv2d(x, w, b, [1, 1], [%d, %d])\n" % (n, n) for n in range(9_999))), "time"
    ),
    "code_of_no_text": Case("m.pt", _code(b"torch.gelu(\xff)"), "sentence"),
    "sequential_shared": Case("m.pt", _shared_sequentials, "time"),
    "sequential_of_many_layers": Case("m.pt", _many_layers, "time"),
    "sequential_of_a_deep_name": Case("m.pt", _deep_name, "crash"),
    "convolution_with_doubled_paddings": Case("m.pt", _paddings_compared, "time"),
    "settings_in_circles": Case("m.pt", _settings_in_circles, "time", "visits"),
    "settings_of_a_long_word": Case("m.pt", _settings("activation", op.text("a" * 1_000_000)), "sentence"),
    "settings_of_a_long_number": Case("m.pt", _settings("slope", op.whole(1 << 40_000)), "exception"),
    "settings_of_no_text": Case("m.pt", _settings("pooling", op.text("\udcff")), "sentence"),
    "config_deep": Case("model.safetensors", _config(b'{"a":' * 100_000), "crash"),
    "config_large": Case("model.safetensors", _config(b"[" * (2 * _MEBIBYTE)), "memory"),
    "config_of_no_text": Case("model.safetensors", _config(b'{"activation": "\\ud800"}'), "sentence"),
    "config_digits": Case("model.safetensors", _config(b'{"slope": ' + b"9" * 5000 + b"}"), "exception"),
    "config_pipe": Case("model.safetensors", _folder("config.json", os.mkfifo), "time", ends="refused"),
    "config_device": Case(
        "model.safetensors", _folder("config.json", lambda path: path.symlink_to("/dev/zero")), "elsewhere"
    ),
    "graph_of_many_nodes": Case("m.index", _graph(_nodes(200_000)), "time", "visits"),
    "graph_of_a_long_list": Case("m.index", _long_list, "memory"),
    "graph_of_a_large_field": Case("m.index", _graph(b"\x12\xff\xff\xff\xff\x7f"), "memory"),
}
