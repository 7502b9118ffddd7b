"""`lenet-fast verify`: the reading that gives a trainer's outputs is named and kept, or there is none."""

from __future__ import annotations

import lenet_fast
import numpy as np
import reference
from trainers import lenet

IMAGES = np.random.default_rng(4).integers(0, 256, (40, 28, 28), np.uint8)


def test_the_reading_that_gives_the_outputs_is_named_and_kept(run, tmp_path):
    network = lenet(28, activation="tanh", pooling="average")
    model = lenet_fast.Model(network, reference.random_weights(network, np.random.default_rng(7)))
    np.savez(tmp_path / "w.npz", **{name.replace(".", "_"): array for name, array in model.weights.items()})
    for name, array in (("x.npy", IMAGES), ("y.npy", model.scores(IMAGES)), ("bad.npy", np.eye(40, 10))):
        np.save(tmp_path / name, array)
    w, x, y, bad, out = (tmp_path / name for name in ("w.npz", "x.npy", "y.npy", "bad.npy", "found.safetensors"))
    status, text, _ = run("verify", w, "--images", x, "--expected", y, "--save", out)
    assert status == 0
    head, first, *_, last = text.splitlines()
    assert head == "    error  reproduces  reading"
    for part in ("yes", "activation tanh, pooling average", "flatten CHW", "preprocess unit"):
        assert part in first
    assert "1x28x28 -> 10 classes" in text and ": logits of 40 images, largest difference " in text
    assert last == f"written to {out}"
    assert (lenet_fast.load(out).scores(IMAGES) == model.scores(IMAGES)).all()
    status, _, err = run("verify", w, "--images", x, "--expected", bad)
    assert status == 1
    assert "found none of" in err


def test_progress_is_a_line_on_a_terminal_and_nowhere_else(run, tmp_path, monkeypatch):
    network = lenet(28, padding=(2, 0))
    model = lenet_fast.Model(network, reference.random_weights(network, np.random.default_rng(7)))
    np.savez(tmp_path / "w.npz", **model.weights)
    np.save(tmp_path / "x.npy", IMAGES)
    np.save(tmp_path / "y.npy", model.scores(IMAGES))
    command = ("verify", tmp_path / "w.npz", "--images", tmp_path / "x.npy", "--expected", tmp_path / "y.npy")
    status, table, err = run(*command)
    assert (status, err) == (0, "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    status, again, err = run(*command)
    assert (status, again) == (0, table)
    told = err.split("\r")
    of = len(told) - 1
    assert told[0] == f"reading 1 of {of}" and told[-2:] == [f"reading {of} of {of}", "\033[K"]
