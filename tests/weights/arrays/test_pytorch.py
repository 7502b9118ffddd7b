"""weights/arrays/pytorch.py: tensors out of PyTorch's files without PyTorch, and never from beyond their storage."""

from __future__ import annotations

import pickle
import warnings
import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, Subsample2x2, WeightsError
from lenet_fast.weights import sniff

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


def in_zip(path, network, prefix, **beside):
    """An archive of a network's tensors under PyTorch's names, and what else its dictionary has."""
    tensors, storages = {}, {}
    for i, (name, array) in enumerate(reference.random_weights(network, np.random.default_rng(3)).items()):
        strides = tuple(int(s) // 4 for s in array.strides)
        tensors[f"layer{i // 2}.{name.rpartition('.')[2]}"] = tensor(0, array.shape, strides, key=str(i))
        storages[f"_{i}"] = array
    save(path, {prefix: tensors, **beside}, **storages)
    return path


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


# --- storages of every kind ---

KINDS = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4",
    "ShortStorage": "i2", "CharStorage": "i1",
}  # fmt: skip


def rounded(kind):
    return {name: np.round(array * 20).astype(kind) for name, array in weights().items()}


@pytest.mark.parametrize("order", ["little", "big", None])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_and_order(tmp_path, kind, order):
    given = rounded(KINDS[kind])
    tensors, storages = {}, {}
    for i, (name, array) in enumerate(given.items()):
        strides = tuple(int(s) // array.itemsize for s in array.strides)
        tensors[name] = tensor(0, array.shape, strides, kind, str(i))
        storages[f"_{i}"] = array.astype(array.dtype.newbyteorder(">" if order == "big" else "<"))
    save(tmp_path / "m.pt", tensors, **storages)
    if order:
        with zipfile.ZipFile(tmp_path / "m.pt", "a") as archive:
            archive.writestr("m/byteorder", order)
    found = lenet_fast.load(tmp_path / "m.pt", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in given.items())


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    tensors, storages = {}, {}
    for i, (name, array) in enumerate(weights().items()):
        strides = tuple(int(s) // 4 for s in array.strides)
        tensors[name] = tensor(0, array.shape, strides, "BFloat16Storage", str(i))
        storages[f"_{i}"] = (array.view(np.uint32) >> 16).astype("<u2")
    save(tmp_path / "m.pt", tensors, **storages)
    found = lenet_fast.load(tmp_path / "m.pt", network=NETWORK).weights
    for name, array in weights().items():
        np.testing.assert_array_equal(found[name], (array.view(np.uint32) & 0xFFFF0000).view(np.float32))


def test_a_storage_of_another_kind_is_refused(tmp_path):
    save(tmp_path / "m.pt", {"w": tensor(0, (2,), (1,), "QInt8Storage")}, _0=np.zeros(16, np.float32))
    with pytest.raises(WeightsError, match="QInt8Storage"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)


def test_strides_turn_axes(tmp_path):
    """A transposed tensor is saved as it lies."""
    given = weights()
    tensors, storages = {}, {}
    for i, (name, array) in enumerate(given.items()):
        lies = np.ascontiguousarray(array.T)
        tensors[name] = tensor(0, array.shape, tuple(int(s) // 4 for s in lies.T.strides), key=str(i))
        storages[f"_{i}"] = lies
    save(tmp_path / "m.pt", tensors, **storages)
    found = lenet_fast.load(tmp_path / "m.pt", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in given.items())


def test_a_missing_storage_is_refused(tmp_path):
    save(tmp_path / "m.pt", {"w": tensor(0, (2,), (1,), key="7")}, _0=np.zeros(16, np.float32))
    with pytest.raises(WeightsError, match="data/7"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)


def test_a_file_without_tensors_has_none(tmp_path):
    save(tmp_path / "m.pt", {"epoch": 3})
    with pytest.raises(WeightsError, match="no arrays in this PyTorch file"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)


# --- the layout before 1.6: five pickles, then the storages ---


def legacy(tensors, storages, counts=()):
    """Each storage is the number of its values and the values."""
    head = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    data = head + b"\x80\x02" + coded(tensors) + b"." + pickle.dumps(list(storages), 2)
    for i, array in enumerate(storages.values()):
        count = counts[i] if i < len(counts) else array.size
        data += int(count).to_bytes(8, "little", signed=True) + array.tobytes()
    return data


def legacy_tensors(kind="FloatStorage"):
    given = rounded(KINDS[kind])
    found = {}
    for i, (name, array) in enumerate(given.items()):
        found[name] = tensor(0, array.shape, tuple(int(s) // array.itemsize for s in array.strides), kind, str(i))
    return given, found, {str(i): array for i, array in enumerate(given.values())}


@pytest.mark.parametrize("kind", KINDS)
def test_older_files(tmp_path, kind):
    """The places of their storages depend on how large each value is."""
    given, tensors, storages = legacy_tensors(kind)
    (tmp_path / "m.pth").write_bytes(legacy(tensors, storages))
    found = lenet_fast.load(tmp_path / "m.pth", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in given.items())


@pytest.mark.parametrize("counts", [(-1,), (1 << 40,), (26,), (0,), (25, 1, 8, 3)])
def test_a_storage_lies_inside_an_older_file(tmp_path, counts):
    _, tensors, storages = legacy_tensors()
    (tmp_path / "m.pth").write_bytes(legacy(tensors, storages, counts))
    with pytest.raises(WeightsError, match="damaged or foreign|storage"):
        lenet_fast.load(tmp_path / "m.pth", network=NETWORK)


# --- what PyTorch itself writes ---


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch is not installed (pip install '.[frameworks]')")


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorchs_own_files(torch, tmp_path, zipped):
    """Views of one storage, a transposed parameter, in a dictionary with other things."""
    given = weights()
    all_ = torch.from_numpy(np.concatenate([a.ravel() for a in given.values()]))
    state, at = {}, 0
    for name, array in given.items():
        view = all_[at : at + array.size].reshape(array.shape)
        state[name] = torch.nn.Parameter(view.T.contiguous().T) if view.ndim == 2 else view
        at += array.size
    content = {"epoch": 3, "state_dict": {f"module.{n}": t for n, t in state.items()}, "args": ["--fast"], "acc": 0.99}
    torch.save(content, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    found = lenet_fast.load(tmp_path / "m.pt", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in given.items())


@pytest.mark.filterwarnings("ignore")
def test_quantised_tensors_are_refused(torch, tmp_path):
    torch.save({"w": torch.quantize_per_tensor(torch.zeros(6, 1, 5, 5), 0.1, 0, torch.qint8)}, tmp_path / "m.pt")
    with pytest.raises(WeightsError, match=r"_rebuild_qtensor \(quantised or sparse\); save the float model"):
        lenet_fast.load(tmp_path / "m.pt", network=NETWORK)


def test_a_file_cut_short_is_refused(torch, tmp_path):
    path = tmp_path / "m.pt"
    for zipped in (True, False):
        torch.save({n: torch.from_numpy(a) for n, a in weights().items()}, path, _use_new_zipfile_serialization=zipped)
        data = path.read_bytes()
        for length in (len(data) // 2, len(data) - 1):
            path.write_bytes(data[:length])
            with pytest.raises(WeightsError, match="damaged"):
                lenet_fast.load(path, network=NETWORK)


# --- tensors that are not what their storage holds ---


def tensors_of(path):
    return sniff.read(path).tensors


@pytest.mark.parametrize(
    "kind", ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "bool", "float16", "bfloat16"]
)
def test_a_type_that_stands_beside_an_untyped_storage_is_the_tensors(tmp_path, torch, kind):
    tensor = torch.arange(1, 7).reshape(2, 3).to(getattr(torch, kind))
    torch.save({"w": tensor}, tmp_path / "m.pth")
    found = tensors_of(tmp_path / "m.pth")["w"]
    np.testing.assert_array_equal(found.astype(np.float64), tensor.to(torch.float64).numpy())


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2"])
def test_a_type_that_numpy_does_not_have_is_refused_by_name(tmp_path, torch, kind):
    torch.save({"w": torch.ones(3).to(getattr(torch, kind))}, tmp_path / "m.pth")
    with pytest.raises(WeightsError, match=f"found one of torch.{kind}; save the model in float32"):
        tensors_of(tmp_path / "m.pth")


@pytest.mark.parametrize("old", [False, True])
def test_a_tensor_that_is_negated_when_it_is_read_is_refused(tmp_path, torch, old):
    for view in (torch._neg_view(torch.ones(3)), torch.ones(3, dtype=torch.complex64).conj().imag):
        torch.save({"w": view}, tmp_path / "m.pth", _use_new_zipfile_serialization=not old)
        with pytest.raises(WeightsError, match="negated or conjugated"):
            tensors_of(tmp_path / "m.pth")


@pytest.mark.parametrize("second", ["archive/data/0", "other/data.pkl", "archive/byteorder"])
def test_an_archive_that_reads_in_two_ways_is_refused(tmp_path, torch, second):
    """The one reader takes the first of two members of a name, the other the last."""
    torch.save({"w": torch.ones(3)}, tmp_path / "archive.pth")
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "archive.pth", "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(second, bytes(12))
    with pytest.raises(WeightsError, match="two of the same|one pickle of PyTorch's"):
        tensors_of(tmp_path / "archive.pth")


@pytest.mark.parametrize("order", [b"little\n", b"", b"middle"])
def test_an_order_of_bytes_that_there_is_not_is_refused(tmp_path, torch, order):
    torch.save({"w": torch.ones(3)}, tmp_path / "m.pth")
    with zipfile.ZipFile(tmp_path / "m.pth") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "m.pth", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, order if name.endswith("byteorder") else data)
    with pytest.raises(WeightsError, match="an order of bytes, little or big"):
        tensors_of(tmp_path / "m.pth")
