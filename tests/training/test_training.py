"""training/: data found, downloaded and verified; a few steps of every recipe, killed and resumed, up to the card."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import json
import sys
import tarfile
import threading
from pathlib import Path

import lenet_fast
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
import download
import mnist


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture
def files(monkeypatch):
    """Four small files in MNIST's place, their checksums with them."""
    random = np.random.default_rng(0)
    contents = {}
    for split, n in (("train", 300), ("t10k", 50)):
        contents[f"{split}-images-idx3-ubyte"] = idx(random.integers(0, 256, (n, 28, 28), np.uint8))
        contents[f"{split}-labels-idx1-ubyte"] = idx(random.integers(0, 10, n, np.uint8))
    monkeypatch.setattr(mnist, "SHA256", {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()})
    return contents


@pytest.fixture
def server(files):
    """A mirror on this machine: /good/ has the files, /wrong/ others, everything else is missing."""
    asked = []

    class Mirror(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            _, mirror, name = self.path.split("/")
            if mirror not in ("good", "wrong"):
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(gzip.compress(files[name.removesuffix(".gz")] if mirror == "good" else b"something else"))

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()
        thread.join()


def test_download_tries_mirrors_in_turn_and_verifies(server, files, tmp_path):
    url, asked = server
    digits = mnist.load("t10k", tmp_path, (f"{url}missing/", f"{url}wrong/", f"{url}good/"))
    assert digits.images.shape == (50, 28, 28)
    assert digits.labels.shape == (50,)
    assert [path.split("/")[1] for path in asked] == ["missing", "wrong", "good"] * 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    asked.clear()
    assert (mnist.load("t10k", tmp_path, ()).images == digits.images).all()
    assert asked == []


def test_no_mirror_gives_the_right_files(server, files, tmp_path):
    url, _ = server
    with pytest.raises(
        OSError,
        match=r"could not be downloaded \(.*404.*; .*wrong checksum\); fetch it elsewhere and pass --data",
    ):
        mnist.load("train", tmp_path, (f"{url}missing/", f"{url}wrong/"))
    assert list(tmp_path.iterdir()) == []


def test_altered_files_are_refused(files, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"altered")
    with pytest.raises(
        ValueError, match="its content is not MNIST's train-images-idx3-ubyte; remove it, and it is downloaded again"
    ):
        mnist.load("train", tmp_path, ())


def test_where_the_data_is_looked_for(monkeypatch):
    monkeypatch.setenv("LENET_FAST_DATA", "/somewhere")
    assert download.cache("mnist") == Path("/somewhere/mnist")
    monkeypatch.delenv("LENET_FAST_DATA")
    assert download.cache("mnist").parts[-2:] == ("lenet_fast", "mnist")


# ---- CIFAR-10 ----


@pytest.fixture
def pictures(monkeypatch):
    """An archive in CIFAR-10's place: five batches of 40 pictures and a test batch of 30."""
    cifar = pytest.importorskip("cifar", reason="reading CIFAR-10 needs pillow (pip install '.[training]')")
    random = np.random.default_rng(0)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in [*cifar.BATCHES["train"], *cifar.BATCHES["test"]]:
            n = 30 if name.startswith("test") else 40
            records = random.integers(0, 256, (n, 3073), np.uint8)
            records[:, 0] %= 10
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = records.nbytes
            tar.addfile(member, io.BytesIO(records.tobytes()))
    monkeypatch.setattr(cifar, "SHA256", hashlib.sha256(packed.getvalue()).hexdigest())
    return packed.getvalue()


def test_the_original_archive(pictures, tmp_path):
    import cifar

    (tmp_path / cifar.ARCHIVE).write_bytes(pictures)
    train, test = cifar.load("train", tmp_path, ()), cifar.load("test", tmp_path, ())
    assert (train.images.shape, test.images.shape, train.source) == ((200, 32, 32, 3), (30, 32, 32, 3), "CIFAR-10")
    with tarfile.open(fileobj=io.BytesIO(pictures), mode="r:gz") as tar:
        first = tar.extractfile("cifar-10-batches-bin/data_batch_1.bin").read()[:3073]
    assert train.labels[0] == first[0]
    assert train.images[0].transpose(2, 0, 1).tobytes() == first[1:]
    (tmp_path / cifar.ARCHIVE).write_bytes(pictures[:-1])
    with pytest.raises(ValueError, match="its content is not the original archive; remove it"):
        cifar.load("train", tmp_path, ())
    with pytest.raises(OSError, match="CIFAR-10 could not be downloaded"):
        cifar.load("train", tmp_path / "empty", ("http://127.0.0.1:9/nothing",))


def test_the_jpeg_copy(tmp_path):
    cifar = pytest.importorskip("cifar", reason="reading CIFAR-10 needs pillow (pip install '.[training]')")
    from PIL import Image

    grey = np.arange(0, 250, 25, dtype=np.uint8)
    files = []
    for level in grey:
        stream = io.BytesIO()
        Image.new("RGB", (32, 32), (int(level),) * 3).save(stream, "JPEG")
        files.append(stream.getvalue())
    arrays = {"jpeg": np.frombuffer(b"".join(files), np.uint8), "labels": np.arange(10, dtype=np.uint8)}
    np.savez(tmp_path / "test.npz", offsets=np.cumsum([0, *map(len, files)]), **arrays)
    found = cifar.load("test", tmp_path, ())
    assert found.images.shape == (10, 32, 32, 3)
    assert np.abs(found.images.mean((1, 2, 3)) - grey).max() < 2
    assert found.source == "a JPEG re-encoding of CIFAR-10"


# ---- The recipes, a few steps of each ----


def small_mnist(files):
    return mnist.Digits(
        *(
            np.frombuffer(files[f"train-{k}-ubyte"], np.uint8, offset=o).reshape(s)
            for k, o, s in (("images-idx3", 16, (300, 28, 28)), ("labels-idx1", 8, (300,)))
        )
    )


@pytest.fixture
def digits(monkeypatch):
    for name in ("torch", "tqdm", "matplotlib", "PIL", "sklearn"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import digits
    import rubbish

    monkeypatch.setattr(digits, "VALIDATION", 100)
    whole = rubbish.for_training
    monkeypatch.setattr(rubbish, "for_training", lambda images, seed: whole(images, seed)[::100])
    return digits


def test_a_killed_run_resumes_to_the_same_weights(digits, files, tmp_path, monkeypatch):
    import loop
    import torch

    recipe = digits.DigitsRecipe(passes=3, lessons=1, batch=32)
    data = small_mnist(files)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    teacher = digits.train_teacher(recipe, data, tmp_path / "teacher")
    wanted = digits.train_network(recipe, data, teacher, whole, 0)

    def kill(path, parts, recipe, passes, save=loop._save):
        save(path, parts, recipe, passes)
        if passes == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", kill)
    with pytest.raises(KeyboardInterrupt):
        digits.train_network(recipe, data, teacher, killed, 0)
    found = digits.train_network(recipe, data, teacher, killed, 0)
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(tensor, found.state_dict()[name]), name
    losses = [json.loads(line)["loss"] for line in (killed / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    assert (killed / "curve.png").stat().st_size > 5_000
    with pytest.raises(SystemExit, match="made by another recipe"):
        digits.train_network(digits.DigitsRecipe(passes=4, lessons=1, batch=32), data, teacher, killed, 0)


def test_the_criterion_is_equation_9(digits):
    import torch
    from lenet5_1998 import RUBBISH, map_criterion

    random = torch.Generator().manual_seed(0)
    y, labels = torch.rand(6, 10, generator=random) * 5, torch.tensor([0, 3, 9, 1, 1, 7])
    for j in (0.1, 1.0, 10.0):
        competitive = torch.log(torch.exp(torch.tensor(-j)) + torch.exp(-y).sum(1))
        wanted = (y[torch.arange(6), labels] + competitive).mean()
        assert torch.isclose(map_criterion(y, labels, rubbish=j), wanted)
        none = torch.full((6,), RUBBISH)
        assert torch.isclose(map_criterion(y, none, rubbish=j), (j + competitive).mean())
    certain = torch.nn.functional.one_hot(labels, 11) * 100.0
    taught = map_criterion(y, torch.zeros(6, dtype=torch.int64), certain, share=1.0, rubbish=10.0)
    assert torch.isclose(taught, map_criterion(y, labels, rubbish=10.0))


def test_digits_from_start_to_card(digits, files, tmp_path):
    data = tmp_path / "mnist"
    data.mkdir()
    for name, content in files.items():
        (data / name).write_bytes(content)
    recipes = [digits.DigitsRecipe(seed=seed, passes=1, lessons=1, batch=32) for seed in (1, 2)]
    models = {recipe.seed: digits.train_seed(recipe, data, tmp_path, 0, 1) for recipe in recipes}
    assert models[1].network == lenet_fast.networks()["lenet5-1998"]
    train, test = (mnist.load(split, data) for split in ("train", "t10k"))
    held = digits.Labelled(train.images[-100:], train.labels[-100:])
    pictures = np.zeros((20, 32, 32, 3), np.uint8)
    digits.release(models, recipes[0], held, digits.Labelled(*test), pictures, tmp_path / "out")
    released = lenet_fast.load(tmp_path / "out" / "digits.safetensors")
    page = (tmp_path / "out" / "digits.md").read_text()
    assert released.calibration.images == 100
    assert released.card["test accuracy"] in page
    assert released.calibration.distance is not None
    found = released.predict(test.images, reject=True)
    kept = found >= 0
    lines = [line for line in page.splitlines() if line.startswith("| as shipped |")]
    assert f"({(~kept).sum():,} of {len(kept):,};" in lines[0]
    assert f"({(found != test.labels)[kept].sum():,} of {kept.sum():,};" in lines[0]
    for heading in ("Per class", "Rejection and calibration", "Images that are no digits", "Beyond MNIST"):
        assert f"## {heading}" in page
    checksum = hashlib.sha256((tmp_path / "out" / "digits.safetensors").read_bytes()).hexdigest()
    assert (tmp_path / "out" / "checksums.txt").read_text() == f"{checksum}  digits.safetensors\n"


def test_a_network_that_disagrees_is_not_written(digits):
    import card
    import torch

    model = lenet_fast.pretrained("digits")
    images = lenet_fast.sample_digits()
    other = digits.LeNet5(torch.from_numpy(lenet_fast.rbf_codes())).eval()
    with pytest.raises(SystemExit, match="PyTorch and lenet_fast disagree by .*; nothing was written"):
        card.check_agreement(other, model, images, digits.as_input(images))


@pytest.mark.filterwarnings("ignore:calibrate. wanted some hundred images")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_cifar10_from_start_to_card(pictures, tmp_path, monkeypatch, activation):
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


@pytest.mark.filterwarnings("ignore")  # Keras's own
def test_keras_recipe_killed_and_resumed(pictures, tmp_path, monkeypatch):
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


def test_distortions_keep_what_they_should():
    torch = pytest.importorskip("torch", reason="torch is not installed (pip install '.[training]')")
    from distortions import affine_and_elastic, flip_and_shift, noisy

    random = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 32, 32, generator=random)
    none = dict.fromkeys(("rotation", "scaling", "shear", "shift", "elastic"), 0.0)
    same = affine_and_elastic(images, random, background=-0.1, **none)
    assert torch.allclose(same, images, atol=1e-5)
    far = affine_and_elastic(images, random, background=-0.1, **none | {"shift": 200.0})
    assert (far == -0.1).any()
    turned = affine_and_elastic(images, random, background=-0.1, **none | {"rotation": 30.0})
    assert not torch.allclose(turned, images, atol=0.1)
    spoilt = noisy(images, random, share=0.5, deviation=0.3, lowest=-0.1, highest=1.175)
    touched = (spoilt != images).flatten(1).any(1)
    assert 0 < touched.sum() < 8
    assert -0.1 <= spoilt.min() <= spoilt.max() <= 1.175
    moved = flip_and_shift(images, random, shift=4)
    assert moved.shape == images.shape
    column = torch.arange(32.0).expand(64, 1, 32, 32)
    middles = flip_and_shift(column, random, shift=4)[:, 0, 16, 16]
    assert 11 <= middles.min() <= middles.max() <= 20
    assert len(middles.unique()) > 5


def test_altered_copies_are_the_same_every_time():
    for name in ("torch", "sklearn"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import robustness

    digits = lenet_fast.sample_digits()
    once, again = robustness.copies(digits), robustness.copies(digits)
    for name, images in once.items():
        assert images.shape == digits.shape
        assert images.dtype == np.uint8
        assert (images == again[name]).all()
        assert (images != digits).any()
    assert (once["inverted"] == 255 - digits).all()


def test_what_is_reported_is_not_trained_on():
    for name in ("matplotlib", "PIL"):
        pytest.importorskip(name, reason=f"{name} is not installed (pip install '.[training]')")
    import rubbish

    assert not set(rubbish.TRAINING_FACES) & set(rubbish.REPORTED_FACES)
    trained = {image.tobytes() for image in rubbish.for_training(lenet_fast.sample_digits(), 1)}
    for name, images in rubbish.for_reporting(np.zeros((1, 32, 32, 3), np.uint8)).items():
        if name not in ("blank, every grey", "empty sheets with grain, prepared", "photographs in grey"):
            # of even greys there are few, and both sets have some; a prepared sheet is one of them
            assert not trained & {image.tobytes() for image in images}, name
