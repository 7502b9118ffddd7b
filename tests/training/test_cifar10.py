"""cifar10.py: from the data to the models that are shipped, with their cards."""

from __future__ import annotations

import sys

import lenet_fast
import pytest


@pytest.mark.filterwarnings("ignore:calibrate. wanted some hundred images")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_cifar10_from_start_to_card(pictures, one_thread, tmp_path, monkeypatch, activation):
    for name in ("torch", "tqdm", "matplotlib"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import cifar
    import cifar10

    (tmp_path / cifar.ARCHIVE).write_bytes(pictures)
    monkeypatch.setattr(cifar10, "VALIDATION", 50)
    arguments = f"cifar10.py {activation} --passes 1 --lessons 1 --data {tmp_path} --work {tmp_path} --out {tmp_path}"
    monkeypatch.setattr(sys, "argv", arguments.split())
    cifar10.main()
    released = lenet_fast.load(tmp_path / f"{cifar10.NAMES[activation]}.safetensors")
    name, pooling = {"tanh": ("lenet5-tanh-average", "average"), "relu": ("lenet5-relu-max", "max")}[activation]
    assert released.network.layers == lenet_fast.networks()[name].layers
    assert released.network.layers[1].pooling == pooling
    assert sum(figures.trainable for figures in released.network.figures) == 62_006
    assert released.classes_.tolist() == list(cifar.CLASSES)
    assert "150 training" not in released.card["data"]
