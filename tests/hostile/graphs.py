"""Hostile graphs of ONNX: constants that grow, layers that share a weight, functions, names, and data elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .case import Case

ONNX = ("onnx",)
_FLOAT, _INT8, _INT64 = 1, 3, 7


def _model(nodes: Sequence[Any], image: Sequence[int | str] = (1, 1, 5, 5), **parts: Any) -> Any:
    """A model of these nodes, from "x" to "y"."""
    from onnx import helper

    inputs = [helper.make_tensor_value_info("x", _FLOAT, list(image))]
    outputs = [helper.make_tensor_value_info("y", _FLOAT, ["n"])]
    graph = helper.make_graph(list(nodes), "g", inputs, outputs, parts.pop("weights", []))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("own", 1)], **parts)


def _bytes(nodes: Sequence[Any], image: Sequence[int | str] = (1, 1, 5, 5), **parts: Any) -> bytes:
    data: bytes = _model(nodes, image, **parts).SerializeToString()
    return data


def _node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs.split(), [output], **attributes)


def _filled(name: str, shape: Sequence[int], kind: int = _FLOAT) -> list[Any]:
    """A constant of zeros of any size, in a few bytes."""
    from onnx import helper

    zero = helper.make_tensor(name, kind, [1], [0])
    numbers = helper.make_tensor(name, _INT64, [len(shape)], shape)
    return [_node("Constant", "", f"{name}s", value=numbers), _node("ConstantOfShape", f"{name}s", name, value=zero)]


def _convolved(maps: int, output: str = "c", shape: tuple[int, int] = (5, 5)) -> list[Any]:
    return [*_filled("k", (maps, 1, *shape)), _node("Conv", "x k", output)]


# --- constants ---


def _dequantised(path: Path) -> bytes:
    """A column of int8 and a scale per column: two gibibytes of their product."""
    nodes = [*_filled("q", (20_000, 1), _INT8), *_filled("s", (20_000,)), _node("DequantizeLinear", "q s", "w", axis=1)]
    return _bytes([*nodes, _node("MatMul", "x w", "y")])


def _outer(kind: str) -> Callable[[Path], bytes]:
    """A column and a row."""
    nodes = lambda: [*_filled("a", (60_000, 1)), *_filled("b", (1, 60_000)), _node(kind, "a b", "w")]  # noqa: E731
    return lambda path: _bytes([*nodes(), _node("MatMul", "x w", "y")])


def _doubled(path: Path) -> bytes:
    """A constant joined to itself, 40 times."""
    nodes = _filled("a0", (2,))
    nodes += [_node("Concat", f"a{n} a{n}", f"a{n + 1}", axis=0) for n in range(40)]
    return _bytes([*nodes, _node("Add", "x a40", "y")])


def _many_times(kind: str, **attributes: Any) -> Callable[[Path], bytes]:
    """One constant of four million values, made into others 7 times, all of which stay."""

    def write(path: Path) -> bytes:
        nodes = _filled("a0", (1 << 22,))
        nodes += [_node(kind, f"a{n}", f"a{n + 1}", **attributes) for n in range(7)]
        return _bytes([*nodes, _node("Mul", "x a7", "y")])

    return write


def _repeated_input(path: Path) -> bytes:
    """One sum of 200,000 times the same constant, and 20 of them."""
    nodes = _filled("a0", (1,))
    nodes += [_node("Sum", f"a{n} " * 100_000, f"a{n + 1}") for n in range(4)]
    return _bytes([*nodes, _node("Add", "x a4", "y")])


def _unknown_growth(kind: str, **attributes: Any) -> Callable[[Path], bytes]:
    """Operators that make large arrays of small ones, which the family has no use for."""

    def write(path: Path) -> bytes:
        nodes = [*_filled("a", (1,)), *_filled("s", (2,), _INT64), _node(kind, "a s", "w", **attributes)]
        return _bytes([*nodes, _node("Add", "x w", "y")])

    return write


def _shape_of_digits(path: Path) -> bytes:
    """A shape of the largest sizes that there are."""
    return _bytes([*_filled("a", (2**62, 2**62, 2**62)), _node("Add", "x a", "y")])


def _negative_shape(path: Path) -> bytes:
    return _bytes([*_filled("a", (-5,)), _node("Add", "x a", "y")])


# --- layers ---


def _one_weight(path: Path) -> bytes:
    """500 full connections that share one weight of 1,448 x 1,448 zeros."""
    nodes = [*_convolved(1448), _node("Flatten", "c", "a0"), *_filled("w", (1448, 1448))]
    nodes += [_node("MatMul", f"a{n} w", f"a{n + 1}") for n in range(500)]
    return _bytes([*nodes, _node("Identity", "a500", "y")])


def _large_weights(path: Path) -> bytes:
    """Six full connections of four million weights each, and no more bytes than this sentence."""
    nodes = [*_convolved(2048), _node("Flatten", "c", "a0")]
    for number in range(6):
        nodes += [*_filled(f"w{number}", (2048, 2048)), _node("MatMul", f"a{number} w{number}", f"a{number + 1}")]
    return _bytes([*nodes, _node("Identity", "a6", "y")])


def _large_image(path: Path) -> bytes:
    """A picture of 512 x 512, sixteen maps of it, and then scores."""
    nodes = [*_convolved(16, "a0"), *(_node("Relu", f"a{n}", f"a{n + 1}") for n in range(6))]
    return _bytes([*nodes, _node("MaxPool", "a6", "y", kernel_shape=[2, 2], strides=[2, 2])], (1, 1, 512, 512))


def _scaled_image(path: Path) -> bytes:
    """The same with six factors and shifts, each of which is noted value by value."""
    nodes = [*_convolved(16, "a0"), *_filled("f", (16, 1, 1))]
    nodes += [_node("Sub" if n % 2 else "Mul", f"a{n} f", f"a{n + 1}") for n in range(6)]
    return _bytes([*nodes, _node("Identity", "a6", "y")], (1, 1, 512, 512))


def _open_sides(path: Path) -> bytes:
    """A graph of 4,000 operators and an open image size."""
    nodes = _convolved(400, "a0")
    nodes += [_node("Identity" if n % 2 else "Relu", f"a{n}", f"a{n + 1}") for n in range(40)]
    return _bytes([*nodes, _node("Sin", "a40", "y")], (1, 1, "h", "w"))


def _many_nodes(path: Path) -> bytes:
    """100,000 operators."""
    from onnx import NodeProto

    model = _model([_node("Identity", "x", "y")])
    model.graph.node.extend([NodeProto(input=[""], output=[""])] * 100_000)
    data: bytes = model.SerializeToString()
    return data


def _many_inputs(path: Path) -> bytes:
    """A thousand inputs, all of which are named in the sentence."""
    from onnx import helper

    model = _model([_node("Identity", "x", "y")])
    model.graph.input.extend(helper.make_tensor_value_info(f"input {n}", _FLOAT, [1]) for n in range(1000))
    data: bytes = model.SerializeToString()
    return data


# --- functions ---


def _function(name: str, nodes: Sequence[Any]) -> Any:
    from onnx import helper

    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["x"], ["y"], list(nodes), opsets)


def _own(name: str, inputs: str, output: str) -> Any:
    return _node(name, inputs, output, domain="own")


def _valid_function(path: Path) -> bytes:
    """A convolution and scores, the activation in a function: a network of the family."""
    body = [_node("Relu", "x", "y")]
    nodes = [*_convolved(3), _own("F", "c", "y")]
    return _bytes(nodes, functions=[_function("F", body)])


def _exponential_function(path: Path) -> bytes:
    """A function that calls another one twice, which calls another one twice."""
    twice = [(_own(f"F{n + 1}", "x", "a"), _own(f"F{n + 1}", "a", "y")) for n in range(_LEVELS)]
    functions = [_function(f"F{n}", pair) for n, pair in enumerate(twice)]
    functions.append(_function(f"F{_LEVELS}", [_node("Relu", "x", "y")]))
    return _bytes([*_convolved(3), _own("F0", "c", "y")], functions=functions)


def _recursive_function(path: Path) -> bytes:
    """A function that calls itself."""
    return _bytes([*_convolved(3), _own("F", "c", "y")], functions=[_function("F", [_own("F", "x", "y")])])


def _circular_functions(path: Path) -> bytes:
    """Two functions that call each other."""
    functions = [_function("F", [_own("G", "x", "y")]), _function("G", [_own("F", "x", "y")])]
    return _bytes([*_convolved(3), _own("F", "c", "y")], functions=functions)


def _function_with_data(path: Path) -> bytes:
    """A function beside a weight whose data lie in the working directory, where a checker looks for them."""
    nodes = [_own("F", "x", "a"), _node("Conv", "a w", "y")]
    return _bytes(nodes, functions=[_function("F", [_node("Relu", "x", "y")])], weights=[_external("setup.py")])


# --- data elsewhere ---


def _external(location: str | bytes, shape: Sequence[int] = (2, 1, 5, 5), **where: str) -> Any:
    """A weight whose values lie in another file."""
    from onnx import StringStringEntryProto, TensorProto

    tensor = TensorProto(name="w", data_type=_FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    entries = {"location": location, **where}
    tensor.external_data.extend(StringStringEntryProto(key=key, value=value) for key, value in entries.items())
    return tensor


def _at(location: str, **where: str) -> Callable[[Path], bytes]:
    return lambda path: _bytes([_node("Conv", "x w", "y")], weights=[_external(location, **where)])


def _not_text(old: bytes, new: bytes) -> Callable[[Path], bytes]:
    """A model with bytes in place of a text that are no UTF-8."""
    prop = {"metadata": "metadata"}

    def write(path: Path) -> bytes:
        from onnx import helper

        model = _model([*_convolved(3), _node("Relu", "c", "y", name="named")])
        helper.set_model_props(model, prop)
        data: bytes = model.SerializeToString()
        return data.replace(old, new)

    return write


def _shared_data(path: Path) -> bytes:
    """1,000 weights that are the same mebibyte of another file, joined."""
    (path.parent / "d").write_bytes(bytes(1 << 20))
    weights = []
    for number in range(1000):
        weights.append(_external("d", (512, 512)))
        weights[-1].name = f"w{number}"
    names = " ".join(weight.name for weight in weights)
    return _bytes([_node("Concat", names, "w", axis=0), _node("MatMul", "x w", "y")], weights=weights)


def _named(name: str) -> Callable[[Path], bytes]:
    """An operator of this name that the family does not have."""
    return lambda path: _bytes([_node("Sin", "x", "y", name=name)])


_LEVELS = 40

CASES = {
    "onnx_dequantised": Case("m.onnx", _dequantised, "memory", needs=ONNX),
    "onnx_outer_product": Case("m.onnx", _outer("Mul"), "memory", "values", needs=ONNX),
    "onnx_outer_sum": Case("m.onnx", _outer("Add"), "memory", "values", needs=ONNX),
    "onnx_outer_power": Case("m.onnx", _outer("Pow"), "memory", "values", needs=ONNX),
    "onnx_doubled": Case("m.onnx", _doubled, "memory", "values", needs=ONNX),
    "onnx_negated": Case("m.onnx", _many_times("Neg"), "memory", "values", needs=ONNX),
    "onnx_cast": Case("m.onnx", _many_times("Cast", to=11), "memory", "values", needs=ONNX),
    "onnx_repeated_input": Case("m.onnx", _repeated_input, "time", "visits", needs=ONNX),
    "onnx_expand": Case("m.onnx", _unknown_growth("Expand"), "memory", ends="refused", needs=ONNX),
    "onnx_tile": Case("m.onnx", _unknown_growth("Tile"), "memory", ends="refused", needs=ONNX),
    "onnx_largest_shape": Case("m.onnx", _shape_of_digits, "memory", "values", needs=ONNX),
    "onnx_negative_shape": Case("m.onnx", _negative_shape, "exception", needs=ONNX),
    "onnx_one_weight": Case("m.onnx", _one_weight, "memory", "parameters", needs=ONNX),
    "onnx_large_weights": Case("m.onnx", _large_weights, "memory", "values", needs=ONNX),
    "onnx_large_image": Case("m.onnx", _large_image, "memory", "values", needs=ONNX),
    "onnx_scaled_image": Case("m.onnx", _scaled_image, "memory", "values", needs=ONNX),
    "onnx_open_sides": Case("m.onnx", _open_sides, "time", needs=ONNX),
    "onnx_many_nodes": Case("m.onnx", _many_nodes, "memory", needs=ONNX),
    "onnx_many_inputs": Case("m.onnx", _many_inputs, "sentence", needs=ONNX),
    "onnx_function": Case("m.onnx", _valid_function, "nothing", ends="model", needs=ONNX),
    "onnx_function_exponential": Case("m.onnx", _exponential_function, "time", "visits", needs=ONNX),
    "onnx_function_recursive": Case("m.onnx", _recursive_function, "crash", ends="refused", needs=ONNX),
    "onnx_functions_in_circle": Case("m.onnx", _circular_functions, "crash", ends="refused", needs=ONNX),
    "onnx_function_with_data": Case("m.onnx", _function_with_data, "elsewhere", ends="refused", needs=ONNX),
    "onnx_data_shared": Case("m.onnx", _shared_data, "memory", "visits", needs=ONNX),
    "onnx_data_long_name": Case("m.onnx", _at("d" * 300), "exception", ends="refused", needs=ONNX),
    "onnx_data_nul": Case("m.onnx", _at("d\0"), "exception", ends="refused", needs=ONNX),
    "onnx_data_above": Case("m.onnx", _at("../d"), "elsewhere", ends="refused", needs=ONNX),
    "onnx_data_root": Case("m.onnx", _at("/etc/passwd"), "elsewhere", ends="refused", needs=ONNX),
    "onnx_data_is_model": Case("m.onnx", _at("m.onnx", offset="x1"), "exception", ends="refused", needs=ONNX),
    "onnx_data_digits": Case("m.onnx", _at("m.onnx", offset="9" * 5000), "exception", ends="refused", needs=ONNX),
    "onnx_data_offset": Case("m.onnx", _at("m.onnx", offset="9" * 4000), "sentence", ends="refused", needs=ONNX),
    "onnx_metadata_no_text": Case("m.onnx", _not_text(b"metadata", b"\xff\xfetadata"), "exception", needs=ONNX),
    "onnx_name_no_text": Case("m.onnx", _not_text(b"named", b"\xff\xfe\xfd\xfc\xfb"), "exception", needs=ONNX),
    "onnx_kind_no_text": Case("m.onnx", _not_text(b"Relu", b"\xff\xfe\xfd\xfc"), "exception", needs=ONNX),
    "onnx_long_name": Case("m.onnx", _named("a" * 100_000), "sentence", needs=ONNX),
    "onnx_name_with_newlines": Case("m.onnx", _named("\n\0\x1b[2J"), "sentence", needs=ONNX),
}
