"""Arrays that Keras keeps in HDF5: by layer, for whoever has the config, or all of them where there is none.

Keras 3 numbers what a layer has; Keras 2 names it in attributes. Kernels are (row, column, input, output), full
connections (inputs, outputs).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

from ...budget import charge
from ..names import natural
from ..source import KERAS, UNKNOWN, Source, Tensors
from .hdf5 import Hdf5

#: A layer's arrays and their names in the file, in order.
Named: TypeAlias = list[tuple[str, NDArray[Any]]]


def weights(hdf5: Hdf5) -> Source:
    """What an HDF5 file without a config holds: the weights of a Keras model, or arrays of anybody's."""
    if hdf5.attribute("layer_names") is not None:
        return Source("Keras weights", flat(by_layer_2(hdf5, hdf5.root)), KERAS)
    if hdf5.group("layers") is not None or hdf5.group("_layer_checkpoint_dependencies") is not None:
        return Source("Keras weights", flat(by_layer_3(hdf5)), KERAS)
    return Source("HDF5", {name: array for name, array in hdf5.arrays() if array.size}, UNKNOWN)


def by_layer_3(hdf5: Hdf5) -> dict[str, Named]:
    """Keras 3: layers/conv2d/vars/0, where the group "vars" may know the layer's own name."""
    found: dict[str, Named] = {}
    for path, array in hdf5.arrays():
        parts = path.split("/")
        if parts[0] == "optimizer" or "vars" not in parts:
            continue
        at = len(parts) - 1 - parts[::-1].index("vars")
        group = hdf5.group("/".join(parts[: at + 1]))
        name = hdf5.attribute("name", group) or (parts[at - 1] if at else "")
        found.setdefault(str(name), []).append((f"{'/'.join(parts[:at])}/{parts[-1]}", array))
    for arrays in found.values():
        arrays.sort(key=lambda item: _place(item[0]))
    return {name: found[name] for name in sorted(found, key=natural)}


def _place(path: str) -> int:
    last = path.rpartition("/")[2]
    return int(last) if last.isdecimal() and len(last) < 10 else 0


def by_layer_2(hdf5: Hdf5, group: Any) -> dict[str, Named]:
    """Keras 2 and the .h5 files of Keras 3: the attributes layer_names and weight_names give names and order."""
    found: dict[str, Named] = {}
    for layer in [*_names(hdf5, "layer_names", group), "top_level_model_weights"]:
        inside = hdf5.group(layer, group)
        for path in _names(hdf5, "weight_names", inside) if inside is not None else ():
            charge("visits")
            parts = path.split("/")
            array = hdf5.values(hdf5.group(path, inside))
            owner = parts[-2] if len(parts) > 1 else layer
            found.setdefault(owner, []).append((path, array))
            if owner != layer:
                found.setdefault(layer, []).append((path, array))
    return found


def _names(hdf5: Hdf5, attribute: str, group: Any) -> list[str]:
    value = hdf5.attribute(attribute, group)
    return [str(name) for name in value] if isinstance(value, (list, str)) else []


def flat(by_layer: dict[str, Named]) -> Tensors:
    """One dictionary, every array once, under names that say kernel or bias."""
    tensors: Tensors = {}
    seen: set[int] = set()
    for layer, arrays in by_layer.items():
        for path, array in arrays:
            if id(array) not in seen:
                tensors[f"{layer}/{_role(path, array, len(arrays))}"] = array
                seen.add(id(array))
    return tensors


def _role(path: str, array: NDArray[Any], count: int) -> str:
    """What one of a layer's arrays is."""
    last = path.rpartition("/")[2]
    if not last.isdigit():
        return last
    if count > 2:
        return f"batch_normalization {last}"
    return "kernel" if array.ndim > 1 else "bias"
