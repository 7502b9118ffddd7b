"""weights/mapping/sizes.py: the sizes are those in which every array has a place, all of them if there are several."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lenet_fast.budget import Budget, spending
from lenet_fast.errors import OverBudgetError
from lenet_fast.weights.mapping.sizes import Sizes, sizes_of

FILE = {"a": (10, 1, 5, 5), "b": (20, 10, 5, 5), "c": (50, 320), "d": (40, 50), "e": (10, 40), "bias": (10,)}
FOUND = Sizes(1, (10, 20), (50, 40, 10))


def sizes(shapes, side=4):
    return sizes_of({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, {side})[side]


@pytest.mark.parametrize("dense", ["OI", "IO"])
@pytest.mark.parametrize("kernels", [(0, 1, 2, 3), (2, 3, 1, 0), (0, 2, 3, 1), (1, 0, 2, 3), (1, 2, 3, 0)])
def test_sizes_are_found_in_every_order_of_axes_and_of_arrays(kernels, dense):
    turned = {
        name: tuple(shape[axis] for axis in kernels) if len(shape) == 4 else shape[:: 1 if dense == "OI" else -1]
        for name, shape in FILE.items()
    }
    for names in itertools.permutations("abcde"):
        assert sizes({name: turned[name] for name in (*names, "bias")}) == [FOUND]


def test_every_array_has_a_place_or_there_are_no_sizes():
    for extra in ((9, 4), (40, 40, 5, 5), (40, 30), (3, 4, 5), (1, 40), (10, 41)):
        assert not _found({**FILE, "extra": extra})
    for gone in "abcd":
        assert not _found({name: shape for name, shape in FILE.items() if name != gone})
    assert sizes(FILE, side=5) == []


def _found(shapes):
    """Whatever there is, for the usual last maps."""
    found = sizes_of({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, {4, 5, 7, 8})
    return [one for some in found.values() for one in some]


def test_vectors_and_axes_of_one_beside_a_matrix_are_no_matter():
    given = {**FILE, "d": (1, 1, 40, 50), "e": (10, 40, 1, 1), "x": (7,), "y": (1, 1, 9), "z": (50,)}
    assert sizes(given) == [FOUND]


def test_two_orders_are_both_told_unless_file_and_names_agree_on_one():
    loop = {"f1": (8, 320), "f2": (9, 8), "f3": (8, 9), "f4": (7, 8), "f5": (8, 7), "f6": (3, 8)}
    given = {"a": FILE["a"], "b": FILE["b"], **loop}
    assert sizes(given) == [Sizes(1, (10, 20), (8, 9, 8, 7, 8, 3))]
    renamed = dict(zip(("a", "b", "f1", "f4", "f5", "f2", "f3", "f6"), given.values(), strict=True))
    assert {one.outputs for one in sizes(renamed)} == {(8, 9, 8, 7, 8, 3), (8, 7, 8, 9, 8, 3)}


def test_every_step_of_the_search_is_counted():
    """Eight loops that never reach the last connection: 8! orders."""
    given = {"a": FILE["a"], "b": FILE["b"], "f": (8, 320), "last": (50, 60)}
    given |= {f"{way}{n}": (9 + n, 8)[:: 1 if way == "to" else -1] for n in range(8) for way in ("to", "from")}
    with spending(Budget(visits=10_000)), pytest.raises(OverBudgetError):
        sizes(given)


def test_more_full_connections_than_anybody_has_are_not_tried():
    given = {"a": FILE["a"], "b": FILE["b"], "f": (8, 320)} | {f"g{n}": (8, 8) for n in range(64)}
    assert sizes_of({name: np.zeros(shape, np.float32) for name, shape in given.items()}, {4}) == {}
