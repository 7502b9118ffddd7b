"""weights/files.py: one regular file of a model's size, and those beside it; saving replaces a file whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import tracemalloc
import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Budget, Conv5x5, Dense, Model, Network, WeightsError
from lenet_fast.budget import spending
from lenet_fast.weights.files import Archive, File

NETWORK = Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores")


@pytest.fixture
def model():
    return Model(NETWORK, reference.random_weights(NETWORK, np.random.default_rng(0)))


# --- one regular file, of a size that a model may have ---


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
def test_a_device_is_refused_however_much_it_would_give(device):
    with pytest.raises(WeightsError, match="regular file"):
        lenet_fast.load(device)


@pytest.mark.parametrize("size", [Budget().file_bytes + 1, 1 << 36])
def test_a_file_too_large_for_a_model_is_refused_before_it_is_read(tmp_path, size):
    path = tmp_path / "images.bin"
    with path.open("wb") as stream:
        stream.truncate(size)  # sparse: it takes no room
    tracemalloc.start()
    with pytest.raises(WeightsError, match=f"found {size:,}; .*Budget"):
        lenet_fast.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_the_largest_file_is_still_read_whole(tmp_path):
    path = tmp_path / "m.bin"
    with spending(Budget(parameters=50)):  # 800 bytes
        path.write_bytes(bytes(range(200)) * 4)
        assert File.open(path).data == path.read_bytes()
        path.write_bytes(bytes(801))
        with pytest.raises(WeightsError, match="at most 800 bytes, found 801"):
            File.open(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_opening_a_pipe_does_not_wait_for_somebody_to_write(tmp_path):
    """Neither as the file that is named, nor as one that belongs to it."""
    for name in ("m.onnx", "m.index", "w.npy", "m.bin"):
        os.mkfifo(tmp_path / name)
    for refused in (
        lambda: lenet_fast.load(tmp_path / "m.onnx"),
        lambda: lenet_fast.load(tmp_path),  # a checkpoint, by its index
        lambda: File(tmp_path / "m.param", b"").companion("m.bin"),
        lambda: File.in_folder(tmp_path / "w.npy"),
    ):
        with pytest.raises(WeightsError, match="wanted a regular file"):
            refused()


def test_a_file_inside_a_folder_is_none_of_somewhere_else(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    assert File.open(folder / "link").data == b"secret"  # the caller may name a link
    with pytest.raises(WeightsError, match="wanted a regular file, found a link"):
        File.in_folder(folder / "link")
    with pytest.raises(WeightsError, match="wanted a file, found none"):
        File.in_folder(folder / "none")
    with pytest.raises(FileNotFoundError):
        File.open(folder / "none")


# --- archives: what a compressed member only claims to be is not believed ---


def archive(tmp_path, *members):
    """A zip archive of (name, bytes, method)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data, method in members:
            made.writestr(name, data, method)
    return Archive(File(tmp_path / "m.zip", stream.getvalue()))


DEFLATED, STORED = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED


def test_members_share_one_limit(tmp_path):
    """Many small bombs are one large one, and a member that many names lead to is many members."""
    with spending(Budget(parameters=125)):  # 1000 bytes
        made = archive(tmp_path, ("a", bytes(600), DEFLATED), ("b", bytes(400), STORED), ("c", b"x", DEFLATED))
        assert made.read("a") == bytes(600)
        assert made.read("b") == bytes(400)
        with pytest.raises(WeightsError, match="wanted at most 0 more bytes .*found 'c' of 1"):
            made.read("c")


def test_members_may_be_as_large_as_the_file_and_some_megabytes_more(tmp_path):
    made = archive(
        tmp_path, ("packed", bytes(1 << 24), DEFLATED), ("plain", b"w" * 5000, STORED), ("rest", b"x", STORED)
    )
    for name, size in (("plain", 5000), ("packed", 1 << 24), ("rest", 1)):
        assert len(made.read(name)) == size


def test_a_bomb_is_unpacked_no_further_than_the_limit(tmp_path):
    with spending(Budget(parameters=125)):
        made = archive(tmp_path, ("bomb", bytes(1 << 24), DEFLATED))
    tracemalloc.start()
    with pytest.raises(WeightsError, match="16,777,216"):
        made.read("bomb")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_bomb_in_a_file_of_arrays_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", **{"conv1.weight": np.zeros((1 << 24) + (1 << 20), np.uint8)})
    with pytest.raises(WeightsError, match="more bytes out of an archive"):
        lenet_fast.load(tmp_path / "w.npz", network="lenet5-relu-max")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_packed_as_trainers_pack_them(tmp_path, method):
    """Other methods take room or time before they give a byte."""
    made = archive(tmp_path, ("a", b"x" * 100, method))
    with pytest.raises(WeightsError, match="stored or deflated"):
        made.read("a")


