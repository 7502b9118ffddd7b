"""weights/mapping/pieces.py: single maps' kernels are layers of their own or pieces of one, as the network wants it."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError
from lenet_fast.errors import OpenQuestionError
from lenet_fast.weights.mapping.answers import Answers
from lenet_fast.weights.mapping.assign import assign
from lenet_fast.weights.mapping.pieces import whole_or_pieces
from lenet_fast.weights.source import TORCH, UNKNOWN, Source


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


# --- layers of one map ---

STAGE = (Conv5x5(1, "tanh"), Subsample2x2("max"))
ONE_MAP = {
    "two layers": Network((1, 28, 28), (*STAGE, *STAGE, Dense(5, "tanh"), Dense(3)), "scores"),
    "two layers and one unit": Network((1, 28, 28), (*STAGE, *STAGE, Dense(1, "tanh"), Dense(3)), "scores"),
    "one layer before several maps": Network((1, 16, 16), (Conv5x5(1, "tanh"), Conv5x5(4, "tanh"), Dense(3)), "scores"),
}


def as_torch(weights):
    """Names of an nn.Sequential: features.0.weight, features.0.bias, features.3.weight, ..."""
    return {f"features.{i // 2 * 3}.{n.rpartition('.')[2]}": a for i, (n, a) in enumerate(weights.items())}


@pytest.mark.parametrize("name", ONE_MAP)
def test_layers_of_one_map_are_layers(name):
    """Though their kernels look like those of single maps."""
    network = ONE_MAP[name]
    weights = reference.random_weights(network, np.random.default_rng(2))
    found = lenet_fast.from_state_dict(as_torch(weights), network)
    assert all((found.weights[name] == array).all() for name, array in weights.items())
    images = np.random.default_rng(3).random((4, *network.input), np.float32)
    wanted = list(reference.run(network, weights, images).values())[-1]
    np.testing.assert_allclose(found.scores(images), wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_a_named_network_of_one_map_is_found():
    """`load` says so without a name, and takes the sizes with one."""
    layers = (Conv5x5(1, "relu"), Subsample2x2("max"))
    network = Network((1, 28, 28), (*layers, *layers, Dense(5, "relu"), Dense(3)), "scores")
    given = as_torch(reference.random_weights(network, np.random.default_rng(2)))
    assert lenet_fast.from_state_dict(given, "lenet5-relu-max").network == network


def test_the_same_arrays_are_one_layer_where_the_network_has_one_of_two_maps():
    network = Network((1, 28, 28), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(3)), "scores")
    weights = reference.random_weights(network, np.random.default_rng(2))
    kernel, bias, *rest = weights.values()
    given = {f"c.weight.{i}": kernel[i : i + 1] for i in range(2)} | {f"c.bias.{i}": bias[i : i + 1] for i in range(2)}
    found, names = assign(Source("f", given | dict(zip(("f.weight", "f.bias"), rest, strict=True)), TORCH), network, Answers())  # fmt: skip
    assert all((found[name] == array).all() for name, array in weights.items())
    assert names["C1.weight"] == "c.weight.#"


def test_two_readings_that_differ_are_refused():
    """Maps that read one map each: as pieces they go by their numbers, as kernels without gaps by the file."""
    layers = (Conv5x5(2, "tanh"), Conv5x5(2, "tanh", 0, ((0,), (1,))), Dense(3))
    network = Network((1, 9, 9), layers, "scores")
    weights = reference.random_weights(network, np.random.default_rng(2))
    kernels = {f"b.weight.{i}": weights["C2.weight"][i : i + 1, i : i + 1] for i in range(2)}
    rest = [f"{layer}.{role}" for layer in "abc" for role in ("weight", "bias")]
    given = dict(zip(rest, weights.values(), strict=True))
    del given["b.weight"]
    found, _ = assign(Source("f", given | kernels, TORCH), network, Answers())
    assert all((found[name] == array).all() for name, array in weights.items())
    with pytest.raises(WeightsError, match="as layers of their own or as pieces of one, found both"):
        assign(Source("f", given | dict(reversed(kernels.items())), TORCH), network, Answers())


def test_what_fills_no_network_either_way_is_told_of_the_nearer_one():
    """Of two layers of one map, the second reading came as far as the full connection."""
    network = ONE_MAP["two layers"]
    given = as_torch(reference.random_weights(network, np.random.default_rng(2)))
    given["features.6.weight"] = np.ones((5, 17), np.float32)
    with pytest.raises(WeightsError, match=r"F5\.weight: wanted \(5, 16\)"):
        lenet_fast.from_state_dict(given, network)


def test_arrays_that_are_no_pieces_have_one_reading():
    for arrays in (
        {"w0": np.ones((1, 1, 5, 5))},
        {"w0": np.ones((1, 1, 5, 5)), "w1": np.ones((1, 2, 5, 5))},
        {"w0": np.ones((2, 1, 5, 5)), "w1": np.ones((2, 1, 5, 5))},
    ):
        assert whole_or_pieces(arrays) == [arrays]


def test_an_open_question_of_one_reading_is_asked():
    """Joined, the arrays are the network's up to the order in which maps became a vector."""
    network = Network((1, 28, 28), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(3)), "scores")
    kernel, bias, weight, _ = reference.random_weights(network, np.random.default_rng(2)).values()
    given = (
        {f"c{i}": kernel[i : i + 1] for i in range(2)} | {f"d{i}": bias[i : i + 1] for i in range(2)} | {"e": weight}
    )
    with pytest.raises(OpenQuestionError) as caught:
        assign(Source("f", given, UNKNOWN), network, Answers())
    assert caught.value.keyword == "flatten"
