"""weights/partners.py: a part of a model names the file that it belongs to."""

from __future__ import annotations

import io

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import WeightsError
from lenet_fast.errors import OpenQuestionError

NETWORK = lenet_fast.networks()["lenet5-relu-max"]
WEIGHTS = reference.random_weights(NETWORK, np.random.default_rng(3))
NUMBERS = np.random.default_rng(5).normal(size=2000).astype(np.float32).tobytes()

PARTS = {
    "lenet.bin": (
        NUMBERS,
        "OpenVINO and ncnn",
        "load lenet.xml (OpenVINO) or lenet.param (ncnn), with this file beside",
    ),
    "model.ckpt-9.data-00000-of-00001": (NUMBERS, "a TensorFlow checkpoint", "load model.ckpt-9.index, with this file"),
    "variables.data-00001-of-00002": (NUMBERS, "a TensorFlow checkpoint", "load variables.index, with this file"),
    "model.ckpt.meta": (b"\n\x8b\x01\n\x05", "the graph of a TensorFlow checkpoint", "load model.ckpt.index, with"),
    "checkpoint": (b'model_checkpoint_path: "model.ckpt"\n', "the list of a folder's", "load the .index file of one"),
    "group1-shard1of1.bin": (NUMBERS, "a TensorFlow.js model", "convert the original to ONNX"),
    "model.safetensors.index.json": (b'{"weight_map": {}}', "saved in several", "save it in one file"),
    "lenet-symbol.json": (b'{"nodes": []}', "an MXNet model", "load lenet-0000.params"),
    "lenet.onnx.data": (NUMBERS, "an ONNX file keeps outside", "load lenet.onnx, with this file beside it"),
    "lenet.onnx_data": (NUMBERS, "an ONNX file keeps outside", "load lenet.onnx, with this file beside it"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_names_its_partner(tmp_path, name):
    data, found, way_out = PARTS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        lenet_fast.load(tmp_path / name)
    assert found in caught.value.found and caught.value.way_out.startswith(way_out)


def npz(names):
    stream = io.BytesIO()
    np.savez(stream, **{name: WEIGHTS[name] for name in names})
    return stream.getvalue()


@pytest.mark.parametrize("name", ["lenet.bin", "lenet.onnx.data", "checkpoint", "m-00001-of-00002.bin"])
def test_a_whole_model_of_such_a_name_is_read(tmp_path, name):
    """The content decides."""
    (tmp_path / name).write_bytes(npz(WEIGHTS))
    assert lenet_fast.load(tmp_path / name, network="lenet5-relu-max").network == NETWORK


@pytest.mark.parametrize("options", [{}, {"network": "lenet5-relu-max"}, {"network": NETWORK}])
@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_one_of_several_parts_names_the_others(tmp_path, ending, options):
    for number, other in ((1, 2), (2, 1)):
        path = tmp_path / f"model-{number:05}-of-00002.{ending}"
        path.write_bytes(npz(list(WEIGHTS)[:5] if number == 1 else list(WEIGHTS)[5:]))
        with pytest.raises(WeightsError) as caught:
            lenet_fast.load(path, **options)
        assert caught.value.file == str(path)
        assert caught.value.found == f"part {number} of 2, the rest is in model-{other:05}-of-00002.{ending}"
        assert f"which model.{ending}.index.json lists" in caught.value.way_out


def test_one_of_several_parts_names_the_others_to_a_check_too(tmp_path):
    path = tmp_path / "m-00002-of-00002.bin"
    path.write_bytes(npz(list(WEIGHTS)[5:]))
    with pytest.raises(WeightsError, match="found part 2 of 2, the rest is in m-00001-of-00002.bin"):
        lenet_fast.load(path, check=(np.zeros((2, 32, 32), np.uint8), np.eye(2, 10)))


@pytest.mark.parametrize("first", [6, 8])
def test_a_part_that_would_be_a_network_by_itself_is_none(tmp_path, first):
    """C1, C3 and F5, or F6 too, compute something, of 120 or 84 classes."""
    path = tmp_path / "m-00001-of-00002.bin"
    path.write_bytes(npz(list(WEIGHTS)[:first]))
    with pytest.raises(WeightsError, match="found part 1 of 2, the rest is in m-00002-of-00002.bin"):
        lenet_fast.load(path, network="lenet5-relu-max")


def test_a_question_about_a_part_stays_one(tmp_path):
    """It has all that is asked for, so nothing lies elsewhere."""
    path = tmp_path / "m-00001-of-00002.bin"
    np.savez(tmp_path / "w.npz", **{f"x{i}": array for i, array in enumerate(WEIGHTS.values())})
    (tmp_path / "w.npz").rename(path)
    with pytest.raises(OpenQuestionError, match="pass flatten="):
        lenet_fast.load(path, network="lenet5-relu-max")


def test_the_only_part_is_the_whole(tmp_path):
    path = tmp_path / "m-00001-of-00001.bin"
    path.write_bytes(npz(list(WEIGHTS)[:5]))
    with pytest.raises(WeightsError, match="none of the named networks fits"):
        lenet_fast.load(path, network="lenet5-relu-max")
