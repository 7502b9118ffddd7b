"""cli/source.py: a command takes a file, or else a bundled model of that name, and says so where there is neither."""

from __future__ import annotations

import lenet_fast
import numpy as np
import pytest

DIGITS = lenet_fast.sample_digits([3, 1, 4], seed=5)


def test_bundled_models_by_name(run, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8))
    status, out, _ = run("predict", "--model", "cifar10", tmp_path / "x.npy")
    assert status == 0
    assert all(line.split()[1] in lenet_fast.pretrained("cifar10").classes_ for line in out.splitlines())
    assert "temperature" in run("inspect", "cifar10-relu")[1]
    assert run("convert", "cifar10", tmp_path / "c.npz")[0] == 0
    assert lenet_fast.load(tmp_path / "c.npz").card == lenet_fast.pretrained("cifar10").card
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar10").write_bytes(b"a file of that name")
    assert run("inspect", "cifar10")[0] == 1


def test_another_model(run, tmp_path):
    lenet_fast.pretrained("digits").save(tmp_path / "mine.npz")
    np.save(tmp_path / "x.npy", DIGITS)
    assert run("predict", "--model", tmp_path / "mine.npz", tmp_path / "x.npy")[0] == 0
    status, out, _ = run("inspect", tmp_path / "mine.npz")
    assert status == 0
    assert "340,908" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["convert", "Digits", "out.npz"],
            "Digits: wanted a model file, or one of cifar10, cifar10-relu, digits, found neither",
        ),
        (
            ["inspect", "digits", "--pooling", "max"],
            "digits: wanted a bundled model as it is, found options that say what it is; leave them out",
        ),
    ],
)
def test_no_such_model_is_one_sentence(run, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == (1, "", f"lenet-fast: {sentence}\n")


def test_fraction_bits_reach_the_reader(run, tmp_path, capsys):
    network = lenet_fast.networks()["lenet1"]
    for name, shape in network.parameters.items():
        words = " ".join(["FFC0"] * int(np.prod(shape)))
        (tmp_path / f"{name}.hex").write_text(f"# shape {' '.join(map(str, shape))}\n{words}\n")
    command = ("convert", tmp_path, tmp_path.with_suffix(".npz"), "--network", "lenet1")
    assert "pass fraction_bits=8" in run(*command)[2]
    assert run(*command, "--fraction-bits", 7)[0] == 0
    assert set(lenet_fast.load(tmp_path.with_suffix(".npz")).weights["C1.weight"].ravel()) == {-0.5}
    with pytest.raises(SystemExit):
        run(*command, "--fraction-bits", 16)
    assert "argument --fraction-bits: invalid choice: 16" in capsys.readouterr().err


@pytest.mark.parametrize("padding", ["two", "2,x", ""])
def test_a_padding_that_is_no_number_is_one_sentence(run, capsys, padding):
    with pytest.raises(SystemExit) as caught:
        run("inspect", "m.npz", "--padding", padding)
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"argument --padding: wanted N or N,N, found {padding!r}\n")
