"""Arrays that go into a model and come out of it: what they must be, and the sentence if they are not."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import DefaultArithmetic
from .batch import VALUES, pieces
from .calibration import as_distances
from .errors import ArgumentError, brief, shown
from .images import unmasked
from .network import Network

Floats = NDArray[np.float32]


def checked(network: Network, weights: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Read-only float32 copies of the tensors that the network wants, and of no others."""
    names = shorten(", ".join(network.parameters) or "no tensor at all", 160, placeholder=" ...")
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights: wanted arrays by the names of the tensors, found {shown(weights)}")
    if unknown := sorted(set(weights) - set(network.parameters), key=str):
        named = unknown[0] if isinstance(unknown[0], str) else "weights"
        raise ArgumentError(shown(named)[1:-1], names, "a tensor that no layer has")
    found = {}
    for name, shape in network.parameters.items():
        if name not in weights:
            raise ArgumentError(name, f"an array of shape {shape}", "none", f"the network wants {names}")
        found[name] = _checked_tensor(name, weights[name], shape)
    _check_unconnected(network, found)
    return found


def _checked_tensor(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    try:
        given = np.asarray(unmasked(name, values))
    except ValueError as error:
        if isinstance(values, np.ma.MaskedArray):
            raise
        raise ArgumentError(name, f"an array of shape {shape}", f"what is none ({brief(error)})") from error
    if given.dtype.kind not in "fiub":
        raise TypeError(f"{name}: wanted real numbers, found {given.dtype}")
    if given.shape != shape:
        raise ArgumentError(name, f"shape {shape}", f"{given.shape}")
    array = _fixed(given)
    flat = array.reshape(-1)
    for part in pieces(flat):
        if not (finite := np.isfinite(flat[part])).all():
            raise ArgumentError(name, "finite values", f"{flat[part][~finite][0]}")
    return array


def _fixed(given: NDArray[Any]) -> Floats:
    """The values as float32 in bytes, which nobody can make writeable; those that lie in bytes of their own already."""
    if given.dtype == np.float32 and given.flags.c_contiguous and given.flags.aligned and _is_all_of_its_bytes(given):
        return given
    with DefaultArithmetic(), np.errstate(over="ignore"):  # what is no float32 is refused as not finite
        data = given.astype(np.float32, copy=False).tobytes()
    return np.frombuffer(data, np.float32).reshape(given.shape)


def _is_all_of_its_bytes(array: NDArray[Any]) -> bool:
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    return isinstance(owner, bytes) and len(owner) < 2 * array.nbytes


def _check_unconnected(network: Network, weights: Mapping[str, Floats]) -> None:
    for layer, figures in zip(network.layers, network.figures, strict=True):
        table = getattr(layer, "connections", None)
        if table is None:
            continue
        name = next(iter(figures.parameters))
        unconnected = np.ones(weights[name].shape[:2], bool)
        for output, sources in enumerate(table):
            unconnected[output, list(sources)] = False
        if weights[name][unconnected].any():
            output, source = cast("tuple[int, int]", tuple(np.argwhere(unconnected & weights[name].any((2, 3)))[0]))
            wanted = "zeros where the connection table has no connection"
            found = f"others from map {source} to map {output}"
            raise ArgumentError(name, wanted, found, "set them to 0 or leave the table out")


def output(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: type[np.generic], images: NDArray[Any]
) -> NDArray[Any]:
    """A new array, or `out` if the engine can write there: C-contiguous, writeable, apart from the images."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: wanted a NumPy array, found {type(out).__name__}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(f"out: wanted {np.dtype(dtype)} of shape {shape}, found {out.dtype} of shape {out.shape}")
    if not (out.flags.c_contiguous and out.flags.writeable and out.flags.aligned):
        raise ValueError(
            "out: wanted a C-contiguous, writeable array, found one that is not; pass np.empty(shape, dtype)"
        )
    if np.may_share_memory(out, images):
        raise ValueError("out: wanted memory apart from the images, found memory that overlaps them")
    return out


def likeliest(scores: Floats, probabilities: Floats, head: str, k: int) -> tuple[NDArray[np.int64], Floats]:
    """The labels of the k best scores, and their probabilities: (n, k) each."""
    labels, shares = np.empty((len(scores), k), np.int64), np.empty((len(scores), k), np.float32)
    for part in pieces(scores, VALUES // 16):  # sorting takes longer than converting
        with DefaultArithmetic():  # or small numbers count as equal
            labels[part] = np.argsort(as_distances(scores[part], head), axis=1, kind="stable")[:, :k]
        shares[part] = np.take_along_axis(probabilities[part], labels[part], axis=1)
    return labels, shares


def several_classes(network: Network, method: str) -> None:
    """Refuse to choose where there is no choice: the label would always be 0, its probability always 1."""
    if network.classes < 2:
        wanted, way_out = "a network of two classes or more", "scores(images) returns its value"
        raise ArgumentError(method, wanted, "one output", way_out)
