"""ncnn's two files: the layers of a .param, line by line, and the arrays of a .bin, one behind the other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...budget import charge
from ...errors import refuse

_MAGIC = "7767517"
_LARGEST_TEXT = 1 << 20
_MOST_LAYERS = 500
_HALF = 0x01306B47  # the tag of float16
_LITERAL = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?|[-+]?(inf|nan)", re.IGNORECASE)


@dataclass(frozen=True)
class Layer:
    """A line of the .param."""

    kind: str
    name: str
    bottoms: list[str]
    tops: list[str]
    parameters: dict[int, str]

    def whole(self, number: int, default: int = 0) -> int:
        """A parameter that is a whole number."""
        return int(self.parameters.get(number, default))

    def real(self, number: int, default: float = 0.0) -> float:
        return _real(self.parameters[number]) if number in self.parameters else default

    def pair(self, columns: int, rows: int, default: int) -> tuple[int, int]:
        """(rows, columns), where rows are as columns if they are not given."""
        width = self.whole(columns, default)
        return self.whole(rows, width), width

    def reals(self, number: int) -> list[float]:
        """A parameter that is an array: its length, then its values."""
        values = [_real(text) for text in self.parameters.get(number, "0").split(",")]
        if values[0] != len(values) - 1:
            raise ValueError(f"parameter {number} of {self.name!r}: {len(values) - 1} of {values[0]:g} values")
        return values[1:]


def _real(text: str) -> float:
    if not _LITERAL.fullmatch(text):
        raise ValueError(f"{text[:20]!r} where a number should be")
    return float(text)


def layers_of(data: bytes) -> list[Layer]:
    """The layers of a .param; ValueError or LookupError for damage."""
    if len(data) > _LARGEST_TEXT:
        raise ValueError(f"{len(data):,} bytes, it is another network")
    lines = [line.split() for line in data.decode().splitlines() if line.strip()]
    if len(lines) < 2 or lines[0] != [_MAGIC] or len(lines[1]) != 2:
        raise ValueError("no numbers of layers and blobs")
    if len(lines) > _MOST_LAYERS:
        raise ValueError(f"{len(lines):,} layers, it is another network")
    layers = [_layer(words) for words in lines[2:]]
    names = {top for layer in layers for top in layer.tops}
    if [int(n) for n in lines[1]] != [len(layers), len(names)]:
        raise ValueError(f"{len(layers)} layers and {len(names)} blobs where {' and '.join(lines[1])} should be")
    return layers


def _layer(words: list[str]) -> Layer:
    charge("visits", 10 + len(words))
    kind, name, *rest = words
    reads, writes = int(rest[0]), int(rest[1])
    if min(reads, writes) < 0 or len(rest) < 2 + reads + writes:
        raise ValueError(f"{name!r} with too few blobs")
    blobs, parameters = rest[2 : 2 + reads + writes], {}
    for word in rest[2 + reads + writes :]:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word[:20]!r} among the parameters of {name!r}")
        number = int(key)
        parameters[-number - 23300 if number <= -23300 else number] = value
    return Layer(kind, name, blobs[:reads], blobs[reads:], parameters)


class Bin:
    """The .bin, from its beginning to its end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = memoryview(data), 0

    def _take(self, size: int, where: str) -> memoryview:
        begin, self._place = self._place, self._place + size
        if size < 0 or self._place > len(self._data):
            found = f"{len(self._data) - begin}"
            refuse(where, f"{size} bytes of weights", found, "the .bin is truncated or another's")
        return self._data[begin : self._place]

    def tagged(self, count: int, where: str) -> NDArray[np.float32]:
        """Weights behind a tag that says how they are stored."""
        tag = int.from_bytes(self._take(4, where), "little")
        if tag == 0:
            return self.plain(count, where)
        if tag != _HALF:
            refuse(where, "float32 or float16 weights", f"tag {tag:#010x}", "convert the model without quantising it")
        data = self._take((2 * count + 3) // 4 * 4, where)
        charge("values", count)
        return np.frombuffer(data, "<f2", count).astype(np.float32)

    def plain(self, count: int, where: str) -> NDArray[np.float32]:
        return np.frombuffer(self._take(4 * count, where), "<f4")

    def check_end(self) -> None:
        if self._place != len(self._data):
            refuse("weights", f"{self._place} bytes", f"{len(self._data)}", "the .bin is another network's")
