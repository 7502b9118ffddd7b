"""weights/mapping/relevant.py: which arrays of a file can be weights, and which of them are parts of one."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network


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


# --- kernels that are stored one by one ---


@pytest.mark.parametrize("single", [lambda k: k[None], lambda k: k])
def test_one_tensor_per_map_is_one_tensor(single, relu_max):
    """conv1.0, conv1.1, ..., conv1.10: in the order of their numbers, wherever they lie in the file."""
    _, given = relu_max
    apart = {}
    for name, array in given.items():
        layer, role = name.split(".")
        if array.ndim == 4:
            apart |= {f"{layer}.{role}.{i}": single(array[i]) for i in reversed(range(len(array)))}
        elif f"{layer}.weight" in given and given[f"{layer}.weight"].ndim == 4:
            apart |= {f"{layer}.{role}.{i}": array[i : i + 1] for i in reversed(range(len(array)))}
        else:
            apart[name] = array
    found = lenet_fast.from_state_dict(apart, "lenet5-relu-max", flatten="CHW").weights
    assert all((a == b).all() for a, b in zip(found.values(), given.values(), strict=True))


def test_layers_of_one_map_are_layers():
    """Though their kernels look like those of single maps."""
    network = Network((1, 16, 16), (Conv5x5(1, "tanh"), Conv5x5(4, "tanh"), Dense(3)), "scores")
    weights = reference.random_weights(network, np.random.default_rng(2))
    given = {f"conv{i // 2}.{n.rpartition('.')[2]}": a for i, (n, a) in enumerate(weights.items())}
    found = lenet_fast.from_state_dict(given, network).weights
    assert all((found[name] == array).all() for name, array in weights.items())
