"""weights/arrays/safetensors.py: a header that says where each tensor lies, one behind the other, and no byte besides."""

from __future__ import annotations

import json

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Network, WeightsError

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
    with pytest.raises(WeightsError, match=f"{name}': wanted at byte"):
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
    with pytest.raises(WeightsError, match="wanted at byte"):
        lenet_fast.load(tmp_path / "m.safetensors", network=NETWORK)
