"""weights/arrays/hdf5.py: arrays and attributes of one HDF5 file, and never of another one that it links to."""

from __future__ import annotations

import struct

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError
from lenet_fast.weights.build import Wishes
from lenet_fast.weights.loading import read_model

h5py = pytest.importorskip("h5py", reason="h5py is not installed (pip install '.[readers]')")

SECRET = np.arange(6, dtype=np.float32)


def external_storage(file, folder):
    """Raw bytes of another file."""
    (folder / "secret.bin").write_bytes(SECRET.tobytes())
    file.create_dataset("w", (6,), "f4", external=[(str(folder / "secret.bin"), 0, 24)])


def virtual(file, folder):
    """A view of a dataset in another file; HDF5 may crash on one that it gets as bytes."""
    layout = h5py.VirtualLayout((6,), "f4")
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "w", (6,))
    file.create_virtual_dataset("w", layout)


def external_link(file, folder):
    file["w"] = h5py.ExternalLink(folder / "secret.h5", "w")


def soft_link(file, folder):
    """A path, which may lead through other links."""
    file["w"] = h5py.SoftLink("/plain")


ELSEWHERE = {f.__name__: f for f in (external_storage, virtual, external_link, soft_link)}


def write(tmp_path, what, group=""):
    """A file whose "w" is said to be elsewhere, and readable there."""
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["w"] = SECRET
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["plain"] = SECRET
        what(file.create_group(group) if group else file, tmp_path)
        assert what is virtual or (file[f"{group}/w"][()] == SECRET).all()  # virtual ones are seen once it is closed
    return tmp_path / "m.h5"


@pytest.mark.parametrize("what", ELSEWHERE)
def test_nothing_elsewhere_is_read_as_an_array(tmp_path, what):
    path = write(tmp_path, ELSEWHERE[what])
    with pytest.raises(WeightsError, match=r"w: .*no file elsewhere is ever opened"):
        lenet_fast.load(path, network="lenet5-relu-max")


@pytest.mark.parametrize("what", ELSEWHERE)
def test_nothing_elsewhere_is_read_as_a_layer(tmp_path, what):
    """Where Keras's attributes name the arrays."""
    path = write(tmp_path, ELSEWHERE[what], "conv")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["conv"]
        file["conv"].attrs["weight_names"] = ["w"]
    with pytest.raises(WeightsError, match=r"w: .*no file elsewhere is ever opened"):
        lenet_fast.load(path, network="lenet5-relu-max")


def test_a_group_that_is_elsewhere_is_not_entered(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["layer/w"] = SECRET
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["layer"] = h5py.ExternalLink(tmp_path / "secret.h5", "layer")
    with pytest.raises(WeightsError, match=r"layer: .*no file elsewhere is ever opened"):
        lenet_fast.load(tmp_path / "m.h5", network="lenet5-relu-max")


# --- arrays and attributes ---

NETWORK = Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores")


def weights():
    return reference.random_weights(NETWORK, np.random.default_rng(18))


def refused(path):
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path, network=NETWORK)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"chunks": True, "shuffle": True}])
def test_arrays_of_any_group_and_storage(tmp_path, options):
    """A path is a name; texts and empty arrays beside them are none of the weights."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name, array in weights().items():
            file.create_dataset(f"net/{name.replace('.', '/')}", data=array, **options)
        file["note"] = "texts"
        file["nothing"] = np.zeros((0, 4))
        file.create_group("more")
    found = lenet_fast.load(tmp_path / "m.h5", network=NETWORK, flatten="CHW").weights
    assert all((found[name] == array).all() for name, array in weights().items())


@pytest.mark.parametrize("kind", [">f4", "f8", "f2", "i1", "u1", ">i8"])
def test_numbers_of_every_kind(tmp_path, kind):
    given = {n: np.round(a * 20).astype(kind) for n, a in weights().items()}
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name, array in given.items():
            file[name] = array
    found = lenet_fast.load(tmp_path / "m.h5", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in given.items())


def test_long_lists_of_names_lie_in_pieces(tmp_path):
    """Attributes are 64 KiB at most, so Keras cuts them: layer_names0, layer_names1, ..."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        layers = ("conv", "full")
        file.attrs["layer_names0"], file.attrs["layer_names1"] = np.array([b"conv"]), np.array([b"full"])
        for layer, names in zip(layers, (["C1.weight", "C1.bias"], ["F2.weight", "F2.bias"]), strict=True):
            group = file.create_group(layer)
            for i, (name, role) in enumerate(zip(names, ("kernel", "bias"), strict=True)):
                array = weights()[name]
                if name == "F2.weight":
                    array = array.reshape(3, 2, 4, 4).transpose(0, 2, 3, 1).reshape(3, 32)
                group[f"{layer}/{role}:0"] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
                group.attrs[f"weight_names{i}"] = np.array([f"{layer}/{role}:0".encode()])
    assert read_model(tmp_path / "m.h5", Wishes(network=NETWORK)).format == "Keras weights"
    found = lenet_fast.load(tmp_path / "m.h5", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in weights().items())


