"""weights/text.py: folders with one file per tensor."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import foreign_arrays
import lenet_fast
import numpy as np
import pytest
from lenet_fast import WeightsError
from lenet_fast.weights import sniff
from lenet_fast.weights.arrays import text
from lenet_fast.weights.build import Wishes
from lenet_fast.weights.loading import read_model, verify_file
from lenet_fast.weights.mapping.answers import Answers
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
        (b"0.5 XXXX", "wanted numbers, found 'XXXX'"),
        (b"FF3A XXXX", "wanted numbers, found 'XXXX'"),
        (b"FF3A 12", "wanted numbers, found 'FF3A'"),
        (b"3F800000 BF800000", "wanted numbers, found '3F800000'"),
        (b"0xFF 0x12", "wanted numbers, found '0xFF'"),
        (b"0xFF3A FF3A", "wanted numbers, found '0xFF3A'"),
        (b":10010000214601360121470136007EFE", "wanted numbers, found ':100"),
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
    refused(folder, "found two of the name 'a' (a.csv, a.txt)")


# --- which files ---


def test_any_suffix_and_none_is_a_tensor(folder):
    for name in ("c1.mdl", "c2.dat", "c3", "c4.weight", "c4.bias", "c5.0", "c5.1", "c7.w", "c7.b", "c6.weight.TXT"):
        (folder / name).write_text("0.5\n-1\n")
    names = list(text.read_folder(folder).tensors)
    assert names == ["c1", "c2", "c3", "c4.bias", "c4.weight", "c5.0", "c5.1", "c6.weight", "c7.b", "c7.w"]


BESIDE = {
    "README": "10 epochs, 99 %",
    "Makefile": "a: 1",
    "CMakeLists.txt": "cmake 3",
    "notes.md": "1 2",
    "net.PY": "x = 1",
    "digit.png": "\x89PNG",
    "top.v": "assign a = 1;",
    "config.json": "[1]",
    ".hidden": "1 2",
    "labels.txt": "zero one two",
    "main.c": "int main() { return 0; }",
}


def test_what_lies_beside_tensors_is_left_aside(folder):
    (folder / "a.mdl").write_text("0.5")
    (folder / "images").mkdir()
    for name, content in BESIDE.items():
        (folder / name).write_text(content)
    assert list(text.read_folder(folder).tensors) == ["a"]


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("b.mdl", b"", "wanted numbers, found none"),
        ("b.bin", b"\x00\x00\x80?\xff", "found other bytes"),
        ("b.txt", b"bias: 0.5", "found 'bias:'"),
        ("b.txt", b"FFFE x", "found 'x'"),
        ("b.txt", b"NaN\nNaN\n", "found 'NaN'"),
        ("b.txt", b"-inf", "found '-inf'"),
        ("b.txt", b"XXXX zzzz", "found 'XXXX'"),
        ("b.txt", b"# shape 2\none two", "found 'one'"),
        ("b.raw", bytes(40), "found other bytes"),
        ("b.h", b"const float b[2] = {1, 2};", "found arrays in C; pass this file alone"),
    ],
)
def test_nothing_that_could_be_a_tensor_is_dropped(folder, name, content, found):
    (folder / "a.mdl").write_text("0.5")
    (folder / name).write_bytes(content)
    refused(folder, found)


def test_a_folder_of_too_many_entries_is_not_cut(folder, monkeypatch):
    monkeypatch.setattr(text, "_MOST_ENTRIES", 3)
    (folder / "a.mdl").write_text("0.5")
    for number in range(3):
        (folder / f"{number}.png").touch()
    refused(folder, "found more than 3")


# --- notations ---


def words(folder, **contents):
    for name, content in contents.items():
        (folder / f"{name}.txt").write_text(content)
    return text.read_folder(folder)


def test_hexadecimal_words_are_whole_numbers_that_are_still_to_be_scaled(folder):
    source = words(folder, a="FF3A\n0012\n8000\n", b="# shape 1 2\n7fff // largest\n0001")
    assert {name: array.tolist() for name, array in source.tensors.items()} == {
        "a": [-198, 18, -32768],
        "b": [[32767, 1]],
    }
    assert source.fixed_point == {"a", "b"}


def test_four_digits_are_in_the_notation_of_the_others_or_a_question(folder):
    refusal = "found four digits each, which may be hexadecimal words or decimal numbers"
    for content in ("0012 0034", "1e05 0012", "1234"):
        (folder / "b.txt").write_text(content)
        refused(folder, refusal)
    assert words(folder, a="FF3A", b="0012").tensors["b"].tolist() == [0x12]
    assert words(folder, a="-0.5", b="0012").tensors["b"].tolist() == [12]
    assert words(folder, a="FF3A", b="1e05").tensors["b"].tolist() == [0x1E05]
    refusal = "wanted one notation in a folder, found hexadecimal words, and decimal numbers in 'b'"
    (folder / "b.txt").write_text("0.5")
    refused(folder, refusal)
    (folder / "a.txt").write_text("0000 0000")
    (folder / "b.txt").unlink()
    assert text.read_folder(folder).tensors["a"].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.hex", "0012\n0034"),
        ("a.mem", "// memory\n@0000\n0x0012 // first\n0x34"),
        ("a.coe", "; a memory; 1\nMEMORY_INITIALIZATION_RADIX=16;\nmemory_initialization_vector =\n0012,\n0034;\n"),
    ],
)
def test_what_says_that_words_are_hexadecimal(folder, name, content):
    (folder / name).write_text(content)
    source = text.read_folder(folder)
    assert source.tensors["a"].tolist() == [0x12, 0x34] and source.fixed_point == {"a"}


def test_whole_numbers_alone_are_fixed_point_too(folder):
    """As floats they would be weights, but not those that were trained."""
    assert words(folder, a="-12 300", b="7").fixed_point == {"a", "b"}
    assert words(folder, a="-12 300", b="7.5").fixed_point == set()
    assert words(folder, a="0 0", b="0").fixed_point == set()
    (folder / "b.txt").unlink()
    np.save(folder / "c.npy", np.ones(2, np.float32))
    assert words(folder, a="-1 1").fixed_point == set()


def written_in_words(folder, bits, form):
    for name, array in foreign_arrays.lenet().items():
        whole = np.round(np.ldexp(array, bits)).astype(np.int16)
        numbers = [form(number) for number in whole.ravel().tolist()]
        (folder / f"{name}.txt").write_text(f"# shape {whole.shape}\n" + "\n".join(numbers))


@pytest.mark.parametrize("form", [lambda n: f"{n & 0xFFFF:04X}", lambda n: f"{n & 0xFFFF:#x}", str])
def test_fraction_bits_are_asked_for_and_give_the_numbers(folder, form):
    written_in_words(folder, 12, form)
    options = {"network": "lenet5-relu-max", "flatten": "CHW"}
    with pytest.raises(lenet_fast.errors.OpenQuestionError, match="pass fraction_bits=8") as caught:
        lenet_fast.load(folder, **options)
    assert (caught.value.keyword, caught.value.choices) == ("fraction_bits", tuple(range(16)))
    model = lenet_fast.load(folder, **options, fraction_bits=12)
    for found, array in zip(model.weights.values(), foreign_arrays.lenet().values(), strict=True):
        assert (found.ravel() == np.round(array.ravel() * 4096) / 4096).all()
    assert (lenet_fast.load(folder, **options, fraction_bits=0).weights["C1.weight"] % 1 == 0).all()


def test_the_trainers_outputs_tell_the_fraction_bits(folder):
    written_in_words(folder, 10, lambda n: f"{n & 0xFFFF:04x}")
    known = {"activation": "relu", "pooling": "max", "padding": 0}
    wishes = Wishes("lenet5-relu-max", "unit", known, Answers("CHW"))
    right = replace(wishes, answers=Answers("CHW", fraction_bits=10))
    model, images = read_model(folder, right).model, np.random.default_rng(3).integers(0, 256, (4, 32, 32), np.uint8)
    findings = verify_file(folder, wishes, images, model.scores(images)).findings
    assert [finding.reproduces for finding in findings].count(True) == 1
    assert findings[0].reproduces and int(findings[0].reading["fraction_bits"]) == 10


def test_links_and_pipes_are_not_opened(folder, tmp_path):
    (tmp_path / "secret.txt").write_text("1 2 3")
    (folder / "a.txt").symlink_to(tmp_path / "secret.txt")
    refused(folder, "wanted a regular file, found a link")
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")
    refused(folder, "wanted a regular file, found something else")
    (folder / "a.txt").unlink()
    (folder / "a.txt").mkdir()
    refused(folder, "wanted a folder with a model, found no file of numbers in it")


def test_two_hundred_files_at_most(folder):
    for i in range(201):
        (folder / f"{i}.txt").write_text("1")
    refused(folder, "200 at most, found 201")
    (folder / "0.txt").unlink()
    assert list(text.read_folder(folder).tensors)[:3] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "content",
    [
        b"FF3A\n0012\n",
        b"0xff3a, 0x12\n" * 200,
        b"1 2 3\n",
        b"-0.5,1e-3\n2,3\n",
        b"# shape 2 2\n1 2 3 4",
        b"0.1\n" * 1000,
    ],
)
def test_a_text_alone_is_refused(tmp_path, content):
    assert is_text(content)
    foreign_arrays.refused(text.read, tmp_path / "a.txt", content, "pass the folder")


@pytest.mark.parametrize("content", [b"", b"hello", b"# only a remark", b"{}", b"\x89PNG", b"import torch", b"dead"])
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
