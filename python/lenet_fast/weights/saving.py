"""Writing a model: which form by the file's ending, and the file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ArgumentError, shown
from . import description

if TYPE_CHECKING:
    from ..model import Model


#: What a name may end in.
ENDINGS = (".safetensors", ".npz", ".onnx")


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model in the format that the name's ending says; a file is replaced whole or not at all."""
    path = checked_path(path)
    if path.suffix == ".onnx":
        from . import onnx_writer

        onnx_writer.write(path, model)
    elif path.suffix == ".npz":
        from .arrays import numpy

        numpy.write(path, *description.tensors_of(model))
    else:
        from .arrays import safetensors

        safetensors.write(path, *description.tensors_of(model))


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The path, if its ending says a format; ArgumentError names those that there are, TypeError what is no name."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path: wanted a file name, found {shown(path)}")
    path = Path(path)
    if path.suffix not in ENDINGS:
        found = shown(path.suffix) if path.suffix else "no ending"
        way_out = f"for example {shown(path.stem + ENDINGS[0])}" if path.stem else ""
        raise ArgumentError(
            "path",
            f"a name that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}",
            f"{found} in {shown(str(path))}",
            way_out,
        )
    return path
