"""weights/saving.py: the ending says which form, and a file is replaced whole or not at all."""

from __future__ import annotations

import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network
from lenet_fast.errors import ArgumentError
from lenet_fast.weights import sniff
from lenet_fast.weights.saving import save

NETWORK = Network((1, 8, 8), (Conv5x5(2, "tanh"), Dense(3)), "scores")


@pytest.fixture
def model():
    return Model(NETWORK, reference.random_weights(NETWORK, np.random.default_rng(0)))


ENDINGS = {
    "m.npz": "zip", "m.safetensors": "safetensors", "m.onnx": "ONNX", "m.npz.onnx": "ONNX", "m.onnx.npz": "zip",
    "m.pth.safetensors": "safetensors",
}  # fmt: skip


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("name", ENDINGS)
def test_the_ending_says_which_form(model, tmp_path, name, as_text):
    if ENDINGS[name] == "ONNX":
        pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[readers]')")
    path = tmp_path / name
    save(model, str(path) if as_text else path)
    assert [child.name for child in tmp_path.iterdir()] == [name]
    assert sniff.format_of(path.read_bytes()).name == ENDINGS[name]
    x = np.random.default_rng(1).random((3, 1, 8, 8), np.float32)
    np.testing.assert_allclose(lenet_fast.load(path).scores(x), model.scores(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "found", "example"),
    [
        ("m", "no ending", "m.safetensors"), ("m.pth", "'.pth'", "m.safetensors"), ("m.h5", "'.h5'", "m.safetensors"),
        ("m.NPZ", "'.NPZ'", "m.safetensors"), ("m.onnx.gz", "'.gz'", "m.onnx.safetensors"),
    ],
)  # fmt: skip
def test_another_ending_would_say_what_the_file_is_not(model, tmp_path, name, found, example):
    """A .pth of safetensors is one that PyTorch does not read."""
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(ArgumentError) as caught:
            model.save(path)
        assert caught.value.wanted == "a name that ends in .safetensors, .npz or .onnx"
        assert caught.value.found.startswith(f"{found} in ")
        assert caught.value.way_out == f"for example '{example}'"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", [3, None, b"m.npz"])
def test_what_is_no_name_is_refused(model, path):
    with pytest.raises(TypeError, match="path: wanted a file name, found"):
        model.save(path)


@pytest.mark.parametrize("name", ["m.npz", "m.safetensors", "m.onnx"])
def test_a_file_is_whole_before_it_takes_the_others_place(model, tmp_path, monkeypatch, name):
    """Whatever goes wrong on the way leaves the old file, and nothing beside it."""
    if name == "m.onnx":
        pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[readers]')")
    path = tmp_path / name
    path.write_bytes(b"old")

    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(model, path)
    assert path.read_bytes() == b"old" and [child.name for child in tmp_path.iterdir()] == [name]
    save(model, path)
    assert lenet_fast.load(path).network == NETWORK


def test_an_npz_is_one_for_numpy_too(model, tmp_path):
    save(model, tmp_path / "m.npz")
    assert zipfile.is_zipfile(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as arrays:
        for name, array in model.weights.items():
            np.testing.assert_array_equal(arrays[name], array)
