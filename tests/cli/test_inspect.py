"""`lenet-fast inspect`: the layers, the scaling, the names that the file has for the tensors, and the card."""

from __future__ import annotations

import numpy as np
from lenet_fast.weights.sniff import SUPPORTED
from trainers import VARIANTS


def test_inspect_shows_table_and_card(run):
    status, out, _ = run("inspect")
    assert status == 0
    assert "C3 convolution" in out
    assert "60,000" in out
    assert "test accuracy" in out


def test_what_a_file_is_read_as(run, tmp_path):
    weights = VARIANTS["relu max 28 padded"].filled().weights
    file = tmp_path / "w.npz"
    np.savez(file, **{name.replace(".weight", "_w").replace(".bias", "_b"): array for name, array in weights.items()})
    options = ["--network", "lenet5-relu-max", "--padding", "2", "--preprocess", "mnist", "--flatten", "CHW"]
    status, out, _ = run("inspect", file, *options)
    assert status == 0
    assert out.startswith(f"{file}: npz\n")
    assert "C1 convolution, relu, padding 2" in out
    assert "pixels 0..1: x = pixel * 3.24" in out
    assert "F5.weight  F5_w" in out


def test_a_file_that_is_no_model_is_one_sentence(run, tmp_path):
    (tmp_path / "text.txt").write_text("hello world")
    status, _, err = run("inspect", tmp_path / "text.txt")
    assert status == 1
    found = f"none of the formats that are read here ({', '.join(SUPPORTED)}); export it to ONNX"
    assert err == f"lenet-fast: {tmp_path / 'text.txt'}: wanted a model, found {found}\n"
