"""bench/: the elementary operations against the oracle, every peer that is installed, the contest and its report."""

from __future__ import annotations

import importlib.util
import json

import lenet_fast
import numpy as np
import pytest
import reference
from lenet_fast import RBF, Conv5x5, Dense, Model, Network, Subsample2x2
from lenet_fast import operations as elementary
from lenet_fast.bench.contest import compete, multiply_adds
from lenet_fast.bench.peak import bytes_per_second, multiply_adds_per_second
from lenet_fast.bench.peers import PEERS, Peer, Way
from lenet_fast.bench.peers.folded import folded
from lenet_fast.bench.report import heading, line, missing
from lenet_fast.bench.subjects import reference_models, scaled, some_images
from lenet_fast.cli import main
from lenet_fast.operations import Affine, Conv, Curve, Distances, Flatten, Pool, Softmax, plain

NETWORKS = {
    **lenet_fast.networks(),
    "mixed": Network((2, 21, 25), (Conv5x5(3, "sigmoid", 2), Subsample2x2("max", "scaled_tanh"), Subsample2x2("trainable", "relu"), Conv5x5(4, "scaled_tanh", 1), Dense(7, "scaled_tanh"), RBF(3)), "rbf"),
    "no dense layer": Network((1, 12, 12), (Conv5x5(4, "scaled_tanh"), Subsample2x2("max"), Subsample2x2("trainable")), "scores"),
    "pooled first": Network((3, 16, 16), (Subsample2x2("trainable"), Conv5x5(2, "tanh", 1), Subsample2x2("average", "scaled_tanh"), Dense(5)), "softmax"),
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def model(request, random):
    network = NETWORKS[request.param]
    return Model(network, reference.random_weights(network, random))


def outputs(model, images):
    """What every contestant delivers, by the oracle."""
    last = list(reference.run(model.network, model.weights, images).values())[-1].reshape(len(images), -1)
    return reference.softmax(last) if model.network.head == "softmax" else last


def evaluate(operations, x):
    for operation in operations:
        match operation:
            case Conv(weight, bias, padding, stride, groups):
                x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
                windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))[
                    :, :, ::stride, ::stride
                ]
                if groups > 1:
                    x = np.einsum("nmyxij,mij->nmyx", windows, weight[:, 0])
                else:
                    x = np.einsum("ncyxij,mcij->nmyx", windows, weight)
                x = x + bias[:, None, None]
            case Pool(kind):
                x = reference.subsample2x2(x, kind)
            case Affine(scale, shift):
                x = x * (scale[:, None, None] if scale.ndim else scale) + (
                    shift[:, None, None] if shift.ndim else shift
                )
            case Curve(kind):
                x = reference.activate(kind, x)
            case Flatten(shape):
                assert x.shape[1:] == shape
                x = x.reshape(len(x), -1)
            case elementary.Dense(weight, bias):
                x = x @ weight.T + bias
            case Distances():
                product, square = operation.expanded()
                x = evaluate([product], x) + evaluate([square], x**2)
            case Softmax():
                x = reference.softmax(x)
    return x


@pytest.mark.parametrize("writing", [plain, folded])
def test_both_writings_are_the_network(model, random, writing):
    images = random.random((3, *model.network.input))
    wanted = outputs(model, images)
    assert np.abs(evaluate(writing(model), images) - wanted).max() < 1e-12 * max(1, np.abs(wanted).max())


def test_folding_leaves_no_constant_of_the_classic_network_outside_weights():
    operations = folded(lenet_fast.pretrained("digits"))
    assert not [operation for operation in operations if isinstance(operation, Affine | Pool)]
    assert len(operations) == 14


@pytest.mark.parametrize("name", PEERS)
def test_peers_agree(model, random, name):
    if PEERS[name].version() is None:
        pytest.skip(f'{PEERS[name].title} is not installed (pip install ".[bench]")')
    images = random.random((2, *model.network.input)).astype(np.float32)
    wanted = outputs(model, images)
    found = 0
    for batch in (1, 2):
        for way in PEERS[name].ways(model, 1, batch):
            if way.name == "compiled":
                continue  # takes seconds, and is the same modules as "eager"
            data = way.prepare(images)
            answers = np.concatenate([np.array(way.run(data[i : i + batch])) for i in range(0, 2, batch)])
            assert np.abs(answers - wanted).max() < 2e-6 * max(1, np.abs(wanted).max()), way.name
            found += 1
    assert found


def test_some_images_are_different_and_scaled_as_the_model_says():
    model = lenet_fast.pretrained("digits")
    images = some_images(model, 1024)
    assert len(np.unique(images.reshape(1024, -1), axis=0)) == 1024
    assert np.abs(scaled(model, images) - (images / 255 * 1.275 - 0.1)).max() < 2e-7


