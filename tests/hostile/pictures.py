"""Odd images out of any bytes: arrays of every type, shape, order and stride, lists of them, PIL's, and what is none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

_DTYPES = "u1 f4 f8 f2 i1 i2 i4 i8 u2 u4 u8 ? c8 c16 >f4 >f8 >u2 S3 U2 O M8[s] m8[ns] V4".split()
_SIDES = (28, 32, 1, 2, 3, 4, 0, 24, 36, 5)
_MODES = ("L", "RGB", "1", "P", "RGBA", "CMYK", "I;16", "F", "LA", "HSV", "YCbCr", "LAB")
_MOST_VALUES = 1 << 16


class _Choices:
    """Bytes, taken one after the other; zeros behind their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, below: int) -> int:
        self._at += 1
        return (self._data[self._at - 1] if self._at <= len(self._data) else 0) % below

    def of(self, items: Any) -> Any:
        return items[self.number(len(items))]

    def values(self, count: int) -> bytes:
        """So many bytes, what there is again and again."""
        rest = self._data[self._at :] or b"\0"
        return (rest * (count // len(rest) + 1))[:count]


def _array(choices: _Choices) -> Any:
    shape = tuple(choices.of(_SIDES) for _ in range(choices.number(6)))
    while np.prod(shape, dtype=np.float64) > _MOST_VALUES:
        shape = shape[1:]
    dtype = np.dtype(choices.of(_DTYPES))
    count = int(np.prod(shape, dtype=np.int64))
    if dtype.kind == "U":  # any bytes would be no text
        return np.full(shape, "a", dtype)
    if dtype.hasobject:
        return np.full(shape, choices.of((None, 1, "a", [1], 1.5)), object)
    flat = np.frombuffer(choices.values(count * dtype.itemsize), dtype, count)
    return _turned(flat.reshape(shape), choices)


def _turned(array: np.ndarray[Any, Any], choices: _Choices) -> Any:
    """The array in another order of memory, or of another class."""
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda a: a,
        lambda a: a[::-1] if a.ndim else a,
        lambda a: a.T,
        lambda a: np.asfortranarray(a),
        lambda a: np.broadcast_to(a, (2, *a.shape)),
        lambda a: a[..., ::2] if a.ndim else a,
        lambda a: np.ma.masked_array(a, choices.number(2)),
        lambda a: a.tolist(),
        lambda a: list(a) if a.ndim else [a],
        lambda a: memoryview(np.ascontiguousarray(a)) if a.dtype.kind in "iuf" else a,
        lambda a: np.lib.stride_tricks.as_strided(a, a.shape, (0,) * a.ndim),
        lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape) if a.size else a,
    )
    return choices.of(changes)(array)


def _pil(choices: _Choices) -> Any:
    from PIL import Image

    return Image.new(choices.of(_MODES), (choices.of(_SIDES), choices.of(_SIDES)))


def _strange(choices: _Choices) -> Any:
    return choices.of((None, "text", b"bytes", 1, 1.5, [], [[]], {}, object(), [None], (1, 2), range(3), float("nan")))


def _image(choices: _Choices) -> Any:
    return choices.of((_array, _array, _array, _pil, _strange))(choices)


def images_of(data: bytes) -> Any:
    """What some bytes make."""
    choices = _Choices(data)
    several = choices.number(4) == 0
    return [_image(choices) for _ in range(choices.number(4))] if several else _image(choices)


@cache
def models() -> tuple[Any, ...]:
    """Models of one and three channels, with and without a scaling."""
    import lenet_fast

    digits = lenet_fast.pretrained("digits")
    network = lenet_fast.networks()["lenet5-tanh-average"]
    weights = {name: np.zeros(shape, np.float32) for name, shape in network.parameters.items()}
    scalings = [lenet_fast.Preprocess.named(name) for name in ("unit", "zscore", "as-is")]
    return digits, *(lenet_fast.Model(network, weights, preprocess=scaling) for scaling in scalings)


def predicted(data: bytes) -> str:
    """Take some bytes as images, and let a model see them: "labels" or "refused"; any other exception is raised.

    Labels are checked to be as many as images, and no smaller than 0.
    """
    model = models()[data[0] % len(models())] if data else models()[0]
    images = images_of(data[1:])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            labels, scores = model.predict(images), model.scores(images)
    except (TypeError, ValueError):
        return "refused"
    if labels.shape != (len(scores),) or (labels < 0).any():
        raise AssertionError(f"{labels.shape} labels of {scores.shape} scores")
    return "labels"
