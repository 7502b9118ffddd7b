"""weights/text.py: folders with one file per tensor."""

from __future__ import annotations

import os
import time

import foreign_arrays
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights import sniff
from lenet_fast.weights.arrays import text
from lenet_fast.weights.signatures import is_text
from lenet_fast.weights.source import UNKNOWN


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "lenet"
    folder.mkdir()
    return folder


def refused(folder, found):
    with pytest.raises(WeightsError) as caught:
        sniff.read(folder)
    message = str(caught.value)
    assert message.startswith(str(folder)) and "\n" not in message and found in message


def write(folder, form):
    for name, array in foreign_arrays.lenet().items():
        if form == "npy":
            np.save(folder / f"{name}.npy", array)
        elif form == "plain":  # one number a line
            shape = " ".join(map(str, array.shape))
            (folder / f"{name}.txt").write_text(f"# shape {shape}\n" + "\n".join(map(repr, array.ravel().tolist())))
        elif array.ndim == 4:
            header = f"shape {array.shape}"
            np.savetxt(
                folder / f"{name}.{form}", array.reshape(len(array), -1), delimiter=" ,"[form == "csv"], header=header
            )
        else:
            np.savetxt(folder / f"{name}.{form}", array, delimiter=" ,"[form == "csv"])


@pytest.mark.parametrize("form", ["txt", "csv", "npy", "plain"])
def test_every_form(folder, form):
    write(folder, form)
    (folder / "README.md").write_text("not looked at")
    source = text.read_folder(folder)
    kind = np.float32 if form == "npy" else np.float64
    wanted = {name: foreign_arrays.lenet()[name].astype(kind) for name in sorted(foreign_arrays.lenet())}
    foreign_arrays.same_arrays(source.tensors, wanted)
    assert source.layout == UNKNOWN
    foreign_arrays.computes_like_torch(source, flatten="CHW")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("1 2 3", [1, 2, 3]),
        ("1\n2\n\n3\n", [1, 2, 3]),
        ("1, 2; -3e-1\r\n", [1, 2, -0.3]),
        ("\ufeff1 2\n3 4", [[1, 2], [3, 4]]),
        ("1 2\n3", [1, 2, 3]),
        ("# a remark\n1 2\n# another\n3 4\n", [[1, 2], [3, 4]]),
        ("# shape 2 1 2\n1 2 3 4", [[[1, 2]], [[3, 4]]]),
        ("# shape: (2, 2)\n1\n2\n3\n4", [[1, 2], [3, 4]]),
        ("#Shape 1x2\n.5 +1.", [[0.5, 1]]),
    ],
)
def test_what_a_text_may_be(folder, content, wanted):
    (folder / "a.txt").write_text(content, encoding="utf-8")
    assert text.read_folder(folder).tensors["a"].tolist() == wanted


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "wanted numbers, found none"),
        (b"# shape 2\n", "wanted numbers, found none"),
        (b"1 two", "wanted numbers, found 'two'"),
        (b"1 nan", "wanted numbers, found 'nan'"),
        (b"1_0", "wanted numbers, found '1_0'"),
        (b"1" * 5000, "wanted numbers, found '1111"),
        (b"\xff\xfe1\x00", "found other bytes"),
        (b"# shape 3\n1 2", "wanted 3 numbers for the shape (3,), found 2"),
        (b"# shape 99999999999 99999999999\n1 2", "found 2"),
        (b"# shape " + b"1" * 100_000 + b"\n1 2", "found 2"),
        (b"# shape 1 1 1 1 1 1 1 1 1\n1", "found 1"),
        (b"1 " * (1 << 22), "steps of reading, found 4,194,304"),
        (b" " * ((1 << 27) + 1), "it is a data set"),
    ],
)
def test_what_it_may_not_be(folder, content, found):
    begin = time.process_time()
    (folder / "a.txt").write_bytes(content)
    refused(folder, found)
    assert time.process_time() - begin < 20


def test_files_that_are_no_tensors(folder):
    refused(folder, "pass the folder")
    (folder / "a.npy").write_bytes(b"1 2 3")
    refused(folder, "write it with numpy.save")
    np.save(folder / "a.npy", np.array([{"a": np.ones(2)}], object), allow_pickle=True)
    refused(folder, "wanted one array, found pickled objects")
    (folder / "a.npy").unlink()
    (folder / "a.txt").write_text("1")
    (folder / "a.csv").write_text("1")
    refused(folder, "found two of the name 'a'")


def test_links_and_pipes_are_not_opened(folder, tmp_path):
    (tmp_path / "secret.txt").write_text("1 2 3")
    (folder / "a.txt").symlink_to(tmp_path / "secret.txt")
    refused(folder, "wanted a regular file, found a link")
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")
    refused(folder, "wanted a regular file, found something else")
    (folder / "a.txt").unlink()
    (folder / "a.txt").mkdir()
    refused(folder, "wanted a regular file, found something else")


def test_two_hundred_files_at_most(folder):
    for i in range(201):
        (folder / f"{i}.txt").write_text("1")
    refused(folder, "200 at most, found 201")
    (folder / "0.txt").unlink()
    assert list(text.read_folder(folder).tensors)[:3] == ["1", "2", "3"]


@pytest.mark.parametrize("content", [b"1 2 3\n", b"-0.5,1e-3\n2,3\n", b"# shape 2 2\n1 2 3 4", b"0.1\n" * 1000])
def test_a_text_alone_is_refused(tmp_path, content):
    assert is_text(content)
    foreign_arrays.refused(text.read, tmp_path / "a.txt", content, "pass the folder")


@pytest.mark.parametrize("content", [b"", b"hello", b"# only a remark", b"{}", b"\x89PNG", b"import torch"])
def test_what_is_no_text_of_numbers(content):
    assert not is_text(content)


@pytest.mark.parametrize("form", ["txt", "npy"])
def test_damage(folder, form):
    """One damaged file among the others: a folder has no length to check, so a cut text may be a shorter one."""
    write(folder, form)
    path = folder / f"conv1.bias.{form}"
    for other in folder.glob("fc*"):
        other.unlink()
    data = path.read_bytes()

    random = np.random.default_rng(8)
    damaged = [data[:place] for place in range(len(data))]
    for _ in range(500):
        one = bytearray(data)
        one[random.integers(0, len(data))] ^= 1 << int(random.integers(0, 8))
        damaged.append(bytes(one))
    for bad in damaged:
        path.write_bytes(bad)
        try:
            sniff.read(folder)
        except WeightsError as error:
            assert str(error).startswith(str(folder))
