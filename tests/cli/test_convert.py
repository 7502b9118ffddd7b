"""`lenet-fast convert`: the model that is written is the model that was read, in each of our formats."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest
from trainers import VARIANTS

OPTIONS = ["--network", "lenet5-relu-max", "--padding", "2", "--preprocess", "mnist", "--flatten", "CHW"]


@pytest.fixture
def trained(tmp_path):
    """A file with weights alone, and the model that it becomes with these options."""
    variant = VARIANTS["relu max 28 padded"].filled()
    np.savez(tmp_path / "w.npz", **{name.replace(".", "_"): array for name, array in variant.weights.items()})
    scaling = lenet_fast.Preprocess.named("mnist")
    return tmp_path / "w.npz", lenet_fast.Model(variant.network, variant.weights, preprocess=scaling)


@pytest.mark.parametrize("ending", ["safetensors", "npz", "onnx"])
def test_what_is_written_computes_the_same(run, tmp_path, trained, ending):
    if ending == "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed (pip install '.[frameworks]')")
    source, model = trained
    out = tmp_path / f"out.{ending}"
    status, text, _ = run("convert", source, out, *OPTIONS)
    assert status == 0
    assert text.startswith(f"{source} (npz) -> {out}: <lenet_fast.Model 1x28x28 -> 10 classes")
    images = np.random.default_rng(4).integers(0, 256, (40, 28, 28), np.uint8)
    assert (lenet_fast.load(out).scores(images) == model.scores(images)).all()


def test_the_order_of_flat_kernels_is_asked_for_and_taken(run, tmp_path, trained):
    source, model = trained
    with np.load(source) as arrays:
        flat = {name: array.ravel() if array.ndim == 4 else array for name, array in arrays.items()}
    np.savez(tmp_path / "flat.npz", **flat)
    status, _, err = run("convert", tmp_path / "flat.npz", tmp_path / "out.npz", *OPTIONS)
    assert status == 1 and "pass kernels='OIHW' or 'HWIO' or" in err
    assert (
        run("convert", tmp_path / "flat.npz", tmp_path / "out.npz", *OPTIONS, "--kernels", "OIHW", "--dense", "OI")[0]
        == 0
    )
    found = lenet_fast.load(tmp_path / "out.npz")
    assert all((found.weights[name] == array).all() for name, array in model.weights.items())


def test_another_ending_is_refused_before_anything_is_written(run, tmp_path, trained):
    status, _, err = run("convert", trained[0], tmp_path / "out.h5", *OPTIONS)
    assert status == 1
    assert "wanted a name that ends in .safetensors, .npz or .onnx" in err
    assert not (tmp_path / "out.h5").exists()
