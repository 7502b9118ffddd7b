"""The bundled models; each has its card, a Markdown file, beside it, and its SHA-256 in checksums.txt.

What reads files is imported when a model is asked for: the package's own import loads no reader.
"""

from __future__ import annotations

from functools import cache
from typing import overload

import lenet_fast  # there already, and complete when somebody asks what the annotations below stand for

from ..errors import WeightsError

_FOLDER = __path__[0]


@overload
def pretrained(name: None = None) -> tuple[str, ...]: ...
@overload
def pretrained(name: str) -> lenet_fast.Model: ...
def pretrained(name: str | None = None) -> tuple[str, ...] | lenet_fast.Model:
    """Return a bundled model, or without a name the names of all of them.

    `digits` is the classic LeNet-5 of 1998 trained on MNIST: white digits on black, 28x28 or 32x32. `cifar10` and
    `cifar10-relu` are the network with 62,006 parameters for colour pictures of 32x32, with tanh and average pooling or
    relu and max pooling; `classes_` has the names of the ten kinds of things that they know. All are calibrated, so
    `predict(images, reject=True)` works. `card` tells how each was trained and how often it is right.

    Raises
    ------
    ValueError
        If no bundled model has this name.
    WeightsError
        If its file is not the one that was shipped.

    Examples
    --------
    >>> lenet_fast.pretrained()
    ('cifar10', 'cifar10-relu', 'digits')
    """
    return tuple(_checksums()) if name is None else _load(name)


@cache
def _checksums() -> dict[str, str]:
    """Name of each model -> SHA-256 of its file."""
    from pathlib import Path

    lines = (Path(_FOLDER) / "checksums.txt").read_text().splitlines()
    found = {file.removesuffix(".safetensors"): digest for digest, file in (line.split("  ") for line in lines)}
    return dict(sorted(found.items()))


@cache
def _load(name: str) -> lenet_fast.Model:
    import hashlib
    from pathlib import Path

    from ..weights.loading import load

    if name not in _checksums():
        raise ValueError(f"pretrained: wanted one of {', '.join(_checksums())}, found {name!r}")
    path = Path(_FOLDER) / f"{name}.safetensors"
    data = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(data).hexdigest() != _checksums()[name]:
        found = "another" if data else "none"
        raise WeightsError("", "the file that was shipped", found, "install lenet_fast again", str(path))
    return load(path)
