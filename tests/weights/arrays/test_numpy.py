"""weights/arrays/numpy.py: .npz and .npy files of every version, and pickled dictionaries in them, none of it executed."""

from __future__ import annotations

import io
import os
import pickle
import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, WeightsError

NETWORK = Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores")


def weights():
    return reference.random_weights(NETWORK, np.random.default_rng(17))


def same(path, **options):
    found = lenet_fast.load(path, network=NETWORK, **options).weights
    assert all((found[name] == array).all() for name, array in weights().items())


def refused(path, **options):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path, network=NETWORK, **options)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


def npy(array, version=(1, 0)):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), version)
    return stream.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path, save):
    save(tmp_path / "w.npz", **weights())
    same(tmp_path / "w.npz")


def test_arrays_that_numpy_numbers(tmp_path):
    """Of np.savez(path, *arrays): arr_0, arr_1, ..."""
    np.savez(tmp_path / "w.npz", *weights().values())
    same(tmp_path / "w.npz", flatten="CHW")


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">f8"])
def test_either_order_of_bytes_and_axes(tmp_path, kind):
    turned = {
        n: (np.ascontiguousarray if i % 4 else np.asfortranarray)(a.astype(kind))
        for i, (n, a) in enumerate(weights().items())
    }
    np.savez(tmp_path / "w.npz", **turned)
    same(tmp_path / "w.npz")


def test_both_versions_of_the_header(tmp_path):

    for version in ((1, 0), (2, 0)):
        with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
            for name, array in weights().items():
                archive.writestr(f"{name}.npy", npy(array, version))
        same(tmp_path / "w.npz")
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        archive.writestr("more.npy", npy(np.zeros(1, [("é", "f4")]), (3, 0)))
    assert "version (3, 0)" in refused(tmp_path / "w.npz")


class Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


CONTENTS = {
    "a dictionary": lambda found: found,
    "a dictionary in a dictionary": lambda found: {"epoch": 3, "params": found},
    "a list": lambda found: list(found.values()),
    "lists of numbers": lambda found: {n: a.astype(np.float64).tolist() for n, a in found.items()},
}


@pytest.mark.parametrize("save", [np.save, np.savez])
@pytest.mark.parametrize("name", CONTENTS)
def test_pickled_contents_become_their_arrays(tmp_path, name, save):
    content = CONTENTS[name]({n.replace(".", "_"): a for n, a in weights().items()})
    wrapped = np.empty((), object)
    wrapped[()] = content
    with (tmp_path / "w.bin").open("wb") as stream:
        save(stream, wrapped)
    same(tmp_path / "w.bin", flatten="CHW")


@pytest.mark.parametrize("save", [np.save, np.savez])
def test_nothing_in_them_is_executed(tmp_path, save):
    content = np.array({"c1": Canary(tmp_path / "sung"), **weights()}, dtype=object)
    with (tmp_path / "w.bin").open("wb") as stream:
        save(stream, content)
    same(tmp_path / "w.bin", flatten="CHW")
    assert not (tmp_path / "sung").exists()
    pickle.loads(pickle.dumps(Canary(tmp_path / "sung")))
    assert (tmp_path / "sung").exists(), "the canary would have sung"


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((100, 28, 28), np.uint8), "images or labels of shape (100, 28, 28)"),
        (np.zeros(10, np.int64), "images or labels of shape (10,)"),
        (np.zeros((6, 1, 5, 5), np.float32), "one array of shape (6, 1, 5, 5)"),
    ],
)
def test_one_array_is_no_model(tmp_path, array, words):
    np.save(tmp_path / "x.npy", array)
    assert words in refused(tmp_path / "x.npy") and "np.savez" in refused(tmp_path / "x.npy")


@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: d[:40], lambda d: d[:6] + b"\x09" + d[7:]]
)
def test_damaged_arrays_are_refused(tmp_path, change):
    (tmp_path / "x.npy").write_bytes(change(npy(np.zeros((6, 1, 5, 5), np.float32))))
    assert "whole .npy array, found a damaged one" in refused(tmp_path / "x.npy")


def test_damage_names_its_member(tmp_path):

    np.savez(tmp_path / "w.npz", **weights())
    with zipfile.ZipFile(tmp_path / "w.npz", "a") as archive:
        archive.writestr("more.npy", npy(np.zeros(9))[:-1])
    assert "w.npz: more: wanted a whole .npy array" in refused(tmp_path / "w.npz")


@pytest.mark.parametrize("shape", [(1 << 60,), (1 << 40, 1 << 40), (-1,), (10**30,)])
def test_a_shape_is_not_believed(tmp_path, shape):
    """Before its bytes are there."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header + bytes(64))
    assert "a damaged one" in refused(tmp_path / "x.npy")


def test_what_we_write_is_an_archive_of_arrays_and_one_text(tmp_path):
    model = Model(NETWORK, weights(), preprocess=Preprocess.named("mnist"), classes=["é", "b", "c"])
    model.save(tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz", allow_pickle=False) as found:
        assert found["__lenet_fast__"].dtype.kind == "U"
        assert all((found[name] == array).all() for name, array in weights().items())
    again = lenet_fast.load(tmp_path / "m.npz")
    assert again.preprocess == model.preprocess and again.classes_.tolist() == ["é", "b", "c"]
