"""The sizes of a network of two convolutions and some full connections, out of its arrays' shapes alone.

Every array has a place: the convolutions are two arrays of 5x5 kernels of which the second reads as many maps as the
first makes, and the full connections follow each other so that each reads what the one before it made. In which order
they do is searched for, which may take as many steps as there are orders, so every step is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from typing import Any, TypeAlias

from numpy.typing import NDArray

from ...budget import charge
from ..names import natural
from ..source import Tensors
from .answers import DENSE, KERNELS
from .axes import Shape

#: Inputs and outputs of a full connection.
Edge: TypeAlias = tuple[int, int]

_MOST_DENSE = 64


@dataclass(frozen=True)
class Sizes:
    """Of an image's channels, of the maps of both convolutions, and of what each full connection makes."""

    channels: int
    maps: tuple[int, int]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class _Front:
    """Both convolutions, and a full connection of maps that is stored as a convolution of `side` squared."""

    channels: int
    maps: tuple[int, int]
    whole: tuple[int, int] | None = None  # (outputs, side)


def sizes_of(tensors: Tensors, sides: Iterable[int]) -> dict[int, list[Sizes]]:
    """For last maps of each side squared, the sizes that take every array; several where their order is open."""
    charge("visits", len(tensors))
    kernels = [array.shape for array in tensors.values() if _is_kernel(array)]
    matrices = {name: _matrix(array) for name, array in tensors.items() if _is_matrix(array)}
    others = [array for name, array in tensors.items() if name not in matrices and not _is_kernel(array)]
    if any(array.squeeze().ndim > 1 for array in others) or len(matrices) > _MOST_DENSE or not 2 <= len(kernels) <= 3:
        return {}
    fronts, lengths = list(_fronts(kernels)), {array.size for array in others}
    found = {side: dict.fromkeys(_behind(fronts, side, matrices)) for side in sides}
    return {side: [one for one in several if _ends_whole(one, lengths)] for side, several in found.items()}


def _ends_whole(sizes: Sizes, lengths: set[int]) -> bool:
    """Whether the last full connection has a bias, if there is any: a part of a model often breaks off there."""
    return not lengths or sizes.outputs[-1] in lengths


def _behind(fronts: Sequence[_Front], side: int, matrices: Mapping[str, Shape]) -> Iterator[Sizes]:
    """Each front with the full connections that follow its maps."""
    for front in fronts:
        if front.whole is not None and front.whole[1] != side:
            continue
        start = front.maps[1] * side * side if front.whole is None else front.whole[0]
        first = () if front.whole is None else front.whole[:1]
        for outputs in _outputs(start, matrices):
            if first + outputs:
                yield Sizes(front.channels, front.maps, first + outputs)


def _is_kernel(array: NDArray[Any]) -> bool:
    """Kernels of some rows and as many columns; what has two axes of one at one end is a matrix."""
    return array.ndim == 4 and (array.squeeze().ndim > 2 or array.shape.count(5) >= 2)


def _is_matrix(array: NDArray[Any]) -> bool:
    """A full connection's, of one output or input too; biases have one axis."""
    return not _is_kernel(array) and 2 in (array.ndim, array.squeeze().ndim)


def _matrix(array: NDArray[Any]) -> Shape:
    return array.shape if array.ndim == 2 else array.squeeze().shape


def _fronts(shapes: Sequence[Shape]) -> Iterator[_Front]:
    """Two kernels that follow each other, and perhaps a third, in any order of axes that is that of all."""
    found: dict[_Front, None] = {}
    for order in KERNELS:
        axes = [order.index(axis) for axis in "OIHW"]
        turned = [tuple(shape[axis] for axis in axes) for shape in shapes]
        for first, second, *others in permutations(turned):
            follows = second[1] == first[0] and all(other[1] == second[0] for other in others)
            is_square = all(kernel[2] == kernel[3] for kernel in turned)
            if follows and is_square and first[2] == second[2] == 5:
                whole = (others[0][0], others[0][2]) if others else None
                found[_Front(first[1], (first[0], second[0]), whole)] = None
    yield from found


# --- full connections one behind the other ---


def _outputs(start: int, matrices: Mapping[str, Shape]) -> list[tuple[int, ...]]:
    """What each full connection makes, in every order in which they follow each other from `start` inputs on.

    Where several do, the file's order is taken if that of the names is the same.
    """
    found: dict[tuple[int, ...], None] = {}
    for order in DENSE:
        edges = {name: (a, b) if order == "IO" else (b, a) for name, (a, b) in matrices.items()}
        trails = list(islice(_trails(start, Counter(edges.values())), 2))
        if len(trails) > 1:
            in_file = _following(start, list(edges.values()))
            if in_file and in_file == _following(start, [edges[name] for name in sorted(edges, key=natural)]):
                trails = [in_file]
        found |= dict.fromkeys(trails)
    return list(found)


def _trails(start: int, edges: Counter[Edge]) -> Iterator[tuple[int, ...]]:
    """Every order, once each, in which all edges follow each other."""
    charge("visits", 2 + 2 * len(edges))
    if not edges:
        yield ()
    for edge in list(edges):
        if edge[0] == start:
            for rest in _trails(edge[1], edges - Counter([edge])):
                yield edge[1], *rest


def _following(start: int, edges: Sequence[Edge]) -> tuple[int, ...]:
    """What they make in this order; nothing if one of them reads something else."""
    inputs = (start, *(made for _, made in edges))
    return inputs[1:] if all(edge[0] == given for edge, given in zip(edges, inputs, strict=False)) else ()
