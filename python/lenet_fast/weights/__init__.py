"""Weights from files: sniff the content, read named arrays, check them, make a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WeightsError
from . import safetensors
from .description import model_from, tensors_of

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["WeightsError", "load", "save"]

#: First bytes of what people may take for a model, for the error message.
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive (PyTorch, Keras or .npz)",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (Keras)",
    b"\x93NUMPY": "a NumPy array",
    b"\x80": "a pickle",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x1f\x8b": "a gzip file",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself with 'git lfs pull'",
    b"<": "a web page or XML",
}


def load(path: str | Path) -> Model:
    """Read a model from a file that `Model.save` wrote.

    The file's content decides, not its name. The few inputs and outputs in it are run again and compared, so a model
    that loads computes what it computed where it was saved.

    Parameters
    ----------
    path
        A .safetensors file.

    Raises
    ------
    WeightsError
        If the file is not a model, is damaged, or does not compute the outputs stored in it.
    OSError
        If it cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        head = file.read(64)
        if not safetensors.looks_like(head):
            found = next((name for start, name in _SIGNATURES.items() if head.startswith(start)), "something else")
            found = found if head else "an empty file"
            raise WeightsError(f"{path}: wanted a safetensors file written by Model.save, found {found}")
        file.seek(0)
        tensors, metadata = safetensors.read(file, str(path))
    return model_from(tensors, metadata, str(path))


def save(model: Model, path: str | Path) -> None:
    """Write a model to a safetensors file; an existing file is replaced whole or not at all."""
    safetensors.write(Path(path), *tensors_of(model))
