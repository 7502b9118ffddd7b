"""weights/mapping/relevant.py: which arrays of a file can be weights."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest


def test_single_numbers_texts_and_empty_arrays_are_no_weights(relu_max):
    network, given = relu_max
    beside = {
        "step": np.array(3.5),
        "names": np.array(["a", "b"]),
        "mask": np.ones((6, 1, 5, 5), bool),
        "complex": np.ones((6, 1, 5, 5), complex),
        "nothing": np.zeros((0, 5)),
    }
    assert lenet_fast.from_state_dict({**beside, **given}, "lenet5-relu-max").network == network


@pytest.mark.parametrize("kind", ["f2", "f8", "i1", "u1", "i4"])
def test_numbers_of_every_kind_are_weights(kind, relu_max):
    _, given = relu_max
    rounded = {n: np.round(a * 20).astype(kind) for n, a in given.items()}
    found = lenet_fast.from_state_dict(rounded, "lenet5-relu-max").weights
    assert all((a == b).all() for a, b in zip(found.values(), rounded.values(), strict=True))