def test_arrays_beyond_a_models_size_are_refused_unread(tmp_path):
    """A chunked array that was never written takes no room in the file."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("w", (1 << 23, 1 << 10), "f4", chunks=(1, 1 << 10))
    assert "w: wanted an array that the file's size bears out, found shape (8388608, 1024)" in refused(
        tmp_path / "m.h5"
    )
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for name in "abcde":
            file.create_dataset(name, (1 << 21,), "f4", chunks=(1 << 10,))  # 8 MiB each, of which 16 MiB go
    assert "c: wanted an array" in refused(tmp_path / "m.h5")


def test_more_axes_than_a_model_has_are_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["w"] = np.zeros((1,) * 9)
    assert "w: wanted an array that the file's size bears out" in refused(tmp_path / "m.h5")


def test_thousands_of_groups_are_another_network(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for i in range(2001):
            file.create_group(str(i))
    assert "the few arrays of a LeNet" in refused(tmp_path / "m.h5")


def test_groups_in_groups_end_somewhere(tmp_path):
    """Also where a group holds itself."""
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["/".join("a" * 14)] = np.zeros(3)
    assert "the few arrays of a LeNet" in refused(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["a/a"] = file.create_group("b")
        file["b/again"] = file["a"]
    assert "the few arrays of a LeNet" in refused(tmp_path / "m.h5")


@pytest.mark.parametrize("value", [np.zeros(2001, "S4"), np.zeros(3, [("a", "f4")])])
def test_attributes_are_few_texts_or_numbers(tmp_path, value):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = value
    assert "layer_names: wanted the names of a LeNet's layers" in refused(tmp_path / "m.h5")


def test_damage_is_refused(tmp_path):
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["w"] = np.arange(6.0)
    data = path.read_bytes()
    for damaged in (data[:100], data[:8] + bytes(len(data) - 8)):
        path.write_bytes(damaged)
        assert "found a damaged one" in refused(path)


def texts(path):
    """A file with a text of variable length, and where its heap and the reference to it lie."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{" + " " * 100 + "}"
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    return bytearray(data), heap, data.index(struct.pack("<IQ", 102, heap)) + 4


def test_a_text_is_no_longer_than_its_heap_says(tmp_path):
    """HDF5 makes room for what is claimed before it looks."""
    path = tmp_path / "m.h5"
    data, _, reference_ = texts(path)
    data[reference_ - 4 : reference_] = struct.pack("<I", 1 << 30)
    path.write_bytes(data)
    assert "its texts contradict their sizes" in refused(path)


@pytest.mark.parametrize("size", [0, 8, 1 << 20, 1 << 62])
def test_a_heap_is_as_large_as_it_says(tmp_path, size):
    """HDF5 would look for its end, or never find it."""
    path = tmp_path / "m.h5"
    data, heap, _ = texts(path)
    data[heap + 8 : heap + 16] = struct.pack("<Q", size)
    path.write_bytes(data)
    assert "its texts contradict their sizes" in refused(path)
