"""weights/arrays/pytorch.py: tensors out of PyTorch's files without PyTorch, and never from beyond their storage."""

from __future__ import annotations

import pickle
import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError

NETWORK = Network((1, 8, 8), (Conv5x5(1), Subsample2x2("max"), Dense(2)), "scores")


def coded(value):
    """A value as a pickle has it; bytes are operations already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, tuple):
        return b"(" + b"".join(map(coded, value)) + b"t"
    if isinstance(value, dict):
        return b"}(" + b"".join(coded(v) for item in value.items() for v in item) + b"u"
    return pickle.dumps(value, 2)[2:-1]


def tensor(offset, size, stride, kind="FloatStorage", key="0"):
    """The call that torch.save writes for a tensor in a storage."""
    storage = coded(("storage", b"ctorch\n" + kind.encode() + b"\n", key, "cpu", 0)) + b"Q"
    arguments = (storage, offset, size, stride, False, {})
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + coded(arguments) + b"R"


def save(path, tensors, **storages):
    """An archive of a state dict, as torch.save lays it out."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02" + coded(tensors) + b".")
        for key, values in storages.items():
            archive.writestr(f"m/data/{key.strip('_')}", values.tobytes())


def weights():
    return reference.random_weights(NETWORK, np.random.default_rng(3))


def in_one_storage(beyond=0):
    """All tensors one after the other in one storage, which is `beyond` values too short."""
    tensors, at = {}, 0
    for name, array in weights().items():
        strides = tuple(int(s) // 4 for s in array.strides)
        tensors[name] = tensor(at, array.shape, strides)
        at += array.size
    values = np.concatenate([array.ravel() for array in weights().values()])
    return tensors, values[: len(values) - beyond]


def test_a_tensor_may_end_where_its_storage_ends(tmp_path):
    tensors, values = in_one_storage()
    save(tmp_path / "m.pt", tensors, _0=values)
    found = lenet_fast.load(tmp_path / "m.pt", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in weights().items())


@pytest.mark.parametrize("beyond", [1, 2, 20])
def test_a_tensor_beyond_its_storage_is_refused(tmp_path, beyond):
    """Even by one value: what lies behind it is the process's memory."""
    tensors, values = in_one_storage(beyond)
    save(tmp_path / "m.pt", tensors, _0=values)
    with pytest.raises(WeightsError, match="storage"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)


@pytest.mark.parametrize(
    ("offset", "size", "stride"),
    [
        (0, (5,), (4,)),  # its last value is the seventeenth
        (16, (1,), (1,)),
        (13, (2, 2), (2, 1)),
        (0, (2, 2), (15, 2)),
        (1 << 62, (1,), (1,)),
        (0, (2,), (1 << 62,)),
        (-1, (2,), (1,)),
        (15, (2,), (-1,)),
        (0, (2,), (1, 1)),
    ],
)
def test_strides_and_offsets_stay_inside(tmp_path, offset, size, stride):
    save(tmp_path / "m.pt", {"w": tensor(offset, size, stride)}, _0=np.zeros(16, np.float32))
    with pytest.raises(WeightsError, match="tensor of size"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)


def test_one_value_is_not_repeated_into_gigabytes(tmp_path):
    """A stride of 0 claims as many values as it likes out of a storage of few."""
    save(tmp_path / "m.pt", {"w": tensor(0, (1 << 10, 1 << 10), (0, 0))}, _0=np.zeros(16, np.float32))
    with pytest.raises(WeightsError, match="storage of 16 values"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)