def test_thousands_of_members_are_another_network(tmp_path):
    with pytest.raises(WeightsError, match="thousands of members"):
        archive(tmp_path, *((str(n), b"", STORED) for n in range(4097)))


# --- files that a file names ---


@pytest.mark.parametrize(
    "name", ["../secret", "inner/secret", "{}/secret", "..", ".", "", "a\\secret", "sec\0ret", "link"]
)
def test_no_file_elsewhere_is_opened(tmp_path, name):
    folder = tmp_path / "folder"
    for place in (tmp_path, folder, folder / "inner"):
        place.mkdir(exist_ok=True)
        (place / "secret").write_bytes(b"secret")
    (folder / "a\\secret").write_bytes(b"secret")  # a path on other systems
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(WeightsError, match="same folder"):
        File(folder / "m.onnx", b"").companion(name.format(tmp_path))


def test_a_file_that_may_lie_beside_another_is_no_link_and_may_be_absent(tmp_path):
    (folder := tmp_path / "folder").mkdir()
    file = File(folder / "m.index", b"")
    assert file.beside("config.json") is None
    (tmp_path / "elsewhere").write_bytes(b"elsewhere")
    (folder / "config.json").symlink_to(tmp_path / "elsewhere")
    assert file.beside("config.json") is None
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(folder / "nothing")
    assert file.beside("config.json") is None
    (folder / "config.json").unlink()
    (folder / "config.json").write_bytes(b"{}")
    assert file.beside("config.json").data == b"{}"
    for name in ("../elsewhere", "m" * 1000):
        with pytest.raises(WeightsError) if "/" in name else contextlib.nullcontext():
            assert file.beside(name) is None
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(WeightsError, match="regular file"):
        file.beside("config.json")


def test_a_file_in_the_same_folder_is_read(tmp_path):
    (tmp_path / "m.data").write_bytes(b"weights")
    assert File(tmp_path / "m.onnx", b"").companion("m.data").data == b"weights"
    with pytest.raises(WeightsError, match=r"'other\.data'"):
        File(tmp_path / "m.onnx", b"").companion("other.data")


# --- saving ---


@pytest.mark.parametrize("name", ["m.safetensors", "m.npz"])
def test_a_disk_that_fills_up_leaves_the_old_file(model, tmp_path, name):
    path = tmp_path / name
    model.save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(OSError, match="large"):
            model.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_reads_the_old_file_reads_it_to_its_end(model, tmp_path):
    path = tmp_path / "m.safetensors"
    model.save(path)
    before = path.read_bytes()
    other = model.replace(card={"data": "newer"})
    with path.open("rb") as reader:
        begin = reader.read(100)
        other.save(path)
        assert begin + reader.read() == before
    assert lenet_fast.load(path).card == {"data": "newer"}
    assert list(tmp_path.iterdir()) == [path]


def test_saving_follows_links_and_keeps_permissions(model, tmp_path):
    path, link = tmp_path / "m.safetensors", tmp_path / "link.safetensors"
    model.save(path)
    path.chmod(0o600)
    link.symlink_to(path)
    model.replace(card={"data": "newer"}).save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert lenet_fast.load(path).card == {"data": "newer"}


def test_saving_over_what_is_no_file_is_refused(model, tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "null.npz").symlink_to("/dev/null")
    for target in tmp_path.iterdir():
        with pytest.raises(OSError, match="regular file or a new name"):
            model.save(target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.npz", "null.npz", "pipe.npz"]


def test_two_members_of_one_name_are_refused(tmp_path):
    """One reader would take the first of them, another the last."""
    with pytest.warns(UserWarning, match="Duplicate name"), pytest.raises(WeightsError, match="two of the same"):
        archive(tmp_path, ("a", b"1", STORED), ("a", b"2", STORED))


@pytest.mark.parametrize("parameters", [1 << 32, 1 << 70])
def test_a_budget_beyond_all_memory_takes_none(model, tmp_path, parameters):
    """A file is read by its own size, not by the largest that is allowed."""
    model.save(tmp_path / "m.safetensors")
    assert lenet_fast.load(tmp_path / "m.safetensors", budget=Budget(parameters=parameters)).network == NETWORK
