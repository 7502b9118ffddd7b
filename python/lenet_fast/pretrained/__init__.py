"""The bundled models; each has its card, a Markdown file, beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import overload

from ..model import Model
from ..weights import load

_FOLDER = Path(__file__).parent


@overload
def pretrained(name: None = None) -> tuple[str, ...]: ...
@overload
def pretrained(name: str) -> Model: ...
def pretrained(name: str | None = None) -> tuple[str, ...] | Model:
    """Return a bundled model, or without a name the names of all of them.

    `digits` is the classic LeNet-5 of 1998 trained on MNIST: white digits on black, 28x28 or 32x32.

    Raises
    ------
    ValueError
        If no bundled model has this name.

    Examples
    --------
    >>> lenet_fast.pretrained()
    ('digits',)
    """
    return _names() if name is None else _load(name)


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


@cache
def _load(name: str) -> Model:
    if name not in _names():
        raise ValueError(f"pretrained: wanted one of {', '.join(_names())}, found {name!r}")
    return load(_FOLDER / f"{name}.safetensors")
