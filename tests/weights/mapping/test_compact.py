"""weights/mapping/compact.py: kernels that a file keeps without gaps get their input maps, or the user is asked."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError
from lenet_fast.networks import C3_TABLE

CLASSIC = lenet_fast.networks()["lenet5-1998"]


def filled(network):
    return reference.random_weights(network, np.random.default_rng(8))


def wrapped_inputs(output):
    """Table I of the paper, as its columns are read: neighbours wrap round, from the map's own number on."""
    if output < 6:
        return [(output + i) % 6 for i in range(3)]
    if output < 12:
        return [(output + i) % 6 for i in range(4)]
    return list(C3_TABLE[output])


def without_gaps(order):
    """The classic tensors with C3's kernels one behind the other, each map's in an order of its inputs."""
    tensors = filled(CLASSIC)
    tensors["C3.weight"] = np.concatenate([tensors["C3.weight"][m, order(m)] for m in range(16)])
    return tensors


@pytest.mark.parametrize(
    ("compact", "order"), [("ascending", lambda m: sorted(C3_TABLE[m])), ("wrapped", wrapped_inputs)]
)
def test_every_kernel_without_gaps_gets_its_input_map(compact, order):
    assert all(sorted(order(m)) == sorted(C3_TABLE[m]) for m in range(16))
    options = {"compact": compact, "coefficients": "sum"}
    found = lenet_fast.from_state_dict(without_gaps(order), CLASSIC, **options).weights
    named = lenet_fast.from_state_dict(without_gaps(order), "lenet5-1998", **options)  # which has its sizes from them
    assert named.network == CLASSIC
    for output in range(16):
        np.testing.assert_array_equal(found["C3.weight"][output], filled(CLASSIC)["C3.weight"][output])


GROUPED = {
    "one tensor": lambda k: {"c3": k},
    "one tensor of single input maps": lambda k: {"c3": k[:, None]},
    "one tensor per number of inputs": lambda k: {
        "c3a": k[:18].reshape(6, 3, 5, 5), "c3b": k[18:54].reshape(9, 4, 5, 5), "c3c": k[54:].reshape(1, 6, 5, 5)
    },
    "one tensor per group of neighbours": lambda k: {
        "c3a": k[:18].reshape(6, 3, 5, 5), "c3b": k[18:42].reshape(6, 4, 5, 5), "c3c": k[42:54].reshape(3, 4, 5, 5),
        "c3d": k[54:].reshape(1, 6, 5, 5),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPED)
def test_kernels_without_gaps_may_lie_in_groups(name):
    tensors = without_gaps(lambda m: sorted(C3_TABLE[m]))
    kernels = tensors.pop("C3.weight")
    given = {
        **{n: a for n, a in tensors.items() if n[0] == "C" and n < "C3"},
        **GROUPED[name](kernels),
        **{n: a for n, a in tensors.items() if not (n[0] == "C" and n < "C3")},
    }
    found = lenet_fast.from_state_dict(given, CLASSIC, compact="ascending", coefficients="sum").weights
    np.testing.assert_array_equal(found["C3.weight"], filled(CLASSIC)["C3.weight"])


def test_a_table_that_does_not_wrap_leaves_no_question():
    connections = ((0, 1), (1, 2), (0, 2), (0, 1, 2))
    network = Network((1, 16, 16), (Conv5x5(3), Conv5x5(4, "tanh", 0, connections), Dense(2)), "scores")
    weights = filled(network)
    given = {name.lower().replace(".", "_"): array for name, array in weights.items()}
    kernel = next(name for name, array in given.items() if array.shape == (4, 3, 5, 5))
    original = next(array for array in weights.values() if array.shape == (4, 3, 5, 5))
    given[kernel] = np.concatenate([original[m, list(row)] for m, row in enumerate(connections)])
    found = lenet_fast.from_state_dict(given, network, flatten="CHW").weights
    assert all((found[name] == array).all() for name, array in weights.items())


def test_the_order_of_kernels_that_wrap_is_asked_for():
    with pytest.raises(WeightsError, match=r"compact='ascending'.*compact='wrapped'"):
        lenet_fast.from_state_dict(without_gaps(wrapped_inputs), CLASSIC, coefficients="sum")
