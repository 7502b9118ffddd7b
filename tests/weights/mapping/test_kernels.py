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


def test_a_tensor_that_no_layer_takes_is_named():
    given = renamed("conv1", "fc8", "fc9", "fc10", "fc11")
    with pytest.raises(WeightsError, match=r"extra: .*\(9, 4\) that no layer takes"):
        lenet_fast.from_state_dict({**given, "extra": np.ones((9, 4))}, TWINS, flatten="CHW")
    with pytest.raises(WeightsError, match=r"extra: .* that no layer has"):
        lenet_fast.from_state_dict({**filled(TWINS), "extra": np.ones((9, 4))}, TWINS)
