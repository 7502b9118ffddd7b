"""weights/: saving, loading, and every way in which a file can be something else."""

from __future__ import annotations

import json
import os
import re
import struct
import zipfile

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, Preprocess, Subsample2x2, WeightsError


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


def altered(path, change):
    """The file with its header, a dict, changed, as bytes."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = change(json.loads(data[8 : 8 + length]))
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def described(change):
    """A change of the description in the metadata."""

    def outer(header):
        description = json.loads(header["__metadata__"]["lenet_fast"])
        change(description)
        header["__metadata__"]["lenet_fast"] = json.dumps(description)
        return header

    return outer


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


def test_the_name_of_the_file_does_not_matter(model, tmp_path):
    model.save(tmp_path / "weights.png")
    assert lenet_fast.load(str(tmp_path / "weights.png")).network == model.network


def test_saving_replaces_whole_or_not_at_all(model, path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr(np, "ascontiguousarray", lambda array: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_other_readers_understand_our_files(model, path):
    safetensors = pytest.importorskip(
        "safetensors.numpy", reason="safetensors is not installed (pip install '.[frameworks]')"
    )
    tensors = safetensors.load_file(path)
    assert all((tensors[name] == values).all() for name, values in model.weights.items())


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "an empty file; the download or the saving was cut off"),
        (b"hello", "none of the formats that are read here"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "a picture"),
        (b"<!DOCTYPE html><html>", "a web page; download the file itself ('raw'), not the page about it"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "a Git LFS pointer; fetch the file itself with 'git lfs pull'",
        ),
        (b"\x1f\x8b\x08" + bytes(64), "a compressed file; unpack it first"),
        (b"\0\0\x08\x03" + bytes(64), "IDX images or labels; that is a data set, not a model"),
        (b'{"layers": []}', "JSON; a network without its weights cannot be loaded: save both"),
        (b"import torch\n", "text, a program perhaps; run it and save the trained model"),
    ],
)
def test_what_is_no_model(path, data, found):
    assert refused(path, data).startswith(f"wanted a model, found {found}")


def test_a_zip_of_something_else(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("lenet.pth", b"")
    assert refused(path, path.read_bytes()).startswith(
        "wanted a model (PyTorch, Keras or .npz), found a zip archive of lenet.pth; unpack it and load what is inside"
    )


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        lenet_fast.load(tmp_path / "none.safetensors")
    with pytest.raises(lenet_fast.WeightsError, match="wanted"):
        lenet_fast.load(tmp_path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda h: h | {"C1.bias": 7}, "tensor 'C1.bias': wanted dtype, shape and data_offsets, found something else"),
        (
            lambda h: h | {"C1.bias": h["C1.bias"] | {"dtype": "F8"}},
            "tensor 'C1.bias': wanted a dtype of F64, .*, found 'F8'",
        ),
        (lambda h: h | {"C1.bias": h["C1.bias"] | {"dtype": ["F32"]}}, "wanted a dtype of"),
        (lambda h: h | {"C1.bias": h["C1.bias"] | {"shape": [-2]}}, "wanted a shape and two data_offsets"),
        (lambda h: h | {"C1.bias": h["C1.bias"] | {"shape": [2.0]}}, "wanted a shape and two data_offsets"),
        (lambda h: h | {"C1.bias": h["C1.bias"] | {"shape": [True, 2]}}, "wanted a shape and two data_offsets"),
        (lambda h: h | {"C1.bias": h["C1.bias"] | {"shape": [1] * 9}}, "wanted a shape and two data_offsets"),
        (
            lambda h: h | {"C1.bias": h["C1.bias"] | {"shape": [1 << 40, 1 << 40]}},
            "tensor 'C1.bias': wanted .* bytes, found 8",
        ),
        (
            lambda h: h | {"C1.bias": h["C1.bias"] | {"data_offsets": [0, 8]}},
            "tensor '.*': wanted at byte .*, found at byte",
        ),
        (
            lambda h: h | {"C1.bias": h["C1.bias"] | {"data_offsets": [8, 0]}},
            "tensor 'C1.bias': wanted 8 bytes, found -8",
        ),
        (lambda h: h | {"__metadata__": 3}, "wanted metadata that maps text to text"),
        (lambda h: h | {"__metadata__": {"lenet_fast": 3}}, "wanted metadata that maps text to text"),
        (lambda h: h | {"__metadata__": {}}, "wanted a network, since weights alone"),
        (lambda h: h | {"__metadata__": {"lenet_fast": "{"}}, "Expecting"),
        (lambda h: h | {"__metadata__": {"lenet_fast": "[" * 100_000}}, "recursion"),
        (lambda h: b"{" + b'"a":' * 3 + b"}", "wanted a header in JSON"),
        (lambda h: b"{" * 5000, "wanted a header in JSON"),
        (lambda h: b'{"a": 1, "a": 2}', "the same name twice"),
        (lambda h: b"{\xff}", "wanted a header in JSON"),
        (lambda h: {k: v for k, v in h.items() if k != "check.scores"}, "bytes of tensors|wanted at byte"),
        (
            lambda h: {k if k != "C1.bias" else "C1.biases": v for k, v in h.items()},
            "wanted the tensors that were saved, found others",
        ),
        (
            lambda h: {k if k != "check.images" else "C9": v for k, v in h.items()},
            "wanted the tensors that were saved, found others",
        ),
        (described(lambda d: d.update(format=2)), "wanted format 1, found 2; a newer lenet_fast may read it"),
        (described(lambda d: d.pop("network")), "wanted 'network' in its metadata, found none"),
        (described(lambda d: d["network"].update(input=[3, 11, 11])), "F3.weight: wanted shape"),
        (described(lambda d: d["network"].update(input=[3, 10**9, 8])), "input: wanted"),
        (
            described(lambda d: d["network"].update(input=[3, 10**19, 8])),
            "input: wanted a number below 2147483648, found 1",
        ),
        (described(lambda d: d["network"].update(input="abc")), "."),
        (described(lambda d: d["network"].update(layers=3)), "."),
        (described(lambda d: d["network"]["layers"][0].update(maps=10**6)), "maps wanted between"),
        (described(lambda d: d["network"]["layers"][0].update(maps="two")), "maps: wanted a whole number, found 'two'"),
        (
            described(lambda d: d["network"]["layers"][0].update(activation=["tanh"])),
            "activation: wanted a word, found",
        ),
        (described(lambda d: d["network"]["layers"][0].update(kind="LSTM")), "found 'LSTM'"),
        (described(lambda d: d["network"]["layers"][0].update(stride=2)), "Conv5x5: wanted .*, found 'stride'"),
        (
            described(lambda d: d["network"]["layers"][0].update(connections=[[9]])),
            "connections wanted one row per map",
        ),
        (described(lambda d: d["network"].update(head="rbf")), "'rbf' wants an RBF layer last"),
        (described(lambda d: d["preprocess"].update(scale=["x"])), "."),
        (described(lambda d: d["preprocess"].update(scale=[float("nan")])), "scale: wanted finite float32 numbers"),
        (described(lambda d: d["preprocess"].update(scale=[1e300])), "scale: wanted finite float32 numbers"),
        (described(lambda d: d.pop("sha256")), "wanted 'sha256' in its metadata, found none"),
        (described(lambda d: d["preprocess"].update(gamma=2)), "gamma"),
        (
            described(lambda d: d["preprocess"].update(scale=[1, 2, 3])),
            "wanted the scores that were saved for its check images",
        ),
        (
            described(lambda d: d["network"]["layers"][0].update(activation="relu")),
            "wanted the scores that were saved for its check images",
        ),
        (described(lambda d: d.update(classes=["one"])), "classes: wanted 3 names, found 1"),
        (described(lambda d: d.update(card=[])), "."),
    ],
)
def test_altered_headers(path, change, sentence):
    assert re.search(sentence, refused(path, altered(path, change)))


@pytest.mark.parametrize("length", [0, 1, 1 << 19, 1 << 40, (1 << 64) - 1])
def test_impossible_header_lengths(path, length):
    refused(path, struct.pack("<Q", length) + path.read_bytes()[8:])


def test_every_altered_tensor_is_noticed(path):
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for place in range(start, len(data), 13):
        flipped = bytearray(data)
        flipped[place] ^= 1
        assert "wanted the tensors that were saved, found others" in refused(path, bytes(flipped))


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no symbolic links on this system")
def test_saving_follows_links_and_keeps_permissions(model, path):
    path.chmod(0o600)
    link = path.with_name("link")
    link.symlink_to(path)
    model.save(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o600
    assert lenet_fast.load(link).network == model.network


def test_saving_over_what_is_no_file_is_refused(model, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="wanted a regular file or a new name"):
            model.save(target)
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


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
