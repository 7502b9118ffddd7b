"""`lenet-fast bench`: tables, and files of what was measured, also of a run that is interrupted."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import reference
from lenet_fast import Conv5x5, Dense, Model, Network
from lenet_fast.bench.contest import compete
from lenet_fast.cli import main

ARGUMENTS = ["bench", "small.safetensors", "--batches", "1,2", "--threads", "1", "--rounds", "1"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the command runs; small.safetensors lies there, whose layers take no time."""
    monkeypatch.chdir(tmp_path)
    network = Network((1, 6, 6), (Conv5x5(2, "tanh"), Dense(3)), "scores")
    Model(network, reference.random_weights(network, np.random.default_rng(0))).save("small.safetensors")
    return tmp_path


def test_a_table_and_every_figure(run, folder):
    status, out, _ = run(*ARGUMENTS, "--json", "b.json")
    assert status == 0
    assert "small.safetensors: 1x6x6, 224 multiply-adds, 1 thread" in out
    assert len([row for row in out.splitlines() if row.rstrip().endswith("%")]) == 2
    figures = json.loads((folder / "b.json").read_text())
    assert {"cpu", "compiler", "commit", "isa"} <= set(figures["machine"])
    assert [row["batch"] for row in figures["networks"]["small.safetensors"]["rows"]] == [1, 2]


def test_plot(run, folder):
    status, _, err = run(*ARGUMENTS, "--plot", "b.png")
    if importlib.util.find_spec("matplotlib") is None:
        wanted = "lenet-fast: --plot needs matplotlib, which is not installed: pip install matplotlib\n"
        assert (status, err) == (1, wanted)
    else:
        assert status == 0
        assert (folder / "b.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--batches", "0"], "argument --batches: wanted whole numbers from 1 to 8192, found '0'"),
        (["--batches", "1,x"], "argument --batches: wanted whole numbers from 1 to 8192, found 'x'"),
        (["--threads", "-1"], "argument --threads: wanted whole numbers from 1 to 65536, found '-1'"),
        (["--rounds", "0"], "argument --rounds: wanted a whole number from 1 to 1000, found '0'"),
        (["--plot", "b.gif"], "argument --plot: wanted a name that ends in .png, .svg or .pdf, found 'b.gif'"),
        (
            ["--json", "nowhere/b.json"],
            "argument --json: wanted a file in a folder that exists, found 'nowhere/b.json'",
        ),
        (["--vs", "caffe"], "argument --vs: wanted onnxruntime, openvino, torch, litert, ncnn or all, found 'caffe'"),
    ],
)
def test_arguments_that_make_no_sense(capsys, arguments, sentence):
    with pytest.raises(SystemExit) as caught:
        main(["bench", *arguments])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_model_that_is_not_there(run):
    assert run("bench", "lenet6") == (
        1,
        "",
        "lenet-fast: model: wanted a file, or one of lenet5-1998, lenet5-tanh-average, lenet5-relu-max, cifar10, "
        "cifar10-relu, digits, found 'lenet6'\n",
    )


def test_an_interrupted_run_keeps_what_it_has_measured(run, folder, monkeypatch):
    def one_row(*arguments):
        yield from list(compete(*arguments))[:1]
        raise KeyboardInterrupt

    monkeypatch.setattr("lenet_fast.cli.bench.compete", one_row)
    status, _, err = run(*ARGUMENTS, "--json", "b.json")
    assert (status, err) == (130, "lenet-fast: interrupted\n")
    (network,) = json.loads((folder / "b.json").read_text())["networks"].values()
    assert [row["batch"] for row in network["rows"]] == [1]
