"""weights/arrays/safetensors.py: a header that says where each tensor lies, one behind the other, and no byte besides."""

from __future__ import annotations

import json
import re

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network, WeightsError

NETWORK = Network((1, 8, 8), (Conv5x5(2), Dense(3)), "scores")


def weights():
    return reference.random_weights(NETWORK, np.random.default_rng(2))


def layout(tensors, gap_before=None, gap=0):
    """Header and bytes of tensors in a row, with a gap before one of them."""
    header, data = {}, b""
    for name, array in tensors.items():
        data += b"\xff" * (gap if name == gap_before else 0)
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    return header, data


def write(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def test_tensors_in_any_order_and_empty_ones(tmp_path):
    """Whatever order the header lists them in; an empty one lies between two others."""
    header, data = layout(dict(list(weights().items())[:2]) | {"nothing": np.zeros((0, 3), np.float32)})
    rest, more = layout(dict(list(weights().items())[2:]))
    for entry in rest.values():
        entry["data_offsets"] = [n + len(data) for n in entry["data_offsets"]]
    write(tmp_path / "m.safetensors", dict(reversed((header | rest).items())), data + more)
    found = lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK).weights
    assert all((found[name] == array).all() for name, array in weights().items())


@pytest.mark.parametrize("name", weights())
def test_a_gap_before_a_tensor_is_refused(tmp_path, name):
    """Bytes that no tensor has can hide anything, and mean that somebody's offsets are wrong."""
    write(tmp_path / "m.safetensors", *layout(weights(), name, 4))
    with pytest.raises(WeightsError, match=f"{name}': wanted its values at byte"):
        lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK)


def test_bytes_behind_the_last_tensor_are_refused(tmp_path):
    header, data = layout(weights())
    for wrong in (data + b"\0", data[:-1]):
        write(tmp_path / "m.safetensors", header, wrong)
        with pytest.raises(WeightsError, match="truncated or altered"):
            lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK)


def test_two_tensors_of_the_same_bytes_are_refused(tmp_path):
    header, data = layout(weights())
    header["twin"] = dict(header["C1.bias"])
    write(tmp_path / "m.safetensors", header, data)
    with pytest.raises(WeightsError, match="wanted its values at byte"):
        lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK)


# --- the header ---


def refused(path, header, data):
    write(path, header, data) if isinstance(header, dict) else path.write_bytes(
        len(header).to_bytes(8, "little") + header + data
    )
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(path, network=NETWORK)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return str(caught.value)


