"""weights/mapping/flat.py: arrays that have lost their axes get them back in the order that the user says, or ask."""

from __future__ import annotations

import itertools

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError
from lenet_fast.errors import OpenQuestionError
from lenet_fast.weights.build import Wishes, build
from lenet_fast.weights.source import KERAS, TORCH, Source

NETWORK = Network(
    (2, 18, 18),
    (Conv5x5(3, "tanh"), Subsample2x2("max"), Conv5x5(4, "tanh"), Dense(7, "tanh"), Dense(3)),
    "scores",
)
NAMES = ("one", "two", "three", "four")
AXES = {"kernels": {"OIHW", "HWIO", "OHWI", "IOHW", "IHWO"}, "dense": {"OI", "IO"}}


def filled(network=NETWORK):
    return reference.random_weights(network, np.random.default_rng(9))


def turned(array, kernels, dense):
    if array.ndim == 4:
        return array.transpose(["OIHW".index(axis) for axis in kernels])
    return array.T if array.ndim == 2 and dense == "IO" else array


def vector(array):
    return array.ravel()


def patches(array):
    """The matrix of im2col: outputs first or last, whichever is outside."""
    return array if array.ndim < 4 else array.reshape(len(array), -1)


def patches_last(array):
    return array if array.ndim < 4 else array.reshape(-1, array.shape[-1])


def flat(form, kernels="OIHW", dense="OI", weights=None):
    """The tensors under names that say little, each in an order of axes and then without them."""
    arrays = (weights or filled()).items()
    given = {f"{n}_{name[3]}": np.ascontiguousarray(turned(a, kernels, dense)) for (name, a), n in zip(arrays, np.repeat(NAMES, 2), strict=False)}  # fmt: skip
    return {name: form(array) for name, array in given.items()}


def same(model, weights=None):
    for name, array in (weights or filled()).items():
        np.testing.assert_array_equal(model.weights[name], array, err_msg=name)


@pytest.mark.parametrize("dense", sorted(AXES["dense"]))
@pytest.mark.parametrize("kernels", sorted(AXES["kernels"]))
def test_vectors_have_the_order_that_is_said(kernels, dense):
    given = flat(vector, kernels, dense)
    same(lenet_fast.from_state_dict(given, NETWORK, kernels=kernels, dense=dense, flatten="CHW"))


@pytest.mark.parametrize(("form", "orders"), [(patches, ("OIHW", "OHWI")), (patches_last, ("HWIO", "IHWO"))])
def test_matrices_of_patches_have_the_order_that_is_said(form, orders):
    for kernels in orders:
        given = flat(form, kernels)
        same(lenet_fast.from_state_dict(given, NETWORK, kernels=kernels, flatten="CHW"))
        with pytest.raises(OpenQuestionError) as caught:
            lenet_fast.from_state_dict(given, NETWORK, flatten="CHW")
        assert caught.value.keyword == "kernels" and set(caught.value.choices) == set(orders)


def test_what_is_not_said_is_asked_and_never_guessed():
    """One question after the other, each with words that `load` takes; one set of answers of all is right."""
    given, asked, right = flat(vector), {}, []
    for keyword in ("kernels", "flatten", "dense"):
        with pytest.raises(OpenQuestionError, match=f"pass {keyword}='") as caught:
            lenet_fast.from_state_dict(given, NETWORK, **{name: words[0] for name, words in asked.items()})
        assert caught.value.keyword == keyword
        asked[keyword] = caught.value.choices
    assert {name: set(words) for name, words in asked.items()} == AXES | {"flatten": {"CHW", "HWC"}}
    for answers in itertools.product(*asked.values()):
        model = lenet_fast.from_state_dict(given, NETWORK, **dict(zip(asked, answers, strict=True)))
        if all(np.array_equal(model.weights[name], array) for name, array in filled().items()):
            right.append(answers)
    assert right == [("OIHW", "CHW", "OI")]


@pytest.mark.parametrize(("layout", "kernels", "dense"), [(TORCH, "OIHW", "OI"), (KERAS, "HWIO", "IO")])
def test_a_framework_that_is_known_is_not_asked(layout, kernels, dense):
    weights = filled()
    given = flat(vector, kernels, dense, weights)
    if layout.flatten == "HWC":
        full = weights["F4.weight"].reshape(7, 4, 3, 3).transpose(0, 2, 3, 1).reshape(7, 36)
        given["three_w"] = np.ascontiguousarray(full.T).ravel()
    same(build(Source("file", given, layout), Wishes(network=NETWORK), "file").model)


def test_kernels_that_have_their_axes_tell_the_order_of_one_that_has_not():
    given = flat(lambda a: a, "HWIO")
    given["two_w"] = given["two_w"].ravel()
    same(lenet_fast.from_state_dict(given, NETWORK, flatten="CHW"))


def test_the_users_word_goes_before_what_others_tell():
    given = flat(lambda a: a, "HWIO")
    given["two_w"] = filled()["C3.weight"].ravel()
    same(lenet_fast.from_state_dict(given, NETWORK, flatten="CHW", kernels="OIHW"))


def test_one_map_to_one_reads_in_one_way():
    network = Network((1, 8, 8), (Conv5x5(1), Dense(3)), "scores")
    given = {"k": filled(network)["C1.weight"].ravel(), "d": filled(network)["F2.weight"]}
    assert (lenet_fast.from_state_dict(given, network).weights["C1.weight"] == filled(network)["C1.weight"]).all()


#: Units whose biases are as many as the numbers of the first kernels.
AS_LONG = Network((1, 14, 14), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(50, "tanh"), Dense(3)), "scores")


def test_biases_as_long_as_a_kernel_are_told_by_their_names_or_not_at_all():
    weights = filled(AS_LONG)
    said = {"kernels": "OIHW", "dense": "OI", "flatten": "CHW"}
    called = {name.lower(): array.ravel() for name, array in weights.items()}
    same(lenet_fast.from_state_dict(called, AS_LONG, **said), weights)
    backwards = dict(reversed(called.items()))
    same(lenet_fast.from_state_dict(backwards, AS_LONG, **said), weights)
    for gone in ((), ("x3",), ("x0",)):
        unnamed = {f"x{i}": a for i, a in enumerate(called.values()) if f"x{i}" not in gone}
        with pytest.raises(WeightsError, match="whose names do not say which are biases"):
            lenet_fast.from_state_dict(unnamed, AS_LONG, **said)


def test_a_named_network_of_flat_arrays_has_its_own_sizes():
    network = lenet_fast.networks()["lenet5-relu-max"]
    weights = filled(network)
    for form in (vector, patches):
        given = {name.lower(): form(array) for name, array in weights.items()}
        said = {"kernels": "OIHW", "dense": "OI", "flatten": "CHW"}
        same(lenet_fast.from_state_dict(given, "lenet5-relu-max", **said), weights)


def test_a_check_finds_the_order(tmp_path):
    """Through the choices of the questions."""
    model = lenet_fast.Model(NETWORK, filled(), preprocess=lenet_fast.Preprocess())
    np.savez(tmp_path / "w.npz", **flat(vector, "HWIO", "IO"))
    images = np.random.default_rng(1).random((8, 2, 18, 18), np.float32)
    found = lenet_fast.load(
        tmp_path / "w.npz", network=NETWORK, preprocess="unit", check=(images, model.scores(images))
    )
    same(found)
