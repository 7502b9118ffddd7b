"""The graph beside a TensorFlow checkpoint, NAME.meta: which operators are in it.

A MetaGraphDef, a protobuf: a GraphDef of nodes, each with its operator and a map of attributes, and functions that have
nodes of their own. Training has left its operators in it too, so the order of the network's own is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...budget import charge
from ...errors import refuse, whole
from ..files import File
from ..said import WINDOWS, Said
from .protobuf import FIXED32, LENGTH, Field, fields, varint

_LONGEST_NAME = 1 << 8
_MOST_NUMBERS = 8
_POOLS = ("MaxPool", "MaxPoolV2", "AvgPool")


def said_beside(file: File) -> list[Said]:
    """What the graph of a checkpoint's index says; nothing where there is none."""
    name = file.path.name.removesuffix(".index") + ".meta"
    beside = file.beside(name)
    if beside is None:
        return []
    with whole(f"a whole graph in {name!r} beside it, or no such file"):
        return [said_in(beside.data, f"in {name} beside it")]


def said_in(data: bytes, where: str) -> Said:
    """What the operators of a MetaGraphDef say."""
    said = Said(where)
    for node in _nodes(data):
        kind, attributes = _node(node)
        if kind == "Conv2D":
            _check(kind, "strides", attributes, 1)
            said.paddings |= _padding(attributes)
        elif kind in _POOLS:
            _check(kind, "ksize", attributes, 2)
            _check(kind, "strides", attributes, 2)
        said.note(kind.removesuffix("V2"), _slope(attributes) if kind == "LeakyRelu" else None)
    return said


def _inside(field: Field) -> Iterator[Field]:
    """The fields of a message in a field."""
    if field.wire != LENGTH:
        raise ValueError("a number where a message belongs")
    return fields(field.data, field.begin, field.end)


def _nodes(data: bytes) -> Iterator[Field]:
    """The nodes of a graph, and of the functions in its library."""
    for graph in fields(data):
        charge("visits")
        for field in _inside(graph) if graph.number == 2 else ():
            charge("visits", 2)
            if field.number == 1:
                yield field
            for function in _inside(field) if field.number == 2 else ():
                charge("visits", 2)
                yield from (node for node in _inside(function) if function.number == 1 and node.number == 3)


def _node(node: Field) -> tuple[str, dict[str, Field]]:
    """A node's operator, and its attributes by name."""
    kind, attributes = "", {}
    for field in _inside(node):
        charge("visits", 2)
        if field.number == 2:
            kind = _text(field)
        elif field.number == 5:
            parts = {part.number: part for part in _inside(field)}
            if 1 in parts and 2 in parts:
                attributes[_text(parts[1])] = parts[2]
    return kind, attributes


def _text(field: Field) -> str:
    return field.data[field.begin : min(field.end, field.begin + _LONGEST_NAME)].decode("utf-8", "replace")


def _check(kind: str, what: str, attributes: dict[str, Field], wanted: int) -> None:
    """Refuse windows or strides of another size along rows and columns, wherever these are among the four axes."""
    found = _numbers(attributes[what]) if what in attributes else []
    if found and sorted(found) != [1, 1, wanted, wanted]:
        refuse(kind, f"{what} {wanted}", f"{found}", WINDOWS)


def _numbers(value: Field) -> list[int]:
    """The whole numbers of a list, packed or not."""
    found: list[int] = []
    for part in _inside(value):
        for field in _inside(part) if part.number == 1 else ():
            at = field.begin
            while field.number == 3 and field.wire == LENGTH and at < field.end and len(found) < _MOST_NUMBERS:
                number, at = varint(field.data, at)
                found.append(number)
            if field.number == 3 and field.wire != LENGTH and len(found) < _MOST_NUMBERS:
                found.append(field.signed())
    return found


def _padding(attributes: dict[str, Field]) -> set[int]:
    """How a convolution of 5x5 pads, by its word."""
    words = (
        [_text(part) for part in _inside(attributes["padding"]) if part.number == 2] if "padding" in attributes else []
    )
    return {{"SAME": 2, "VALID": 0}[word] for word in words if word in ("SAME", "VALID")}


def _slope(attributes: dict[str, Field]) -> float | None:
    """The slope of LeakyRelu; TensorFlow's own where none is written."""
    if "alpha" not in attributes:
        return 0.2
    for part in _inside(attributes["alpha"]):
        if part.number == 4 and part.wire == FIXED32 and part.end - part.begin == 4:
            number = np.frombuffer(part.data, "<f4", 1, part.begin)[0]
            return float(str(number))  # the shortest number that is the file's float32
    return 0.0  # what is zero is left out of a message
