"""weights/restoring.py: a file that says of itself what it is, is that, or is refused in one sentence."""

from __future__ import annotations

import hashlib
import json
import re

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2, WeightsError
from lenet_fast.weights import description, restoring

NETWORK = Network((1, 8, 8), (Conv5x5(2, "tanh"), Subsample2x2("max"), Dense(3)), "scores")


@pytest.fixture
def path(tmp_path):
    Model(NETWORK, reference.random_weights(NETWORK, np.random.default_rng(0))).save(tmp_path / "m.npz")
    return tmp_path / "m.npz"


def rewritten(path, change):
    """The file with its tensors changed and its checksum made right again, as another writer would leave it."""
    with np.load(path) as file:
        arrays = dict(file)
    description = json.loads(str(arrays.pop("__lenet_fast__")))
    change(arrays)
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + np.ascontiguousarray(array).tobytes())
    description["sha256"] = digest.hexdigest()
    np.savez(path, __lenet_fast__=np.array(json.dumps(description)), **arrays)


def described(path, change):
    """The file with its description changed and its tensors as they were."""
    with np.load(path) as file:
        arrays = dict(file)
    description = json.loads(str(arrays.pop("__lenet_fast__")))
    text = change(description)
    text = text if isinstance(text, str) and text[0] in "[{" else json.dumps(description)
    np.savez(path, __lenet_fast__=np.array(text), **arrays)


def refused(path):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


#: A change of the description, and what must be said of it.
ALTERED = {
    "another format": (lambda d: d.update(format=2), "wanted format 1"),
    "no format": (lambda d: d.pop("format"), "wanted format 1"),
    "no description": (lambda d: "[]", "damaged"),
    "a cut description": (lambda d: "{", "damaged|Expecting"),
    "a deep description": (lambda d: "[" * 100_000, "damaged|recursion"),
    "no network": (lambda d: d.pop("network"), "wanted 'network' in its metadata"),
    "no checksum": (lambda d: d.pop("sha256"), "wanted 'sha256' in its metadata"),
    "another checksum": (lambda d: d.update(sha256="0" * 64), "wanted the tensors that were saved"),
    "no classes": (lambda d: d.pop("classes"), "wanted 'classes'"),
    "too few classes": (lambda d: d.update(classes=["one"]), "classes: wanted 3 names, found 1"),
    "a card that is none": (lambda d: d.update(card=[]), "damaged"),
    "another size": (lambda d: d["network"].update(input=[1, 12, 12]), "wanted shape"),
    "a size of billions": (lambda d: d["network"].update(input=[1, 10**9, 8]), "input: wanted"),
    "a size beyond numbers": (lambda d: d["network"].update(input=[1, 10**19, 8]), "input: wanted a number below"),
    "a size of letters": (lambda d: d["network"].update(input="abc"), "wanted"),
    "layers that are a number": (lambda d: d["network"].update(layers=3), "wanted"),
    "a million maps": (lambda d: d["network"]["layers"][0].update(maps=10**6), "maps wanted between"),
    "maps in words": (lambda d: d["network"]["layers"][0].update(maps="two"), "a whole number, found 'two'"),
    "an activation in a list": (lambda d: d["network"]["layers"][0].update(activation=["tanh"]), "wanted a word"),
    "another kind of layer": (lambda d: d["network"]["layers"][0].update(kind="LSTM"), "found 'LSTM'"),
    "a setting that there is not": (lambda d: d["network"]["layers"][0].update(stride=2), "found 'stride'"),
    "other connections": (lambda d: d["network"]["layers"][0].update(connections=[[9]]), "one row per map"),
    "another head": (lambda d: d["network"].update(head="rbf"), "wants an RBF layer last"),
    "another activation": (lambda d: d["network"]["layers"][0].update(activation="relu"), "wanted the scores that were saved"),
    "another pooling": (lambda d: d["network"]["layers"][1].update(pooling="average"), "wanted the scores that were saved"),
    "another scaling": (lambda d: d["preprocess"].update(scale=[1.25]), "wanted the scores that were saved"),
    "a scaling of letters": (lambda d: d["preprocess"].update(scale=["x"]), "scale: wanted a number, found .x."),
    "a scaling that is no number": (lambda d: d["preprocess"].update(scale=[float("nan")]), "finite float32 numbers"),
    "a scaling beyond float32": (lambda d: d["preprocess"].update(scale=[1e300]), "finite float32 numbers"),
    "a scaling with more to it": (lambda d: d["preprocess"].update(gamma=2), "gamma"),
    "a calibration with more to it": (lambda d: d.update(calibration={"temperature": 1.0, "gamma": 2}), "gamma"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_description_is_one_sentence(path, name):
    change, words = ALTERED[name]
    described(path, change)
    assert re.search(words, refused(path))


def test_every_altered_tensor_is_noticed(path):
    with np.load(path) as file:
        arrays = dict(file)
    for name, array in arrays.items():
        for place in {0, array.size - 1} if name != "__lenet_fast__" else ():
            wrong = array.copy()
            wrong.ravel().view(np.uint8)[place * array.itemsize] ^= 1
            np.savez(path, **{**arrays, name: wrong})
            assert "wanted the tensors that were saved" in refused(path)
    for changed in (
        {n: a for n, a in arrays.items() if n != "C1.bias"},
        {n.replace("C1.bias", "C1.biases"): a for n, a in arrays.items()},
        {**arrays, "more": np.zeros(3, np.float32)},
        {**arrays, "C1.weight": arrays["C1.weight"].reshape(2, 1, 25)},
        {**arrays, "C1.weight": arrays["C1.weight"].astype(np.float64)},
        {n: a for n, a in arrays.items() if n != "check.images"},
    ):
        np.savez(path, **changed)
        assert "wanted the tensors that were saved" in refused(path)


def test_tensors_of_another_kind_are_refused(path):
    """Though their checksum is right."""
    rewritten(path, lambda arrays: arrays.update({"C1.bias": arrays["C1.bias"].astype(np.float64)}))
    assert "C1.bias: wanted float32, found float64" in refused(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"check.images": np.zeros((4, 1, 9, 9), np.uint8)},
        {"check.images": np.zeros((4, 1, 8, 8), np.int16)},
        {"check.images": np.zeros((3, 1, 8, 8), np.uint8)},
        {"check.scores": np.zeros((4, 2), np.float32)},
        {"check.scores": np.zeros(12, np.float32)},
    ],
)
def test_a_check_that_does_not_fit_the_network_is_refused(path, changed):
    rewritten(path, lambda arrays: arrays.update(changed))
    assert "check images and scores that fit the network" in refused(path)


