"""Writing a model: which form by the file's ending, and the file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import description

if TYPE_CHECKING:
    from ..model import Model


def save(model: Model, path: str | Path) -> None:
    """Write a model: ONNX or .npz by those endings, safetensors otherwise; a file is replaced whole or not at all."""
    path = Path(path)
    if path.suffix == ".onnx":
        from . import onnx_writer

        onnx_writer.write(path, model)
    elif path.suffix == ".npz":
        from .arrays import numpy

        numpy.write(path, *description.tensors_of(model))
    else:
        from .arrays import safetensors

        safetensors.write(path, *description.tensors_of(model))
