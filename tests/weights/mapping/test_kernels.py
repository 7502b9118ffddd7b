"""weights/mapping/kernels.py: each kernel of a file finds its layer and its order of axes, or the user is asked."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError

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


# --- what was left outside the connection table ---


@pytest.mark.parametrize("names", [{}, {"C1.weight": "conv1.weight"}], ids=["our names", "another name"])
def test_kernels_where_nothing_is_connected_never_took_part(names):
    """An initialisation leaves numbers there."""
    given = filled(CLASSIC)
    full = np.where(given["C3.weight"] == 0, np.float32(9), given["C3.weight"])
    tensors = {names.get(n, n): full if n == "C3.weight" else a for n, a in given.items()}
    found = lenet_fast.from_state_dict(tensors, CLASSIC, coefficients="sum").weights["C3.weight"]
    np.testing.assert_array_equal(found, given["C3.weight"])


# --- RBF codes ---


@pytest.mark.parametrize("turn", [False, True])
def test_codes_of_the_file_come_before_the_papers(turn):
    given = {f"{n[:2]}_{n[3:]}": a for n, a in filled(CLASSIC).items() if n != "output.weight"}
    codes = np.sign(np.random.default_rng(1).normal(size=(10, 84))).astype(np.float32)
    found = lenet_fast.from_state_dict({**given, "codes": codes.T if turn else codes}, CLASSIC, coefficients="sum")
    np.testing.assert_array_equal(found.weights["output.weight"], codes)
    found = lenet_fast.from_state_dict(given, CLASSIC, coefficients="sum")
    np.testing.assert_array_equal(found.weights["output.weight"], lenet_fast.rbf_codes("0123456789"))


def test_codes_that_are_not_the_papers_ten_must_be_there():
    layers = (*CLASSIC.layers[:-1], lenet_fast.RBF(12))
    network = Network(CLASSIC.input, layers, "rbf")
    given = {f"{n[:2]}_{n[3:]}": a for n, a in filled(network).items() if n != "output.weight"}
    with pytest.raises(WeightsError, match=r"RBF codes of shape \(12, 84\)"):
        lenet_fast.from_state_dict(given, network, coefficients="sum")


# --- what fits nowhere ---


def test_a_kernel_that_is_not_there_is_named_with_what_is():
    given = renamed("conv1", "fc8", "fc9", "fc10", "fc11")
    with pytest.raises(
        WeightsError, match=r"C1\.weight: wanted \(2, 1, 5, 5\), found \(2, 1, 3, 3\) in 'conv1\.weight'.*5x5"
    ):
        lenet_fast.from_state_dict({**given, "conv1.weight": np.ones((2, 1, 3, 3))}, TWINS)
    with pytest.raises(WeightsError, match=r"F2\.weight: wanted \(7, 32\) .*fc9\.weight \(7, 7\)"):
        lenet_fast.from_state_dict({n: a for n, a in given.items() if n != "fc8.weight"}, TWINS)