def off_by(share, image=2):
    """Every score of one check image off by a share of its largest."""

    def change(arrays):
        scores = arrays["check.scores"]
        scores[image] += np.float32(share * np.abs(scores[image]).max())

    return change


@pytest.mark.parametrize("sign", [1, -1])
def test_saved_scores_may_differ_by_what_float32_does_between_machines(path, sign):
    """By 1e-5 of an image's largest score: less is another processor's rounding, more is another network."""
    rewritten(path, off_by(sign * 8e-6))
    lenet_fast.load(path)
    rewritten(path, off_by(sign * 5e-6))  # 1.3e-5 in all
    with pytest.raises(WeightsError, match="wanted the scores that were saved for its check images"):
        lenet_fast.load(path)


@pytest.mark.parametrize("image", range(4))
def test_every_check_image_counts(path, image):
    rewritten(path, off_by(1e-3, image))
    with pytest.raises(WeightsError, match="wanted the scores that were saved for its check images"):
        lenet_fast.load(path)


def test_scores_that_are_no_numbers_are_no_check(path):
    rewritten(path, lambda arrays: arrays.update({"check.scores": np.full((4, 3), np.nan, np.float32)}))
    with pytest.raises(WeightsError, match="wanted the scores that were saved for its check images"):
        lenet_fast.load(path)


# --- a graph that carries the same text ---


def metadata(**changes):
    model = Model(NETWORK, reference.random_weights(NETWORK, np.random.default_rng(0)), classes=("a", "b", "c"))
    text = description.tensors_of(model)[1][description.KEY]
    return {description.KEY: json.dumps({**json.loads(text), **changes})}


def test_a_graph_of_another_writer_may_have_names_of_classes_alone():
    assert restoring.parts_beside_network({description.CLASSES: '{"classes": ["a", "b"]}'}) == {"classes": ["a", "b"]}
    both = {**metadata(), description.CLASSES: '{"classes": ["a", "b"]}'}
    assert restoring.parts_beside_network(both)["classes"] == ["a", "b", "c"]
    for text in ("", "[", '["a"]', "{}", "[" * 100_000):
        with pytest.raises(WeightsError):
            restoring.parts_beside_network({description.CLASSES: text})


def test_a_graph_takes_what_stands_beside_its_network():
    assert restoring.parts_beside_network({}) == restoring.parts_beside_network({"other": "text"}) == {}
    found = restoring.parts_beside_network(metadata(card={"data": 3}, calibration={"temperature": 2.0}))
    assert found["classes"] == ["a", "b", "c"] and found["preprocess"] == Preprocess()
    assert found["card"] == {"data": "3"} and found["calibration"] == lenet_fast.Calibration(temperature=2.0)
    assert "network" not in found


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocess": 3},
        {"preprocess": {"gamma": 2}},
        {"card": []},
        {"calibration": {"gamma": 2}},
        {"calibration": [1]},
    ],
)
def test_damage_beside_a_network_is_one_sentence(changes):
    with pytest.raises(WeightsError, match="wanted a description that lenet_fast wrote, found a damaged one"):
        restoring.parts_beside_network(metadata(**changes))
    for text in ("", "[]", "{", "[" * 100_000):
        with pytest.raises(WeightsError, match="found a damaged one"):
            restoring.parts_beside_network({description.KEY: text})
