"""weights/mapping/kernels.py: each kernel of a file finds its layer and its order of axes, or the user is asked."""

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


# --- several tensors of one shape ---

#: Full connections of the same shape, one behind the other.
TWINS = Network((1, 8, 8), (Conv5x5(2, "tanh"), Dense(7), Dense(7), Dense(7), Dense(7)), "scores")


def renamed(*names):
    """The twins' tensors under other layer names, in the order of the layers."""
    return {
        f"{layer}.{role}": array
        for layer, (weight, array) in zip(np.repeat(names, 2), filled(TWINS).items(), strict=True)
        for role in [weight.rpartition(".")[2]]
    }


def test_tensors_of_one_shape_come_in_the_order_of_the_file(tmp_path):
    """Which is the order of their numbers: 10 comes behind 9."""
    np.savez(tmp_path / "w.npz", **renamed("conv1", "fc8", "fc9", "fc10", "fc11"))
    found = lenet_fast.load(tmp_path / "w.npz", network=TWINS, flatten="CHW").weights
    assert all((found[name] == array).all() for name, array in filled(TWINS).items())


@pytest.mark.parametrize("names", [("fc8", "fc10", "fc9"), ("fc10", "fc9", "fc8"), ("fc2", "fc10", "fc1")])
def test_tensors_of_one_shape_in_another_order_are_a_question(names):
    """The file's order says one thing and the numbers another: no guess."""
    with pytest.raises(WeightsError, match="first in the file .* first by name"):
        lenet_fast.from_state_dict(renamed("conv1", *names, "out"), TWINS, flatten="CHW")


# --- C3 without gaps ---


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
    found = lenet_fast.from_state_dict(without_gaps(order), CLASSIC, compact=compact, coefficients="sum").weights
    for output in range(16):
        np.testing.assert_array_equal(found["C3.weight"][output], filled(CLASSIC)["C3.weight"][output])
