"""weights/arrays/hdf5.py: arrays and attributes of one HDF5 file, and never of another one that it links to."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights.arrays import hdf5

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


@pytest.fixture(autouse=True)
def heaps_unchecked(monkeypatch):
    """A virtual dataset's description lies in a heap, and passes for a damaged text: what is tested comes behind that."""
    monkeypatch.setattr(hdf5, "_check_heaps", lambda data: None)


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