def test_multiply_adds_are_the_papers():
    assert [multiply_adds(model) for model in reference_models().values()] == [326_520, 651_720, 416_520]


def small(random):
    network = Network((1, 6, 6), (Conv5x5(2, "tanh"), Dense(3)), "scores")
    return Model(network, reference.random_weights(network, random))


def test_a_contest_alone(random, threads):
    threads(3)
    rows = list(compete(small(random), [], [1, 3], [1, 2], 2))
    assert [(row.threads, row.batch) for row in rows] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert all(len(row.ours.seconds) == 2 and row.ratios is None and row.share_of_peak > 0 for row in rows)
    assert lenet_fast.info()["threads"] == 3
    assert "best peer" not in heading("small", small(random), rows[0], 1e10, False)


@pytest.fixture
def rivals(random, monkeypatch):
    """A peer that knows the answers beforehand, one that lies and one that is not there."""
    model = small(random)

    class Rival(Peer):
        def version(self):
            return None if self.module == "absent" else "1"

        def ways(self, model, threads, batch):
            yield Way("by heart", lambda scores: scores + (self.module == "liar"), model.scores)

    for name in ("oracle", "liar", "absent"):
        monkeypatch.setitem(PEERS, name, Rival(name.title(), name, (name,)))
    return model


def test_winners_and_liars_are_named(rivals):
    (row,) = compete(rivals, ["oracle", "liar"], [4096], [1], 1)
    assert [peer.title for peer in row.peers] == ["Oracle"]
    assert [(peer.title, peer.seconds) for peer in row.wrong] == [("Liar", [])]
    assert row.ratios[0] < 1
    assert "Oracle wins" in line(row)
    assert "not timed: Liar, by heart: its answers differ by" in line(row)


def test_missing_peers_are_named_with_their_install_line(rivals):
    assert missing(["oracle"]) == ""
    assert missing(["oracle", "absent"]) == 'not installed: Absent; pip install "lenet-fast[bench]" brings them'


def test_command(tmp_path, capsys, random, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(random).save("small.safetensors")
    status = main(
        ["bench", "small.safetensors", "--batches", "1,2", "--threads", "1", "--rounds", "1", "--json", "b.json"]
    )
    assert status == 0
    text = capsys.readouterr().out
    assert "small.safetensors: 1x6x6, 224 multiply-adds, 1 thread" in text
    assert len([row for row in text.splitlines() if row.rstrip().endswith("%")]) == 2
    figures = json.loads((tmp_path / "b.json").read_text())
    assert {"cpu", "compiler", "commit", "isa"} <= set(figures["machine"])
    assert [row["batch"] for row in figures["networks"]["small.safetensors"]["rows"]] == [1, 2]


def test_plot(tmp_path, capsys, random, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(random).save("small.safetensors")
    arguments = ["bench", "small.safetensors", "--batches", "1,2", "--threads", "1", "--rounds", "1", "--plot", "b.png"]
    if importlib.util.find_spec("matplotlib") is None:
        assert main(arguments) == 1
        wanted = "lenet-fast: --plot needs matplotlib, which is not installed: pip install matplotlib\n"
        assert capsys.readouterr().err == wanted
    else:
        assert main(arguments) == 0
        assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


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


def test_a_model_that_is_not_there(capsys):
    assert main(["bench", "lenet6"]) == 1
    assert (
        capsys.readouterr().err
        == "lenet-fast: model: wanted a file, or one of lenet5-1998, lenet5-tanh-average, lenet5-relu-max, cifar10, "
        "cifar10-relu, digits, found 'lenet6'\n"
    )


def test_peaks_are_those_of_a_machine(isa):
    assert 1e8 < multiply_adds_per_second(1, 0.001) < 1e13
    assert 1e8 < bytes_per_second(16 << 10, 1, 0.001) < 1e13


def test_an_interrupted_run_keeps_what_it_has_measured(tmp_path, capsys, random, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(random).save("small.safetensors")

    def one_row(*arguments):
        yield from list(compete(*arguments))[:1]
        raise KeyboardInterrupt

    monkeypatch.setattr("lenet_fast.cli.bench.compete", one_row)
    arguments = ["--batches", "1,2", "--threads", "1", "--rounds", "1", "--json", "b.json"]
    assert main(["bench", "small.safetensors", *arguments]) == 130
    assert capsys.readouterr().err == "lenet-fast: interrupted\n"
    (network,) = json.loads((tmp_path / "b.json").read_text())["networks"].values()
    assert [row["batch"] for row in network["rows"]] == [1]