ENTRIES = {
    "a number": (7, "wanted dtype, shape and data_offsets"),
    "no shape": ({"shape": None}, "wanted dtype, shape and data_offsets"),
    "more than there is": ({"more": 1}, "wanted dtype, shape and data_offsets"),
    "another kind of numbers": ({"dtype": "F8"}, "found 'F8'"),
    "kinds in a list": ({"dtype": ["F32"]}, "wanted a dtype of"),
    "a negative size": ({"shape": [-2]}, "wanted a shape and two data_offsets"),
    "half a size": ({"shape": [2.0]}, "wanted a shape and two data_offsets"),
    "a size that is a truth": ({"shape": [True, 2]}, "wanted a shape and two data_offsets"),
    "nine axes": ({"shape": [1] * 9}, "wanted a shape and two data_offsets"),
    "a size beyond memory": ({"shape": [1 << 40, 1 << 40]}, "bytes, found 8"),
    "a size beyond numbers": ({"shape": [1 << 48]}, "wanted a shape and two data_offsets"),
    "one offset": ({"data_offsets": [0]}, "wanted a shape and two data_offsets"),
    "three offsets": ({"data_offsets": [0, 8, 8]}, "wanted a shape and two data_offsets"),
    "offsets backwards": ({"data_offsets": [8, 0]}, "wanted 8 bytes, found -8"),
    "offsets of others": ({"data_offsets": [0, 8]}, "wanted its values at byte"),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_altered_entry_names_its_tensor(tmp_path, name):
    change, words = ENTRIES[name]
    header, data = layout(weights())
    entry = (
        change
        if isinstance(change, int)
        else {k: v for k, v in {**header["C1.bias"], **change}.items() if v is not None}
    )
    sentence = refused(tmp_path / "m.safetensors", header | {"C1.bias": entry}, data)
    assert words in sentence and ("'C1.bias'" in sentence or "at byte" in sentence)


HEADERS = {
    "no object": (b"[1, 2, 3]" + b" " * 8, "none of the formats|JSON"),
    "half an object": (b"{" + b'"a":' * 3 + b"}", "header in JSON"),
    "a deep one": (b"{" * 5000, "header in JSON"),
    "the same name twice": (b'{"a": 1, "a": 2}', "the same name twice"),
    "no text": (b"{\xff}" + b" " * 8, "header in JSON"),
    "metadata that is a number": (b'{"__metadata__": 3}', "metadata that maps text to text"),
    "metadata of numbers": (b'{"__metadata__": {"format": 3}}', "metadata that maps text to text"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_damaged_header_is_refused(tmp_path, name):
    header, words = HEADERS[name]
    assert re.search(words, refused(tmp_path / "m.safetensors", header, b""))


@pytest.mark.parametrize("length", [0, 1, 1 << 19, 1 << 40, (1 << 64) - 1])
def test_impossible_lengths_of_a_header_are_refused(tmp_path, length):
    path = tmp_path / "m.safetensors"
    write(path, *layout(weights()))
    path.write_bytes(length.to_bytes(8, "little") + path.read_bytes()[8:])
    with pytest.raises(WeightsError):
        lenet_fast.load(path, network=NETWORK)


def test_a_header_is_no_longer_than_a_models(tmp_path):
    """A megabyte: the format allows a hundred, which JSON would turn into gigabytes of objects."""
    path = tmp_path / "m.safetensors"
    header, data = layout(weights())
    text = json.dumps(header).encode()
    for length, fits in ((1 << 20, True), ((1 << 20) + 1, False)):
        path.write_bytes(length.to_bytes(8, "little") + text.ljust(length) + data)
        if fits:
            assert lenet_fast.load(path, network=NETWORK).network == NETWORK
        else:
            with pytest.raises(WeightsError, match="wanted a header of at most 1,048,576 bytes"):
                lenet_fast.load(path, network=NETWORK)


# --- kinds of numbers, and whose file it is ---


@pytest.mark.parametrize(
    ("name", "kind"), [("F64", "<f8"), ("F32", "<f4"), ("F16", "<f2"), ("I64", "<i8"), ("I32", "<i4"), ("I16", "<i2"), ("I8", "i1"), ("U8", "u1")]
)  # fmt: skip
def test_numbers_of_every_kind(tmp_path, name, kind):
    rounded = {n: np.round(a * 20).astype(kind) for n, a in weights().items()}
    header, data = layout(rounded)
    write(tmp_path / "m.safetensors", {n: {**entry, "dtype": name} for n, entry in header.items()}, data)
    found = lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK).weights
    assert all((found[n] == a).all() for n, a in rounded.items())


def test_bfloat16_is_the_upper_half_of_float32(tmp_path):
    upper = {n: (a.view(np.uint32) >> 16).astype("<u2") for n, a in weights().items()}
    header, data = layout(upper)
    write(tmp_path / "m.safetensors", {n: {**entry, "dtype": "BF16"} for n, entry in header.items()}, data)
    found = lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK).weights
    for name, array in weights().items():
        np.testing.assert_array_equal(found[name], (array.view(np.uint32) & 0xFFFF0000).view(np.float32))


@pytest.mark.parametrize(("form", "order"), [("pt", "CHW"), ("tf", "HWC"), ("flax", "HWC"), (None, None)])
def test_the_metadata_say_whose_orders_these_are(tmp_path, form, order):
    """PyTorch flattens maps in one order, TensorFlow and Flax in another; of anybody else's it is asked."""
    wanted = weights()
    given = {n.lower(): a for n, a in wanted.items()}
    if order == "HWC":
        given["c1.weight"] = given["c1.weight"].transpose(2, 3, 1, 0)
        given["f2.weight"] = given["f2.weight"].reshape(3, 2, 4, 4).transpose(0, 2, 3, 1).reshape(3, 32).T
    given = {n.replace(".", "_"): np.ascontiguousarray(a) for n, a in given.items()}
    header, data = layout(given)
    write(tmp_path / "m.safetensors", header | ({"__metadata__": {"format": form}} if form else {}), data)
    if order is None:
        with pytest.raises(WeightsError, match="flatten='CHW'"):
            lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK)
    else:
        found = lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK).weights
        assert all((found[n] == a).all() for n, a in wanted.items())


def test_what_we_write_is_what_others_read(tmp_path):
    """The header is padded to eight bytes, and the tensors follow in their order."""
    Model(NETWORK, weights()).save(tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    header = json.loads(data[8 : 8 + length])
    assert header.pop("__metadata__").keys() == {"lenet_fast"}
    for name, array in weights().items():
        begin, end = header[name]["data_offsets"]
        assert header[name]["dtype"] == "F32" and header[name]["shape"] == list(array.shape)
        assert data[8 + length + begin : 8 + length + end] == array.tobytes()
