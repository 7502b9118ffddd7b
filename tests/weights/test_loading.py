"""weights/: saving, loading, and every way in which a file can be something else."""

from __future__ import annotations

import pickle
import sys

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2, WeightsError
from lenet_fast.networks import TEMPLATES


@pytest.fixture
def model():
    network = Network((3, 8, 8), (Conv5x5(2, "tanh", 1), Subsample2x2(), Dense(3)), "softmax")
    weights = reference.random_weights(network, np.random.default_rng(0))
    preprocess = Preprocess(scale=(1.5, 2, 0.1), shift=0.25, background=0.5)
    return Model(
        network, weights, preprocess=preprocess, classes=("cat", "dog", "ant"), card={"data": "none, « invented »"}
    )


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    return path


def refused(path, data):
    path.write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_round_trip_keeps_every_bit(model, path):
    again = lenet_fast.load(path)
    images = np.random.default_rng(1).integers(0, 256, (9, 3, 8, 8), np.uint8)
    assert again.scores(images).tobytes() == model.scores(images).tobytes()
    assert (again.network, again.preprocess, again.card) == (model.network, model.preprocess, model.card)
    assert again.classes_.tolist() == ["cat", "dog", "ant"]


@pytest.mark.parametrize("ending", [".safetensors", ".npz", ".onnx", ".pkl"])
def test_the_bytes_of_a_file_are_gone_before_the_plan_takes_its_memory(model, tmp_path, monkeypatch, ending):
    from lenet_fast.weights import loading
    from lenet_fast.weights.files import File

    path, wishes = tmp_path / f"model{ending}", {}
    if ending == ".pkl":
        path.write_bytes(pickle.dumps(dict(model.weights)))
        wishes["network"] = model.network
    else:
        if ending == ".onnx":
            pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
        model.save(path)
    opened, held = [], []
    reading, making = File._read, loading.imported

    def kept(_, *given):
        opened.append(reading(*given).data)
        return File(given[0], opened[0])

    def counted(parts, name):
        held.append(sys.getrefcount(opened[0]) - 2)  # beside the list's own reference, and this call's
        return making(parts, name)

    monkeypatch.setattr(File, "_read", classmethod(kept))
    monkeypatch.setattr(loading, "imported", counted)
    assert lenet_fast.load(path, **wishes).network == model.network
    assert held == [0]


def test_the_name_of_the_file_does_not_matter(model, tmp_path):
    model.save(tmp_path / "weights.safetensors")
    (tmp_path / "weights.safetensors").rename(tmp_path / "weights.png")
    assert lenet_fast.load(str(tmp_path / "weights.png")).network == model.network


def test_weights_alone_leak_as_the_user_says(tmp_path):
    leaky = TEMPLATES["lenet5-relu-max"].varied(activation="leaky_relu", slope=0.1, side=28).network()
    weights = reference.random_weights(leaky, np.random.default_rng(2))
    np.savez(tmp_path / "weights.npz", **weights)
    said = {"network": "lenet5-relu-max", "activation": "leaky_relu", "slope": 0.1}
    assert lenet_fast.load(tmp_path / "weights.npz", **said, preprocess="unit").network == leaky
    assert lenet_fast.from_state_dict(weights, **said).network == leaky


def test_other_readers_understand_our_files(model, path):
    safetensors = pytest.importorskip(
        "safetensors.numpy", reason="safetensors is not installed (pip install '.[frameworks]')"
    )
    tensors = safetensors.load_file(path)
    assert all((tensors[name] == values).all() for name, values in model.weights.items())


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        lenet_fast.load(tmp_path / "none.safetensors")
    with pytest.raises(lenet_fast.WeightsError, match="wanted"):
        lenet_fast.load(tmp_path)


def test_every_truncation_is_refused(path):
    data = path.read_bytes()
    for length in [*range(0, 1200), *range(1200, len(data), 97)]:
        refused(path, data[:length])
    refused(path, data + b"\0")


def test_every_flipped_bit_gives_a_model_or_a_weights_error(path):
    data = path.read_bytes()
    for place in range(min(len(data), 4096)):
        for bit in range(0, 8, 3) if place > 200 else range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                lenet_fast.load(path)
            except WeightsError:
                continue


@pytest.mark.parametrize("check", ["same", 2.0, [2], True, (1, 2, 3), np.zeros((2, 10)), {}])
def test_what_is_checked_is_a_pair(model, tmp_path, check):
    model.save(tmp_path / "m.npz")
    with pytest.raises(TypeError, match=r"check: wanted a pair \(images, outputs\), found"):
        lenet_fast.load(tmp_path / "m.npz", check=check)


def test_an_empty_name_is_not_the_folder_that_one_is_in():
    with pytest.raises(ValueError, match="path: wanted a file name, found an empty text"):
        lenet_fast.load("")
