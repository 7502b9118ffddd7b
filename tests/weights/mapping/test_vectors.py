"""weights/mapping/vectors.py: biases by their layers' names, and the pairs of trainable subsampling."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError

POOLED = Network((1, 12, 12), (Conv5x5(3, "tanh"), Subsample2x2("trainable", "tanh"), Dense(4)), "scores")


def tensors(coefficient="pool.weight", bias="pool.bias"):
    """A trainer's names, none of which are ours."""
    found = reference.random_weights(POOLED, np.random.default_rng(9))
    names = ("conv.weight", "conv.bias", coefficient, bias, "full.weight", "full.bias")
    return dict(zip(names, found.values(), strict=True))


@pytest.mark.parametrize("coefficients", ["sum", "mean"])
def test_what_coefficients_are_multiplied_with(coefficients):
    """A coefficient of the mean is four times one of the sum, which is the paper's and ours."""
    given = tensors()
    model = lenet_fast.from_state_dict(given, POOLED, coefficients=coefficients, flatten="CHW")
    x = np.random.default_rng(1).random((5, 1, 12, 12), np.float32)
    conv = reference.activate("tanh", reference.conv5x5(x, given["conv.weight"], given["conv.bias"]))
    pooled = conv.reshape(5, 3, 4, 2, 4, 2)
    pooled = pooled.sum((3, 5)) if coefficients == "sum" else pooled.mean((3, 5))
    pooled = np.tanh(pooled * given["pool.weight"][:, None, None] + given["pool.bias"][:, None, None])
    wanted = reference.dense(pooled.reshape(5, -1), given["full.weight"], given["full.bias"])
    np.testing.assert_allclose(model.scores(x), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_coefficients_of_sum_or_mean_are_asked_for():
    with pytest.raises(WeightsError, match="coefficients='sum'.*'mean'"):
        lenet_fast.from_state_dict(tensors(), POOLED, flatten="CHW")


# --- pairs of trainable subsampling ---


@pytest.mark.parametrize(
    ("coefficient", "bias"),
    [
        ("pool.weight", "pool.bias"), ("s2/w:0", "s2/b:0"), ("S2_coefficient", "S2_bias"), ("pool/kernel:0", "pool/bias:0"),
        ("s2.coefficients", "s2.biases"), ("weight_s2", "bias_s2"),
    ],
)  # fmt: skip
def test_a_pair_is_told_by_its_names_in_either_order(coefficient, bias):
    given = tensors(coefficient, bias)
    swapped = {n: given[n] for n in [*[*given][:2], bias, coefficient, *[*given][4:]]}
    for one in (given, swapped):
        found = lenet_fast.from_state_dict(one, POOLED, coefficients="sum", flatten="CHW").weights
        assert (found["S2.coefficient"] == given[coefficient]).all()
        assert (found["S2.bias"] == given[bias]).all()


def test_one_number_may_stand_for_all_maps():
    given = tensors() | {"pool.weight": np.float32([0.5]), "pool.bias": np.float32([[-0.25]])}
    found = lenet_fast.from_state_dict(given, POOLED, coefficients="sum", flatten="CHW").weights
    assert found["S2.coefficient"].tolist() == [0.5] * 3 and found["S2.bias"].tolist() == [-0.25] * 3


@pytest.mark.parametrize(
    "names",
    [("pool.first", "pool.second"), ("pool.bias", "pool.bias2"), ("scale1", "scale2"), ("pool.weight", "other.bias")],
)
def test_a_pair_that_is_not_told_by_its_names_is_refused(names):
    """One for the other, and the network is another."""
    with pytest.raises(WeightsError, match=r"S2\.coefficient: .*two vectors of 3"):
        lenet_fast.from_state_dict(tensors(*names), POOLED, coefficients="sum", flatten="CHW")


def test_pairs_come_in_the_order_of_the_layers():
    network = Network(
        (1, 28, 28),
        (Conv5x5(3), Subsample2x2("trainable"), Conv5x5(3), Subsample2x2("trainable"), Dense(4)),
        "scores",
    )
    weights = reference.random_weights(network, np.random.default_rng(9))
    layers = np.repeat(["conv1", "pool1", "conv2", "pool2", "full"], 2)
    given = {
        f"{layer}.{'bias' if n.endswith('bias') else 'weight'}": a
        for (n, a), layer in zip(weights.items(), layers, strict=True)
    }
    found = lenet_fast.from_state_dict(given, network, coefficients="sum", flatten="CHW").weights
    assert all((found[name] == array).all() for name, array in weights.items())


def test_pairs_have_as_many_values_as_maps():
    """Whatever order the file has them in."""
    network = lenet_fast.networks()["lenet5-1998"]
    weights = reference.random_weights(network, np.random.default_rng(9))
    pairs = {n: a for n, a in weights.items() if n[0] == "S"}
    given = {f"x{n}": a for n, a in [*reversed(pairs.items()), *((n, a) for n, a in weights.items() if n not in pairs)]}
    same(lenet_fast.from_state_dict(given, network, coefficients="sum").weights, weights)


# --- biases ---

PLAIN = Network((1, 8, 8), (Conv5x5(4, "tanh"), Dense(4, "tanh"), Dense(4, "tanh"), Dense(3)), "scores")


def layered(pattern, names=("c1", "f2", "f3", "f4")):
    """The tensors of a plain network, whose biases are three times of one size, by layer and role."""
    weights = reference.random_weights(PLAIN, np.random.default_rng(10))
    found = {}
    for (name, array), layer in zip(weights.items(), np.repeat(names, 2), strict=True):
        found[pattern(layer, "bias" if name.endswith("bias") else "weight")] = array
    return weights, found


def same(found, weights):
    assert all((found[name] == array).all() for name, array in weights.items())


PATTERNS = {
    "PyTorch": lambda layer, role: f"{layer}.{role}",
    "Keras": lambda layer, role: f"{layer}/{'kernel' if role == 'weight' else role}:0",
    "TensorFlow": lambda layer, role: f"{layer}/{role}s",
    "the role first": lambda layer, role: f"{role}_{layer}",
    "letters": lambda layer, role: f"{role[0]}_{layer}",
    "short": lambda layer, role: f"{role[0].upper()}{layer[1]}",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_bias_belongs_to_the_kernel_of_its_layer(name):
    """By name, whatever order the file has them in."""
    weights, given = layered(PATTERNS[name])
    biases = [n for n, a in given.items() if a.ndim == 1]
    shuffled = {n: given[n] for n in [*(n for n in given if n not in biases), *reversed(biases)]}
    for one in (given, shuffled):
        same(lenet_fast.from_state_dict(one, PLAIN, flatten="CHW").weights, weights)


def test_biases_without_such_names_come_in_the_order_of_their_numbers():
    """Of each size as many as there are layers of that size; 10 comes behind 9."""
    weights, given = layered(lambda layer, role: f"{role}-{int(layer[1]) + 7}" if role == "bias" else layer)
    same(lenet_fast.from_state_dict(given, PLAIN, flatten="CHW").weights, weights)


def test_biases_that_are_too_few_or_too_many_are_a_question():
    _, given = layered(lambda layer, role: f"v{layer[1]}" if role == "bias" else layer)
    for wrong in ({n: a for n, a in given.items() if n != "v2"}, {**given, "v9": np.ones(4)}):
        with pytest.raises(WeightsError, match="wanted 3 bias vectors of 4, found [24] "):
            lenet_fast.from_state_dict(wrong, PLAIN, flatten="CHW")


def test_layers_without_biases_have_zeros():
    weights, given = layered(PATTERNS["PyTorch"])
    few = {n: a for n, a in given.items() if n not in ("c1.bias", "f4.bias")}
    found = lenet_fast.from_state_dict(few, PLAIN, flatten="CHW").weights
    names = [*weights]
    for i, name in enumerate(names):
        assert (found[name] == (0 if i in (1, 7) else weights[name])).all()


def test_biases_keep_their_layer_in_any_shape():
    weights, given = layered(PATTERNS["PyTorch"])
    given |= {"c1.bias": given["c1.bias"].reshape(1, 4, 1, 1), "f4.bias": given["f4.bias"].reshape(3, 1)}
    same(lenet_fast.from_state_dict(given, PLAIN, flatten="CHW").weights, weights)


@pytest.mark.xfail(strict=True, reason="the alphabet decides, whatever the file's order says")
def test_biases_whose_order_reads_in_two_ways_are_a_question():
    """As for kernels: the file's order says one thing and the names another."""
    _, given = layered(lambda layer, role: {"c1": "zeta", "f2": "alpha"}.get(layer, f"v{layer}") if role == "bias" else layer)  # fmt: skip
    with pytest.raises(WeightsError):
        lenet_fast.from_state_dict(given, PLAIN, flatten="CHW")
