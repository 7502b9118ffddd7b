"""cifar10_keras.py: trained by Keras, killed and resumed, and read by the importer."""

from __future__ import annotations

import json

import lenet_fast
import pytest


@pytest.mark.filterwarnings("ignore")  # Keras's own
def test_keras_recipe_killed_and_resumed(pictures, one_thread, tmp_path, monkeypatch):
    for name in ("keras", "torch", "matplotlib", "h5py"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[frameworks]')")
    import cifar
    import cifar10
    import cifar10_keras

    (tmp_path / cifar.ARCHIVE).write_bytes(pictures)
    monkeypatch.setattr(cifar10, "VALIDATION", 50)
    recipe = cifar10.PicturesRecipe(passes=2, batch=32)
    known, held, _ = cifar10.prepared(tmp_path)

    def kill(self, number, save=cifar10_keras.Distorted.start):
        save(self, number)
        if number == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cifar10_keras.Distorted, "start", kill)
        with pytest.raises(KeyboardInterrupt):
            cifar10_keras.train(recipe, known, held, tmp_path / "work")
    trained = cifar10_keras.train(recipe, known, held, tmp_path / "work")
    log = [json.loads(line) for line in (tmp_path / "work" / "log.jsonl").read_text().splitlines()]
    assert [line["pass"] for line in log] == [1, 2]
    model = cifar10_keras.to_engine(trained, held, tmp_path / "trained.keras")
    assert model.network == lenet_fast.networks()["lenet5-tanh-average"]
    with pytest.raises(SystemExit, match="made by another recipe"):
        cifar10_keras.train(cifar10.PicturesRecipe(passes=3), known, held, tmp_path / "work")
